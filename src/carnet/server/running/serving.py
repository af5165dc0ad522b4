"""Serving on a socket that listens already, in this process.

Told to stop, the service first says at ``/readyz`` that it is not ready, and that each connection
ends with its answer, so that whoever sends requests turns elsewhere; it takes them for as long as
``stop_delay`` says. Then it listens no longer, its revocation streams end, and what is in flight
has ``stop_grace`` to be finished. A worker whose supervisor is gone does not wait for
``stop_delay``: nobody replaces it, and it keeps the address from whoever is started anew.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import uvicorn

from carnet.http_connections import http_connections
from carnet.listening import loop_factory, room_for
from carnet.server.app import build_app
from carnet.server.service import Service, open_service
from carnet.server.settings import Settings

__all__ = ["serve_on"]

CLOSE: Final = (b"connection", b"close")


def serve_on(
    listener: socket.socket,
    settings: Settings,
    announce: Callable[[], None],
    *,
    lifeline: int | None,
    is_worker: bool = False,
) -> None:
    """Serve on a socket that listens already, in this process.

    Args:
        listener: the socket.
        settings: the service's settings.
        announce: says that requests are answered, once they are.
        lifeline: a file whose end of input is a signal to stop too.
        is_worker: whether that end says that the supervisor is gone.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(listener, settings, announce, lifeline, is_worker))


class _Server(uvicorn.Server):
    """uvicorn, with our signals and our one line when it is ready."""

    def __init__(
        self, config: uvicorn.Config, service: Service, announce: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._announce = announce

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn would raise the signal again at the end; a service told to stop ends with 0.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    def stop(self) -> None:
        """Take no more than comes by itself, finish what is in flight, then end."""
        if self._service.background.stopping:
            return
        self._service.background.stopping = True
        # What uvicorn makes these headers of, each second, and what it has made.
        self.config.encoded_headers.append(CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        asyncio.get_running_loop().call_later(self._service.settings.stop_delay, self._end)

    def abandon(self) -> None:
        """Finish what is in flight, then end, whether or not it was told to stop before."""
        self.stop()
        self._end()

    def _end(self) -> None:
        self._service.revocation_stream.close()
        self.should_exit = True


async def _serve(
    listener: socket.socket,
    settings: Settings,
    announce: Callable[[], None],
    lifeline: int | None,
    is_worker: bool,
) -> None:
    async with open_service(settings) as service:
        await service.background.follow()
        config = uvicorn.Config(
            build_app(service),
            http=http_connections(room_for(settings.connections)),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # What proxies say is read by the application, which knows whom to trust.
            interface="asgi3",
            proxy_headers=False,
            timeout_graceful_shutdown=settings.stop_grace,
        )
        server = _Server(config, service, announce)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        if lifeline is not None:
            stop = server.abandon if is_worker else server.stop
            loop.add_reader(lifeline, _stop_with, lifeline, stop)
        work = asyncio.create_task(service.background.run())
        try:
            await server.serve([listener])
        finally:
            work.cancel()
            await asyncio.wait([work])


def _stop_with(lifeline: int, stop: Callable[[], None]) -> None:
    # What has ended can be read for ever.
    asyncio.get_running_loop().remove_reader(lifeline)
    stop()
