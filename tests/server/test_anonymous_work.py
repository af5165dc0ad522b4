"""What a request of nobody's costs: work that grows with its length and no faster, and few rows.

Every address of the application is asked, with inputs that make careless readers slow, in each
place that a request has for them, at one length and at four times that. Calls are counted, as a
profiler sees them; for what works inside C, the time of this thread is compared with itself.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections import Counter
from urllib.parse import urlencode

import argon2
import pytest
from tests.adversarial.families import DOCUMENTS, FAMILIES
from tests.counted_work import calls_counted
from tests.server.asgi import (
    EVERYTHING,
    FORM,
    GOOD_FORMS,
    JSON,
    OWN_PAGE,
    opened,
    routes,
    with_names,
)

from carnet import Key
from carnet.jose import jws
from carnet.server.clients.clients import JWT_BEARER

SHORT, LONG = 7_500, 30_000
GROWTH = LONG // SHORT
# What happens or not, whatever the length: a page is made, an import is done at its first use.
SLACK_CALLS, SLACK_SECONDS = 3_000, 0.02
MOST_CALLS = 60_000
# It has lines for each address and status that was asked for, and here all are.
MOST_CALLS_OF_FIGURES = 120_000
MOST_STATEMENTS = 12
MOST_ROWS = 4
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MOST_OPERATIONS = {"hash": 1, "signature": 2, "key": 1}

PIECES = {
    "letters": b"x",
    "digits": b"9",
    "dots": b"a.",
    "escapes": b"%2541",
    "characters": b"%C3%A9",
    "one name": b"a=b&",
    "separators": b"&",
    "cookies": b"a=b; ",
    "open cookies": b'a="\\1',
    "languages": b"en;q=0.1,",
    "slashes": b"/",
    "spaces": b"+",
    "brackets": b"[",
    "commas": b",",
    "quotes": b'"',
    "backslashes": b"\\",
}
NUMBERED = b"n%d=1&"
HEADERS = (
    *(b"accept", b"accept-language", b"cookie", b"dpop", b"forwarded", b"if-none-match"),
    *(b"last-event-id", b"user-agent", b"x-forwarded-for", b"carnet-session"),
)


def filled(piece, size):
    return piece * (size // len(piece))


def texts(size):
    for name, piece in PIECES.items():
        yield name, filled(piece, size)
    yield "many names", b"".join(NUMBERED % number for number in range(size // 9))


def requests(size):
    """Give everything that is sent, each with a name; the same names for every size."""
    for method, path in routes():
        for family, text in texts(size):
            name = (method, path, family)
            where = with_names(path)
            together = [(header, text[: size // len(HEADERS)]) for header in HEADERS]
            yield (*name, "headers"), method, where, {"headers": together}
            for scheme in (b"Bearer ", b"Basic ", b"DPoP "):
                alone = [(b"authorization", scheme + text)]
                if path in ("/account", "/token", "/userinfo"):
                    more = {"headers": [FORM, *alone], "body": b"grant_type=client_credentials"}
                    yield (*name, scheme), method, where, more
            if "{" in path and text.isascii() and b"%" not in text:
                escaped = text.replace(b'"', b"%22").replace(b"\\", b"%5C").replace(b"[", b"%5B")
                yield (*name, "address"), method, with_names(path, escaped[:size]), {}
            if method == "GET":
                yield (*name, "query"), method, where, {"query": text}
                for form in GOOD_FORMS.get(path, ()):
                    for parameter in form:
                        query = _with(form, parameter, text)
                        yield (*name, "query", parameter), method, where, {"query": query}
            else:
                more = {"headers": [FORM, *OWN_PAGE], "body": text}
                yield (*name, "form"), method, where, more
                yield (*name, "document"), method, where, {"headers": [JSON], "body": text}


def _with(form, parameter, text):
    """Write a form in which one parameter has another value."""
    hidden = text.replace(b"&", b"%26")[: len(text)]
    return b"&".join(
        b"%s=%s" % (name.encode(), hidden if name == parameter else value.encode())
        for name, value in form.items()
    )


class Counted:
    """What the primitive operations were called, in all threads."""

    def __init__(self, monkeypatch):
        self.done = Counter()
        for kind, owner, name in (
            ("hash", argon2.PasswordHasher, "hash"),
            ("hash", argon2.PasswordHasher, "verify"),
            ("signature", jws, "verify"),
            ("signature", jws, "sign"),
            ("key", Key, "from_jwk"),
        ):
            monkeypatch.setattr(owner, name, self._counting(kind, getattr(owner, name), owner))

    def _counting(self, kind, work, owner):
        def counting(*arguments, **more):
            self.done[kind] += 1
            return work(*arguments, **more)

        return staticmethod(counting) if owner is Key else counting


async def rows(service):
    """Count everything that the database holds."""
    tables = await service.store.read("SELECT name FROM sqlite_master WHERE type = 'table'")
    counts = [await service.store.read(f"SELECT COUNT(*) FROM {name}") for (name,) in tables]
    return sum(count for ((count,),) in counts)


async def calls_of(asked, request):
    _, method, where, more = request
    with calls_counted() as count:
        await asked(method, where, **more)
    return count[0]


async def too_many_calls(asked, short, long, most):
    """Give the calls of both, where those of the longer one are too many each time."""
    # What is made once, such as the template of a page, is no work of a request's.
    for _ in range(2):
        few, many = await calls_of(asked, short), await calls_of(asked, long)
        if many <= GROWTH * few + SLACK_CALLS and many <= most:
            return None
    return few, many


async def seconds_of(asked, request):
    _, method, where, more = request
    start = time.thread_time()
    await asked(method, where, **more)
    return time.thread_time() - start


async def grows_too_fast(asked, short, long):
    """Tell whether the time grows faster than the length, each time that it is looked at."""
    for _ in range(4):
        first = await seconds_of(asked, short)
        if await seconds_of(asked, long) <= 2.5 * GROWTH * first + SLACK_SECONDS:
            return False
    return True


def test_work_grows_no_faster_than_a_request(tmp_path):
    async def scene():
        found = []
        async with opened(tmp_path / "data", **EVERYTHING) as asked:
            for short, long in zip(requests(SHORT), requests(LONG), strict=True):
                assert short[0] == long[0]
                await asked(short[1], short[2], **short[3])
                most = MOST_CALLS_OF_FIGURES if long[2] == "/metrics" else MOST_CALLS
                if calls := await too_many_calls(asked, short, long, most):
                    found.append((long[0], *calls))
                elif await grows_too_fast(asked, short, long):
                    found.append((long[0], "time"))
        return found

    assert asyncio.run(scene()) == []


def family_requests(family, size):
    """Give what reads JSON, tokens and keys of strangers, with one of the library's families."""
    text = family(size)
    line = text.translate(None, b"\r\n\0")
    grant = b"grant_type=client_credentials"
    yield "document", "POST", "/sessions", {"headers": [JSON], "body": text}
    yield "proof", "POST", "/token", {"headers": [FORM, (b"dpop", line)], "body": grant}
    yield "bearer", "GET", "/account", {"headers": [(b"authorization", b"Bearer " + line)]}
    yield (
        "basic",
        "POST",
        "/token",
        {
            "headers": [FORM, (b"authorization", b"Basic " + b64encode(text))],
            "body": grant,
        },
    )
    assertion = urlencode({"client_assertion": text, "client_assertion_type": ASSERTION}).encode()
    yield "assertion", "POST", "/token", {"headers": [FORM], "body": grant + b"&" + assertion}
    given = urlencode({"grant_type": JWT_BEARER, "assertion": text}).encode()
    yield "grant", "POST", "/token", {"headers": [FORM], "body": given}


