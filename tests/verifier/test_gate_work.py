"""What a question costs the gate: little, and for strangers work that grows no faster than it does.

A question with a token seen before is counted in calls of functions (Python 3.11, with room for one
more). Whoever needs more says so here, with what the benchmark ``gate`` says of it.

Every family of inputs stands in every header that the gate looks at, at one length and at four
times that. Calls are counted, as a profiler sees them; for what works inside C, the processor time
of this process is compared with itself. The connection's own limits are tested with the service's,
whose protocol it is (``tests/server/running/test_bounded_connections.py``).
"""

from __future__ import annotations

import asyncio
import sys
import time
import tracemalloc

import pytest
from tests.adversarial.families import FAMILIES
from tests.counted_work import calls_of

from carnet import Key, KeySet, Signer
from carnet.verifier.gate import Gate
from carnet.verifier.identity_headers import IdentityHeaders

SHORT, LONG = 7_500, 30_000
GROWTH = LONG // SHORT
SLACK_CALLS, SLACK_SECONDS = 2_000, 0.02
MOST_CALLS = 60_000
HEADERS = (
    *("authorization", "cookie", "dpop", "origin", "x-original-uri", "x-forwarded-uri"),
    *("x-original-method", "x-forwarded-method", "sec-fetch-site", "x-other"),
)
# The address of the docs' block for nginx, and one that asks for something.
ASKED = [(b"", 102), (b"role=ADMIN&scope=orders:read", 119)]
PREFIXES = {"authorization": b"Bearer ", "cookie": b"carnet-access="}


@pytest.fixture(scope="module")
def gate():
    keys = KeySet([Key.generate("ES256").public])
    origin = "https://app.example.com"
    return Gate(
        "https://auth.example.com", "orders", keys=keys, cookie="carnet-access", origin=origin
    )


async def ask(gate, header, value, query=b""):
    """Send a request with one more header, and give the status of its answer."""
    sent = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/verify",
        "raw_path": b"/verify",
        "query_string": query,
        "headers": [(b"host", b"gate"), (header.encode(), value)],
        "client": ("127.0.0.1", 1),
        "server": ("gate", 80),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await gate.app(scope, receive, send)
    return sent[0]["status"]


def calls_and_time(gate, header, value):
    count = 0

    def see(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    loop = asyncio.new_event_loop()
    try:
        sys.setprofile(see)
        try:
            status = loop.run_until_complete(ask(gate, header, value))
        finally:
            sys.setprofile(None)
        times = []
        for _ in range(3):
            begin = time.process_time()
            loop.run_until_complete(ask(gate, header, value))
            times.append(time.process_time() - begin)
    finally:
        loop.close()
    return status, count, min(times)


@pytest.mark.parametrize("header", HEADERS)
def test_work_grows_no_faster_than_a_header(gate, header):
    calls_and_time(gate, header, b"x")  # what is imported at the first use
    for name, family in FAMILIES.items():
        begin = PREFIXES.get(header, b"")
        short = calls_and_time(gate, header, begin + family(SHORT))
        long = calls_and_time(gate, header, begin + family(LONG))
        place = (name, short, long)
        assert long[0] in (401, 403), place
        assert long[1] <= MOST_CALLS, place
        assert long[1] <= GROWTH * short[1] + SLACK_CALLS, place
        assert long[2] <= 2 * GROWTH * short[2] + SLACK_SECONDS, place


@pytest.mark.parametrize(("query", "most"), ASKED)
def test_a_token_seen_before_passes_in_so_many_calls(query, most):
    key, issuer = Key.generate("ES256"), "https://auth.example.com"
    claims = {"sub": "ada", "client_id": "web", "scope": "orders:read", "roles": ["ADMIN"]}
    token = Signer(key, issuer=issuer, audience="orders", type="at+jwt").sign(claims)
    gate = Gate(issuer, "orders", keys=key.public)
    value = f"Bearer {token}".encode()
    asyncio.run(ask(gate, "authorization", value, query))
    answered = []

    def pass_again():
        # Nothing is waited for, so no event loop is needed.
        try:
            ask(gate, "authorization", value, query).send(None)
        except StopIteration as ended:
            answered.append(ended.value)

    assert calls_of(pass_again) <= most
    assert answered == [200]


def test_names_that_no_other_request_has_take_no_memory():
    identity = IdentityHeaders()
    tracemalloc.start()
    try:
        for number in range(5_000):
            assert identity.mistaken([(b"x-%d" % number, b""), (b"y" * 1000, b"")]) is None
        assert tracemalloc.get_traced_memory()[0] <= 250_000
    finally:
        tracemalloc.stop()
