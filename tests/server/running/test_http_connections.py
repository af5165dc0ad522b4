"""How requests arrive and answers leave, byte by byte."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from carnet.http_connections import _Gathering

FORM = b"grant_type=refresh_token&refresh_token=x"
HEAD = (
    b"POST /token HTTP/1.1\r\nHost: carnet\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n" % len(FORM)
)


class Transport:
    """Remembers what is done to it."""

    def __init__(self):
        self.done = []

    def write(self, data):
        self.done.append(data)

    def close(self):
        self.done.append("closed")

    def is_closing(self):
        return "closed" in self.done


@pytest.fixture
def connection(server):
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), 20) as opened:
        yield opened


def read_answer(connection):
    """Read one answer, whose length is told."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536)
    head, _, body = text.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    assert len(body) == length
    return head, body


def test_what_is_written_in_one_turn_leaves_in_one_piece_and_in_order():
    async def scene():
        transport = Transport()
        gathering = _Gathering(transport, asyncio.get_running_loop())
        gathering.write(b"head ")
        gathering.write(b"body")
        before = list(transport.done)
        await asyncio.sleep(0)
        gathering.write(b"more")
        gathering.close()
        gathering.write(b"too late")
        await asyncio.sleep(0)
        return before, transport.done

    assert asyncio.run(scene()) == ([], [b"head body", b"more", "closed"])


def test_much_is_not_held_back():
    async def scene():
        transport = Transport()
        gathering = _Gathering(transport, asyncio.get_running_loop())
        for _ in range(100):
            gathering.write(b"x" * 10_000)
        return sum(len(data) for data in transport.done)

    assert asyncio.run(scene()) > 900_000


@pytest.mark.parametrize("pieces", [1, 2, 7, len(FORM)])
def test_a_body_may_come_in_pieces(connection, pieces):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(HEAD + b"\r\n")
    size = -(-len(FORM) // pieces)
    for start in range(0, len(FORM), size):
        connection.sendall(FORM[start : start + size])
    head, body = read_answer(connection)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"invalid_grant" in body


def test_a_client_that_waits_to_be_told_to_go_on_is_told(connection):
    connection.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
    assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(FORM)
    assert b"invalid_grant" in read_answer(connection)[1]


def test_requests_sent_all_at_once_are_answered_in_their_order(connection):
    health = b"GET /healthz HTTP/1.1\r\nHost: carnet\r\n\r\n"
    connection.sendall(HEAD + b"\r\n" + FORM + health + HEAD + b"\r\n" + FORM)
    text = b""
    while text.count(b"}") < 3:
        text += connection.recv(65536)
    assert text.count(b"HTTP/1.1 ") == 3
    assert text.index(b"invalid_grant") < text.index(b"200 OK") < text.rindex(b"invalid_grant")
