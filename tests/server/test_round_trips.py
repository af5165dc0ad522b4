"""The requests that come most wait for PostgreSQL a counted number of times.

Counted on the wire, by a proxy in between: each time that the server says it is ready, somebody has
waited for it, whether for a statement, for BEGIN or for COMMIT.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit

from tests.server.asgi import FORM, JSON, opened
from tests.server.conftest import PASSWORD
from tests.server.test_counted_work import clients

from carnet.server.sessions.sessions import NewSession

# BEGIN and COMMIT are among those of a sign-in, of which there are two transactions, and of what
# ends a session.
ROUND_TRIPS = {
    "client credentials": 0,
    "refresh": 1,
    "refreshes at once": 1,
    "introspection": 1,
    "sign-in": 17,
    "sign-out": 8,
    "revocation": 8,
}
AT_ONCE = 16
READY_FOR_QUERY = ord("Z")


class Wire:
    """What goes to a PostgreSQL server and comes back.

    Attributes:
        round_trips: how often the server has said that it is ready for more.
    """

    def __init__(self, host, port):
        self._server = host, port
        self.round_trips = 0

    async def serve(self, reader, writer):
        server_reader, server_writer = await asyncio.open_connection(*self._server)
        sending = asyncio.create_task(self._send(reader, server_writer))
        try:
            while True:
                head = await server_reader.readexactly(5)
                kind, length = struct.unpack("!BI", head)
                self.round_trips += kind == READY_FOR_QUERY
                writer.write(head + await server_reader.readexactly(length - 4))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            sending.cancel()
            server_writer.close()
            writer.close()

    async def _send(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@asynccontextmanager
async def on_a_wire(url):
    """Give the URL of a database behind a wire, and the wire."""
    parts = urlsplit(url)
    wire = Wire(parts.hostname, parts.port)
    async with await asyncio.start_server(wire.serve, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        account = parts.netloc.rpartition("@")[0]
        there = parts._replace(netloc=f"{account}@127.0.0.1:{port}", query="sslmode=disable")
        yield there.geturl(), wire


async def sign_in(asked):
    body = b'{"username": "alice", "password": "%s"}' % PASSWORD.encode()
    said = await asked("POST", "/sessions", headers=[JSON], body=body)
    assert said.status == 201, said.body
    return said.json()["access_token"]


async def sign_out(asked, token):
    bearer = [(b"authorization", b"Bearer " + token.encode())]
    said = await asked("DELETE", "/sessions/current", headers=bearer)
    assert said.status == 204, said.body


async def post(asked, path, form):
    body = urlencode({"client_id": "app", **form}).encode()
    said = await asked("POST", path, headers=[FORM], body=body)
    assert said.status == 200, said.body


async def refresh(asked, token):
    await post(asked, "/token", {"grant_type": "refresh_token", "refresh_token": token})


async def revoke(asked, token):
    await post(asked, "/revocation", {"token": token})


async def refresh_tokens(asked, count):
    """Begin sessions of a client that anybody can be."""
    service = asked.service
    account = await service.accounts.find("alice")
    wanted = NewSession("app", "orders", "")
    begun = (service.sessions.begin(account, wanted) for _ in range(count))
    return [grant.refresh_token for grant in await asyncio.gather(*begun)]


def test_a_request_waits_for_postgresql_so_many_times(tmp_path, postgres_url):
    counted = {}

    async def scene():
        async with (
            on_a_wire(postgres_url) as (url, wire),
            opened(tmp_path / "data", url) as asked,
        ):

            async def count(what, asking):
                before = wire.round_trips
                await asking
                counted[what] = wire.round_trips - before

            some = await clients(asked)
            for what in ("client credentials", "refresh", "introspection"):
                # The first time, a statement is prepared.
                await some.ask(what)
                await count(what, some.ask(what))
            tokens = [await sign_in(asked) for _ in range(2)]
            await count("sign-in", sign_in(asked))
            await sign_out(asked, tokens.pop())
            await count("sign-out", sign_out(asked, tokens.pop()))
            tokens = await refresh_tokens(asked, AT_ONCE + 3)
            await revoke(asked, tokens.pop())
            await count("revocation", revoke(asked, tokens.pop()))
            # More connections were made meanwhile, and the one that is used next may be new.
            await refresh(asked, tokens.pop())
            at_once = asyncio.gather(*(refresh(asked, token) for token in tokens))
            await count("refreshes at once", at_once)

    asyncio.run(scene())

    assert counted == ROUND_TRIPS