@pytest.mark.parametrize("name", [*FAMILIES, *DOCUMENTS])
def test_work_grows_no_faster_than_a_family_of_the_librarys(tmp_path, name):
    family = {**FAMILIES, **DOCUMENTS}[name]

    async def scene():
        found = []
        async with opened(tmp_path / "data") as asked:
            # A body may be 64 KiB, and an assertion is escaped in it.
            pairs = zip(
                family_requests(family, 3_000), family_requests(family, 12_000), strict=True
            )
            for short, long in pairs:
                await asked(short[1], short[2], **short[3])
                if calls := await too_many_calls(asked, short, long, MOST_CALLS):
                    found.append((long[0], *calls))
                elif await grows_too_fast(asked, short, long):
                    found.append((long[0], "time"))
        return found

    assert asyncio.run(scene()) == []


def test_a_request_of_nobodys_does_little_and_leaves_little(tmp_path, monkeypatch):
    counted = Counted(monkeypatch)

    async def scene():
        found, left = [], Counter()
        async with opened(tmp_path / "data", **EVERYTHING) as asked:
            store, before = asked.service.store, await rows(asked.service)
            for name, method, where, more in requests(SHORT):
                counted.done.clear()
                statements = store.statements_run
                await asked(method, where, **more)
                cost = store.statements_run - statements
                if cost > MOST_STATEMENTS:
                    found.append((name, "statements", cost))
                found += [
                    (name, kind, done)
                    for kind, done in counted.done.items()
                    if done > MOST_OPERATIONS[kind]
                ]
                if method != "GET":
                    now = await rows(asked.service)
                    left[method, name[1]] += now - before
                    if now - before > MOST_ROWS:
                        found.append((name, "rows", now - before))
                    before = now
        return found, {place: count for place, count in left.items() if count}

    found, left = asyncio.run(scene())
    assert found == []
    # Nothing of all that was good: nothing of it stays.
    assert left == {}


def test_an_address_has_a_number_of_parameters(tmp_path):
    async def scene():
        async with opened(tmp_path / "data") as asked:
            few = await asked("GET", "/sign-in", query=b"&".join([b"a=b"] * 100))
            many = await asked("GET", "/sign-in", query=b"&".join([b"a=b"] * 101))
            return few.status, many.status

    assert asyncio.run(scene()) == (200, 400)


@pytest.mark.parametrize("place", ["/token", "/sessions", "/account", "/sign-in"])
def test_a_body_longer_than_any_is_not_read_to_its_end(tmp_path, place):
    async def scene():
        async with opened(tmp_path / "data") as asked:
            read = 0

            async def receive():
                nonlocal read
                read += 16 * 1024
                return {"type": "http.request", "body": b"x" * 16 * 1024, "more_body": True}

            answer = await asked("POST", place, headers=[FORM, *OWN_PAGE], receive=receive)
            return answer.status, read

    status, read = asyncio.run(scene())
    assert status in (401, 405, 413, 415)
    assert read <= 96 * 1024
