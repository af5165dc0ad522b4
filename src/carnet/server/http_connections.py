"""HTTP connections whose answers leave in one piece.

uvicorn writes the head of an answer and its body apart: two calls of the system and two packets,
which for short answers cost more than what they carry.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpConnection"]

MOST_GATHERED = 64 * 1024


class HttpConnection(HttpToolsProtocol):
    """uvicorn's protocol, on a transport that gathers what it writes."""

    def connection_made(self, transport: Any) -> None:
        """Begin with a new connection."""
        super().connection_made(cast("asyncio.Transport", _Gathering(transport, self.loop)))


class _Gathering:
    """A transport that writes once in each turn of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._gathered = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered += data
        # The transport is what tells a long answer to wait for a slow reader.
        if len(self._gathered) > MOST_GATHERED:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._gathered and not self._transport.is_closing():
            self._transport.write(bytes(self._gathered))
        self._gathered.clear()
