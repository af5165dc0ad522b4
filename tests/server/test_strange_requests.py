"""Whatever somebody sends, at whichever address, it is never this program that fails."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

import pytest
from tests.server.asgi import (
    ANY_FORM,
    EVERYTHING,
    FORM,
    GOOD_DOCUMENTS,
    GOOD_FORMS,
    JSON,
    opened,
    routes,
    with_names,
)

TEXTS = {
    "a zero byte": "\0",
    "a zero byte within": "a\0b",
    "a line end": "a\r\nX-Injected: b",
    "beyond ASCII": "é€😀",
    "a bidirectional override": "\u202egnp.exe",
    "a letter and its mark": "e\u0301" * 50,
    "a noncharacter": "\uffff",
    "a percent sign": "%",
    "half an escape": "%4",
    "an escaped escape": "%2500",
    "a huge number": "9" * 40,
    "one more than 63 bits": str(2**63),
    "one more than 64 bits": str(2**64),
    "a negative number": "-1",
    "digits that are not ASCII": "١٢٣",
    "a superscript": "²",
    "a fraction": "1.5",
    "infinity": "1e999",
    "an open address": "http://[",
    "an address of IPv6": "https://[::1",
    "a port too large": "https://app.example:99999/",
    "a port that is none": "https://app.example:x/",
    "an address with an empty label": "https://a..b/",
    "an address with a broken name": "https://xn--/",
    "two slashes": "//evil.example",
    "a way up": "../../etc/passwd",
    "quotes": "\"'`",
    "markup": "<script>alert(1)</script>{{7*7}}",
    "a statement": "'; DROP TABLE account; --",
    "brackets": "[[[{{{",
    "an object": '{"a":1}',
    "a date that is none": "2026-02-30",
    "a date of another calendar": "0000-00-00",
    "the last date": "9999-12-31",
    "nothing but space": " \t ",
    "much": "x" * 5000,
}
BROKEN = {
    "a byte that is not UTF-8": b"%FF",
    "half a character": b"%C3",
    "a surrogate": b"%ED%A0%80",
    "an overlong zero": b"%C0%80",
    "an escape that is none": b"%zz",
    "half an escape": b"%4",
    "a lonely percent sign": b"%",
}
HEADERS = (
    *("accept", "accept-language", "carnet-session", "content-type", "cookie"),
    *("dpop", "forwarded", "host", "if-none-match", "if-modified-since", "last-event-id"),
    *("origin", "range", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "user-agent"),
    *("x-forwarded-for", "x-forwarded-proto", "access-control-request-method"),
    *("access-control-request-headers",),
)
# Whoever sends these is signed out.
ENDS = {
    *(("POST", "/sign-out"), ("POST", "/logout/decision"), ("POST", "/me/sessions/end-others")),
    *(("POST", "/sign-up"), ("POST", "/me/delete")),
    *(("DELETE", "/sessions"), ("DELETE", "/sessions/current")),
}
PAGES = ("/admin", "/authorize", "/logout", "/me", "/sign")
VALUES = {
    "bytes beyond ASCII": b"\xff\xfe\xc3",
    "a tab": b"\t",
    "nothing": b"",
    "a comma": b",",
    "semicolons": b";;=;=a;a==",
    "quoted and cut": b'a="\\',
    "an octal escape": b'carnet="\\999\\101"; __Host-carnet="\\400"',
    "a huge number": b"9" * 40,
    "weights": b"en;q=9e999, de;q=x, *;q=-1, text/html;q=nan",
    "an open address": b"http://[",
    "basic, empty": b"Basic ",
    "basic, no colon": b"Basic YQ==",
    "basic, zero bytes": b"Basic AAA6AAA=",
    "basic, a broken escape": b"Basic JUZGOiVGRg==",
    "basic, not base64": b"Basic \xff",
    "bearer, empty": b"Bearer ",
    "bearer, dots": b"Bearer ...",
    "bearer, beyond ASCII": b"Bearer \xe9.\xe9.\xe9",
    "bearer, deep": b"Bearer " + b"W1tb" * 500 + b".e30.AA",
    "dpop": b"DPoP a.b.c",
    "a range": b"bytes=9-1,-0",
}
# Lone surrogates can't be sent as UTF-8, but as escapes in JSON.
DOCUMENTS = (
    *(b"", b"null", b"[]", b"{}", b"0", b'"x"', b"{", b"\xff", b"\xef\xbb\xbf{}", b"{}{}"),
    *(b'{"\\ud800":"\\udfff"}', b'{"username":"\\ud800","password":"\\ud800"}'),
    *(b'{"username":1e999,"password":NaN}', b'{"expires_in":' + b"9" * 4000 + b"}"),
    *(b'{"a":1,"a":2}', b"[" * 3000, b'{"username":"a\\u0000b","password":"\\u0000"}'),
)
JSON_VALUES = (
    *(None, True, 0, -1, 2**63, 2**64, 10**400, 1.5, 1e308, "", "\0", "a\0b", "\ud800", "é" * 300),
    *("http://[", "https://a:99999/", "x" * 5000, [], ["\0"], ["\ud800"], [None], [[]], {}),
    *({"\0": "\0"}, {"\ud800": 1}, {"keys": [{"kty": "\0"}]}, [{}]),
)


@pytest.fixture(params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.slow)])
def engine(request):
    return "" if request.param == "SQLite" else request.getfixturevalue("postgres_store")


# Of these the one of ``EVERYTHING`` is at an address that nobody is let connect to.
LEAD_TO_A_PROVIDER = ("/sign-in/with", "/me/providers/connect")


@pytest.fixture
def failures(tmp_path, engine):
    """Send requests as nobody, a program and a browser; give those that the service failed at."""

    def run(requests):
        async def scene():
            found = []
            async with opened(tmp_path / "data", engine, **EVERYTHING) as asked:
                for label, method, path, more in requests:
                    if path == "/readyz":
                        # Nothing runs by itself here, and this needs what has run just now.
                        for name in ("follow", "keys", "directory"):
                            await asked.service.background.tasks[name].attempt()
                    # The pages look at a cookie, everything else at a token.
                    is_page = path.startswith(PAGES)
                    known = asked.cookie if is_page else asked.bearer
                    for who in ([],) if (method, path) in ENDS else ([], known):
                        given = {**more, "headers": [*who, *more.get("headers", ())]}
                        answer = await asked(method, path, **given)
                        is_away = answer.status == 502 and path in LEAD_TO_A_PROVIDER
                        if answer.error or not (200 <= answer.status < 500 or is_away):
                            found.append((label, method, path, answer.status, repr(answer.error)))
                        if any(b"\n" in value or b"\r" in value for _, value in answer.headers):
                            found.append((label, method, path, "a line end in a header"))
                assert (await asked("GET", "/me", headers=asked.cookie)).status == 200
                assert (await asked("GET", "/account", headers=asked.bearer)).status == 200
            return found

        return asyncio.run(scene())

    return run


def paths():
    return [route for route in routes() if "{" in route[1]]


def with_one_strange(good, text):
    """Give a form for each of its parameters in which that one is strange."""
    return [{**good, name: text} for name in good]


def test_strange_names_in_an_address(failures):
    requests = [
        (label, method, with_names(path, value), {})
        for method, path in paths()
        for label, value in (
            *((label, urlencode({"": text})[1:].encode()) for label, text in TEXTS.items()),
            *((label, value) for label, value in BROKEN.items()),
        )
    ]
    assert failures(requests) == []


def forms():
    for method, path in routes():
        good = [*GOOD_FORMS.get(path, ()), *ANY_FORM]
        for label, text in TEXTS.items():
            for form in good:
                yield label, method, path, urlencode(dict.fromkeys(form, text)).encode()
                if form is not ANY_FORM[0]:
                    for strange in with_one_strange(form, text):
                        yield label, method, path, urlencode(strange).encode()
        for label, value in BROKEN.items():
            for form in good:
                yield label, method, path, b"&".join(b"%s=%s" % (n.encode(), value) for n in form)
            yield label, method, path, b"%s=x" % value
        for value in (b"=", b"&&", b"a", b"a=b&a=b", b"a" * 65_000, b"a=b&" * 9000, b"\xff=\xff"):
            yield "not a form", method, path, value


def test_strange_queries(failures):
    requests = [
        (label, method, with_names(path), {"query": query[:20_000]})
        for label, method, path, query in forms()
        # Of an address uvicorn's protocol, as it is here, takes ASCII only.
        if method in ("GET", "DELETE") and query.isascii()
    ]
    assert failures(requests) == []


def test_strange_forms(failures):
    requests = [
        (label, method, with_names(path), {"headers": [FORM], "body": body})
        for label, method, path, body in forms()
        if method == "POST"
    ]
    assert failures(requests) == []


def test_strange_documents(failures):
    requests = []
    for method, path in routes():
        if method not in ("POST", "PUT", "PATCH"):
            continue
        requests += [("a document", method, with_names(path), body) for body in DOCUMENTS]
        good = GOOD_DOCUMENTS.get((method, path))
        if good is not None:
            for name in good:
                for value in JSON_VALUES:
                    body = json.dumps({**good, name: value}).encode()
                    label = f"{name}: {value!r}"[:80]
                    requests.append((label, method, with_names(path, b"app"), body))
    assert GOOD_DOCUMENTS.keys() <= set(routes())
    sent = [
        (label, method, path, {"headers": [JSON], "body": body})
        for label, method, path, body in requests
    ]
    assert failures(sent) == []


# No header has a zero byte or half a character, and all else both databases hold.
@pytest.mark.parametrize("engine", ["SQLite"], indirect=True)
def test_strange_headers(failures):
    requests = []
    for method, path in routes():
        for label, value in VALUES.items():
            alone = [(b"authorization", value)]
            together = [(name.encode(), value) for name in HEADERS]
            for headers in (alone, together, [FORM, *together]):
                more = {"headers": headers, "body": b"a=b"}
                requests.append((label, method, with_names(path), more))
    assert failures(requests) == []
