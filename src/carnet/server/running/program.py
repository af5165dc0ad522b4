"""Running the service as a program: listen, open, serve until a signal, close."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import msgspec
import uvicorn

from carnet.http_connections import http_connections
from carnet.listening import listen, room_for
from carnet.server.app import build_app
from carnet.server.log import configure_log
from carnet.server.running.workers import supervise
from carnet.server.service import Service, open_service
from carnet.server.settings import Settings

__all__ = ["serve", "serve_on"]

GRACE_SECONDS = 10


def serve(settings: Settings, *, stop_with_stdin: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; what is in flight then is finished.

    Args:
        settings: what the service is told.
        stop_with_stdin: stop too when standard input closes, so that the service never outlives
            the program that started it.

    Raises:
        ServerError: ``port_taken``, ``address_unusable``, or whatever ``open_service`` raises.
    """
    configure_log()
    # The port comes first: a start that can't listen leaves no data folder behind.
    with listen(settings.host, settings.port) as listener:
        host, port = listener.getsockname()[:2]
        # Port 0 let the system choose one.
        settings = msgspec.structs.replace(settings, port=port)
        ready = f"carnet: serving {settings.own_url} on http://{host}:{port}"
        lifeline = sys.stdin.fileno() if stop_with_stdin else None
        if settings.workers == 1:
            serve_on(listener, settings, ready, lifeline=lifeline)
        else:
            # What is wrong with the data is told here, once, and not by each worker.
            asyncio.run(_open_once(settings))
            supervise(listener, settings, ready, lifeline=lifeline)


def serve_on(
    listener: socket.socket, settings: Settings, ready: str, *, lifeline: int | None
) -> None:
    """Serve on a socket that listens already, in this process.

    Args:
        listener: the socket.
        settings: what the service is told.
        ready: the line to print once requests are answered, or "".
        lifeline: a file whose end of input is a signal to stop too.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(listener, settings, ready, lifeline))


async def _open_once(settings: Settings) -> None:
    async with open_service(settings):
        pass


class _Server(uvicorn.Server):
    """uvicorn, with our signals and our one line when it is ready."""

    def __init__(self, config: uvicorn.Config, service: Service, ready: str) -> None:
        super().__init__(config)
        self._service = service
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn would raise the signal again at the end; a service told to stop ends with 0.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready:
            print(self._ready, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Finish what is in flight, then end."""
        self._service.feed.close()
        self.should_exit = True


async def _serve(
    listener: socket.socket, settings: Settings, ready: str, lifeline: int | None
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
        server = _Server(config, service, ready)
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
