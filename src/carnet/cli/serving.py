"""Serving an ASGI app of a command in its own process, until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from carnet.http_connections import CONNECTIONS, MAX_BODY_ON_THE_WIRE, http_connections
from carnet.listening import room_for

__all__ = ["serve_app"]


async def serve_app(
    app: Any,
    listener: socket.socket,
    *,
    announce: Callable[[], None],
    most_body: int = MAX_BODY_ON_THE_WIRE,
    stop_seconds: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Serve on a socket that listens already, until SIGINT or SIGTERM.

    Args:
        app: the app.
        listener: the socket.
        announce: says that requests are answered, once they are and a signal ends this well.
        most_body: the bytes that the body of a request may take on the wire.
        stop_seconds: what is in flight at the signal has to be finished; None is for ever.
        check: called each second; what it raises ends the service, and is raised.
    """
    config = uvicorn.Config(
        app,
        http=http_connections(room_for(CONNECTIONS), most_body=most_body),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=stop_seconds,
    )
    server = _Server(config, announce, check)
    await server.serve([listener])
    if server.failure is not None:
        raise server.failure


class _Server(uvicorn.Server):
    """uvicorn, which ends well when it is told to end."""

    def __init__(
        self, config: uvicorn.Config, announce: Callable[[], None], check: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._check = check
        self.failure: Exception | None = None

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn would raise the signal again at the end; a service told to stop ends with 0.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    async def on_tick(self, counter: int) -> bool:
        # Ten times a second.
        if counter % 10 == 0 and self.failure is None:
            try:
                self._check()
            except Exception as error:
                self.failure = error
                self.should_exit = True
        return await super().on_tick(counter)
