"""Serving on a socket that listens already, in this process."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from carnet.http_connections import http_connections
from carnet.listening import room_for
from carnet.server.app import build_app
from carnet.server.service import Service, open_service
from carnet.server.settings import Settings

__all__ = ["serve_on"]

GRACE_SECONDS = 10


def serve_on(
    listener: socket.socket,
    settings: Settings,
    announce: Callable[[], None],
    *,
    lifeline: int | None,
) -> None:
    """Serve on a socket that listens already, in this process.

    Args:
        listener: the socket.
        settings: what the service is told.
        announce: says that requests are answered, once they are.
        lifeline: a file whose end of input is a signal to stop too.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(listener, settings, announce, lifeline))


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
        """Finish what is in flight, then end."""
        self._service.revocation_stream.close()
        self.should_exit = True


async def _serve(
    listener: socket.socket,
    settings: Settings,
    announce: Callable[[], None],
    lifeline: int | None,
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
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = _Server(config, service, announce)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        if lifeline is not None:
            loop.add_reader(lifeline, server.stop)
        work = asyncio.create_task(service.background.run())
        try:
            await server.serve([listener])
        finally:
            work.cancel()
            await asyncio.wait([work])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
