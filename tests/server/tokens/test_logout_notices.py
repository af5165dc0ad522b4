"""Notices of ended sessions: what counts as told, and how often an address is tried."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest
from tests.server.conftest import PASSWORD

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.sessions.sessions import NewSession


@pytest.fixture
def client():
    """A client's server, which answers as it is told and keeps what it hears."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.heard.append((self.path, parse_qs(body)["logout_token"][0]))
            self.answer()

        def do_GET(self):
            server.heard.append((self.path, None))
            self.answer()

        def answer(self):
            self.send_response(server.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.heard, server.status = [], 200
    server.url = f"http://127.0.0.1:{server.server_port}/logout"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def end_session(service, address):
    """End a session of a client that is to be told at an address; give its id."""
    if service.registry.client("app") is None:
        metadata = ClientMetadata(grant_types=("client_credentials",))
        await service.registry.add_client(metadata, OPERATOR, "app")
        await service.accounts.create("alice", PASSWORD)
    account = await service.accounts.find("alice")
    session = NewSession("app", "default", logout_uri=address)
    grant = await service.sessions.begin(account, session)
    await service.sessions.end(grant.session_id, "signed_out")
    return grant.session_id


async def waiting(service):
    rows = await service.store.read("SELECT id FROM session WHERE logout_uri IS NOT NULL")
    return [row[0] for row in rows]


def test_a_client_is_told_once_which_session_of_whom_has_ended(play, client):
    async def scene(service, _clock):
        session_id = await end_session(service, client.url)
        for _ in range(3):
            await service.logout_notices.send_due()
        account = await service.accounts.find("alice")
        return session_id, account.id, await waiting(service)

    session_id, account_id, left = play(scene)
    assert left == []
    [(path, token)] = client.heard
    claims = inspect(token).claims
    assert path == "/logout"
    assert (claims["aud"], claims["sub"], claims["sid"]) == ("app", account_id, session_id)


@pytest.mark.parametrize("status", [302, 307, 308, 400, 404, 500, 503])
def test_another_answer_than_success_is_none_and_a_redirect_is_not_followed(play, client, status):
    client.status = status

    async def scene(service, _clock):
        session_id = await end_session(service, client.url)
        await service.logout_notices.send_due()
        failure = (await service.logout_notices.failures())["app"]
        return await waiting(service) == [session_id], failure.cause

    still_waits, cause = play(scene)
    assert still_waits
    assert cause.startswith(f"it answered {status}")
    assert [path for path, _ in client.heard] == ["/logout"]


def test_an_address_that_fails_is_tried_at_growing_distances_and_told_when_it_works(play, client):
    client.status = 500

    async def scene(service, clock):
        await end_session(service, client.url)
        tries = []
        for second in range(0, 4000, 2):
            before = len(client.heard)
            await service.logout_notices.send_due()
            if len(client.heard) > before:
                tries.append(second)
            clock.advance(2)
        client.status = 204
        clock.advance(3600)
        await service.logout_notices.send_due()
        # It works again: the next session is told at once, and nobody is shown as failing.
        await end_session(service, client.url)
        await service.logout_notices.send_due()
        return tries, await waiting(service), await service.logout_notices.failures()

    tries, left, failures = play(scene)
    assert tries[:5] == [0, 2, 4, 8, 16]
    assert len(tries) < 15
    assert (left, failures) == ([], {})
