"""The connections of a request, so that another thread can end what waits on them.

A thread that reads from a socket can't be told to stop; the socket can be shut under it, and the
read ends. httpx opens the sockets, and tells of each through its ``trace`` extension.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from carnet.jwt.forks import renew_in_forks

__all__ = ["Connections"]


class Connections:
    """The sockets that are open for somebody; may be shared by threads.

    As a context manager it wraps one request, and gives up what is held when that is over.

    Attributes:
        ended: whether they were ended; then those that come later are ended at once.
    """

    def __init__(self) -> None:
        self.ended = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._originals: list[socket.socket] = []
        renew_in_forks(self)

    def begin_anew(self) -> None:
        """Let go of the connections in a fork: they go on in the process that opened them.

        They are closed here, not shut, so that they end when that process ends them.
        """
        self._lock = threading.Lock()
        for connection in (*self._sockets, *self._originals):
            connection.close()
        self._sockets, self._originals = [], []

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()
            self._originals.clear()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of a connection that httpx has opened."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        original = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._originals.append(original)
            if event == "connection.start_tls.complete":
                return
            # A duplicate: TLS takes the socket itself over, and ending either ends the connection.
            connection = original.dup()
            self._sockets.append(connection)
            if self.ended:
                _shut(connection)

    def end(self) -> None:
        """End all connections, whoever waits on them."""
        with self._lock:
            self.ended = True
            for connection in self._sockets:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connection.shutdown(socket.SHUT_RDWR)
