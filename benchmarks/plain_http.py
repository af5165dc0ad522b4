"""An HTTP connection that costs whoever asks next to nothing, for loads that count moments."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

__all__ = ["Answer", "PlainConnection"]

LONGEST = 65536
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Answer(NamedTuple):
    """What a server has answered."""

    status: int
    body: bytes


class PlainConnection:
    """A connection to a server on this machine, with one request under way at most.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = b""

    def fileno(self) -> int:
        """Give the number that ``select`` knows it by."""
        return self._socket.fileno()

    def send(self, head: bytes, body: bytes = b"") -> None:
        """Send a request, whose head ends before its length."""
        self._socket.sendall(b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))

    def answer(self) -> Answer | None:
        """Take what has come, and give the answer where that is whole."""
        came = self._socket.recv(LONGEST)
        if not came:
            raise SystemExit("the server has closed a connection")
        self._came += came
        head, end, body = self._came.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return None
        self._came = b""
        return Answer(int(head.split(b" ", 2)[1]), body)

    def close(self) -> None:
        """Close it."""
        self._socket.close()
