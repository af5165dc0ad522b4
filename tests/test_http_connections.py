"""Connections in a loop of this process, whose rounds come when the test says so."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvicorn
from uvicorn.server import ServerState

from carnet.http_connections import UNREAD_SECONDS, http_connections
from carnet.listening import listen, room_for

LONG = b"x" * 8 * 1024 * 1024
ASK = b"GET / HTTP/1.1\r\nHost: carnet\r\n\r\n"


async def endless(scope, receive, send):
    """Answer with more than any system keeps for a reader."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1 if scope["path"] == "/at-once" else 128):
        body = LONG if scope["path"] == "/at-once" else LONG[: 64 * 1024]
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def serving(scene, app=endless, most=10):
    """Run a scene beside a server, with its connections and a socket that has connected."""

    async def run():
        kind = http_connections(most)
        config = uvicorn.Config(app, http=kind, ws="none", lifespan="off", log_config=None)
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        with listen("127.0.0.1", 0) as listener, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            server = await loop.create_server(
                lambda: kind(config=config, server_state=state, app_state={}), sock=listener
            )
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
            try:
                await scene(state.connections, client)
            finally:
                server.close()
                for connection in list(state.connections):
                    connection.transport.abort()
                assert await until(lambda: not state.connections and not state.tasks)

    asyncio.run(run())


async def until(condition):
    for _ in range(1000):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("path", [b"/", b"/at-once"])
def test_who_does_not_read_an_answer_is_sent_away(path):
    async def scene(connections, client):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, ASK.replace(b"/ ", path + b" "))
        assert await until(
            lambda: (
                connections
                and next(iter(connections)).transport.get_write_buffer_size() > 64 * 1024
            )
        )
        (one,) = connections
        now = loop.time()
        one.check(now)
        one.check(now + UNREAD_SECONDS - 1)
        await asyncio.sleep(0.02)
        assert one in connections
        one.check(now + UNREAD_SECONDS + 1)
        assert await until(lambda: not connections)

    serving(scene)


def test_who_reads_slowly_is_waited_for():
    async def scene(connections, client):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, ASK)
        assert await until(
            lambda: (
                connections
                and next(iter(connections)).transport.get_write_buffer_size() > 64 * 1024
            )
        )
        (one,) = connections
        now, taken = loop.time(), 0
        while taken < 8 * 1024 * 1024 and one in connections:
            one.check(now)
            now += UNREAD_SECONDS / 2
            wanted = taken + 1024 * 1024
            while taken < wanted and (data := await loop.sock_recv(client, 65536)):
                taken += len(data)
            await asyncio.sleep(0.01)
        assert taken >= 8 * 1024 * 1024

    serving(scene)


def test_a_process_makes_room_for_its_connections_as_far_as_it_may():
    assert room_for(10) == 10
    assert 1 <= room_for(2**31) < 2**31
