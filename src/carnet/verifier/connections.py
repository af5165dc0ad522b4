"""The connections of a request, so that another thread can end what waits on them.

A thread that reads from a socket can't be told to stop; the socket can be shut under it, and the
read ends. httpx opens the sockets, and tells of each through its ``trace`` extension.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

__all__ = ["Connections"]


class Connections:
    """The sockets that are open for somebody; may be shared by threads.

    As a context manager it wraps one request, and gives up what is held when that is over.

    Attributes:
        ended: whether they were ended; then those that come later are ended at once.
    """

    def __init__(self) -> None:
        self.ended = False
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

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

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of a connection that httpx has opened."""
        if event != "connection.connect_tcp.complete":
            return
        # A duplicate: TLS takes the socket itself over, and ending either ends the connection.
        connection = info["return_value"].get_extra_info("socket").dup()
        with self._lock:
            self._sockets.append(connection)
            if self.ended:
                _shut(connection)

    def end(self) -> None:
        """End all connections, whoever waits on them; a fork leaves its parent's alone."""
        if self._pid != os.getpid():
            return
        with self._lock:
            self.ended = True
            for connection in self._sockets:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connection.shutdown(socket.SHUT_RDWR)
