"""A server over standard input and output behind the proxy: its sessions, over real sockets."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest
from tests import processes
from tests.verifier.conftest import Issuer

from carnet import Signer

SERVER = Path(__file__).parent / "small_server.py"
ACCEPT = {"Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def issuer():
    one = Issuer()
    yield one
    one.close()


@pytest.fixture(scope="module")
def protected(protect_once, issuer):
    return protect_once(server=(sys.executable, str(SERVER)), issuer=issuer.url)


@pytest.fixture
def client():
    with httpx.Client(trust_env=False, timeout=60) as one:
        yield one


@pytest.fixture
def signed(issuer):
    """Give the headers of a request that somebody sends, ada by default."""

    def made(url, sub="ada", headers=None):
        signer = Signer(issuer.key, issuer=issuer.url, audience=url, type="at+jwt")
        token = signer.sign({"sub": sub, "client_id": "c"})
        return {**ACCEPT, "Authorization": f"Bearer {token}", **(headers or {})}

    return made


@pytest.fixture
def ask(client, protected, signed):
    """Send a request and read its answer."""

    def asked(method="POST", url=protected.url, sub="ada", headers=None, **more):
        return client.request(method, url, headers=signed(url, sub, headers), **more)

    return asked


@pytest.fixture
def stream(client, protected, signed):
    """Send a request and begin to read its answer."""

    def begun(method, url=protected.url, sub="ada", headers=None, **more):
        return client.stream(method, url, headers=signed(url, sub, headers), **more)

    return begun


def end(ask, begun):
    session = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
    assert ask("DELETE", headers=session).status_code == 200
    return session


def test_a_session_begins_with_initialize_and_ends_with_its_process(ask, protected):
    before = processes.descendants(protected.process.pid)
    begun = ask(json=INITIALIZE)
    assert begun.status_code == 200
    assert '"serverInfo"' in begun.text
    made = processes.descendants(protected.process.pid) - before
    assert made
    session = end(ask, begun)
    processes.wait_until(lambda: all(map(processes.has_ended, made)))
    assert ask(headers=session, json=INITIALIZE).status_code == 404


@pytest.mark.parametrize(
    "more",
    [
        {"json": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}},
        {"json": [INITIALIZE]},
        {"content": b"\xff{"},
        {"content": b"[" * 100_000},
        {"method": "GET"},
        {"method": "DELETE"},
    ],
)
def test_what_begins_no_session_starts_no_process(ask, protected, more):
    before = processes.descendants(protected.process.pid)
    answer = ask(**more)
    assert (answer.status_code, answer.json()["code"]) == (400, "session_missing")
    assert processes.descendants(protected.process.pid) == before


def test_a_version_without_sessions_is_refused_so_that_clients_fall_back(ask):
    answer = ask(headers={"Mcp-Protocol-Version": "2026-07-28"}, json=INITIALIZE)
    assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_version")
    assert "jsonrpc" not in answer.json()


def test_one_person_cant_take_all_sessions(ask):
    begun = [ask(json=INITIALIZE) for _ in range(20)]
    assert {answer.status_code for answer in begun} == {200}
    answer = ask(json=INITIALIZE)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_sessions")
    others = ask(sub="bob", json=INITIALIZE)
    assert others.status_code == 200
    end(ask, begun.pop())
    # The place is free as soon as the session has ended.
    again = ask(json=INITIALIZE)
    assert again.status_code == 200


@pytest.mark.parametrize("odd", [{}, [], None, "unknown", 1.5])
def test_a_cancelled_request_of_an_odd_id_harms_no_session(ask, protected, stream, odd):
    begun = ask(sub="eve", json=INITIALIZE)
    session = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
    never_answered = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"_meta": {"progressToken": odd}},
    }
    cancelled = {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": odd},
    }
    with stream("POST", sub="eve", headers=session, json=never_answered) as answer:
        assert answer.status_code == 200
        assert ask(sub="eve", headers=session, json=cancelled).status_code in (202, 400)
        again = ask(sub="eve", headers=session, json={**INITIALIZE, "id": 8})
        assert '"serverInfo"' in again.text
        # The right id ends the wait.
        right = {**cancelled, "params": {"requestId": 7}}
        assert ask(sub="eve", headers=session, json=right).status_code == 202
        assert "-32800" in answer.read().decode()
    assert ask("DELETE", sub="eve", headers=session).status_code == 200
    assert "has failed" not in "".join(protected.said)


def test_a_server_that_ends_at_once_is_an_error_in_the_answer(protect, issuer, ask):
    broken = protect(server=(sys.executable, str(SERVER), "--dies"), issuer=issuer.url)
    answer = ask(url=broken.url, json=INITIALIZE)
    assert "the MCP server has ended" in answer.text
    session = {"Mcp-Session-Id": answer.headers["mcp-session-id"]}
    assert ask(url=broken.url, headers=session, json=INITIALIZE).status_code == 404
    broken.stop()
    assert "has ended in the midst of a session" in "".join(broken.said)
    assert "Traceback" not in "".join(broken.said)


def test_the_command_ends_at_once_while_streams_are_open(protect, issuer, ask, stream):
    one = protect(server=(sys.executable, str(SERVER)), issuer=issuer.url)
    begun = ask(url=one.url, json=INITIALIZE)
    session = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
    made = processes.descendants(one.process.pid)
    with stream("GET", url=one.url, headers=session) as answer:
        assert answer.status_code == 200
        assert one.stop() == 0
    assert all(map(processes.has_ended, made))
    assert "Traceback" not in "".join(one.said)
