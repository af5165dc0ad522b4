"""The requests that come most do a counted amount of work: statements, and calls of functions.

Asked in this process on SQLite, without the HTTP server. The counts are of Python 3.11 with a
little room: whoever needs more says so here, with what the benchmark ``requests`` says of it.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from urllib.parse import urlencode

import pytest
from tests.counted_work import calls_counted
from tests.server.asgi import FORM, JSON, opened
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.store import statements as sql

MACHINE = ("client_credentials",)

# With some sixty of the test's own. A refresh waits for its commit, and so the event loop turns.
CALLS = {"client credentials": 188, "refresh": 565, "introspection": 174}
STATEMENTS = {"client credentials": 0, "refresh": 1, "introspection": 1}


class Clients:
    """A program, a service, and a session, which ask for the three in turn."""

    def __init__(self, asked, users, refresh_token, access_token):
        self._asked = asked
        self._users = users
        self._refresh_token = refresh_token
        self._introspected = access_token

    async def _post(self, path, form, user=None):
        headers = [FORM]
        if user:
            pair = ":".join(self._users[user]).encode()
            headers.append((b"authorization", b"Basic " + b64encode(pair)))
        answer = await self._asked("POST", path, headers=headers, body=urlencode(form).encode())
        assert answer.status == 200, answer.body
        return answer.json()

    async def ask(self, what):
        if what == "client credentials":
            return await self._post("/token", {"grant_type": "client_credentials"}, "job")
        if what == "introspection":
            said = await self._post("/introspection", {"token": self._introspected}, "orders")
            assert said["active"] is True
            return said
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        said = await self._post("/token", form)
        self._refresh_token = said["refresh_token"]
        return said


async def clients(asked):
    users = {}
    for name, member in (("job", "resources"), ("orders", "introspects")):
        metadata = ClientMetadata(client_name=name, grant_types=MACHINE, **{member: ("orders",)})
        client, secret = await asked.service.registry.add_client(metadata, OPERATOR)
        users[name] = (client.id, secret)
    body = b'{"username": "alice", "password": "%s"}' % PASSWORD.encode()
    said = (await asked("POST", "/sessions", headers=[JSON], body=body)).json()
    return Clients(asked, users, said["refresh_token"], said["access_token"])


@pytest.mark.parametrize("what", CALLS)
def test_a_request_takes_so_many_statements_and_calls(tmp_path, what):
    async def scene():
        async with opened(tmp_path / "data") as asked:
            some = await clients(asked)
            for _ in range(3):
                await some.ask(what)
            before = asked.service.store.statements_run
            with calls_counted() as calls:
                await some.ask(what)
            return asked.service.store.statements_run - before, calls[0]

    statements, calls = asyncio.run(scene())

    assert statements == STATEMENTS[what]
    assert calls <= CALLS[what]


def test_sqlite_plans_the_statements_of_these_requests_once_whatever_the_values(tmp_path):
    planned = []

    def seen(*_):
        planned.append(1)
        return 0

    async def scene():
        async with opened(tmp_path / "data") as asked:
            store = asked.service.store
            await store.read(sql.TOKEN_STATE, "a", "b")
            store._reader.authorizer = seen
            await store.read(sql.TOKEN_STATE, "a", "b")
            assert planned
            planned.clear()
            for number in range(5):
                await store.read(sql.TOKEN_STATE, f"token {number}", f"session {number}")

    asyncio.run(scene())

    assert not planned
