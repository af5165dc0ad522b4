"""Running the service as a program: listen, open, serve until a signal, close."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import msgspec
import uvicorn

from carnet.errors import ServerError
from carnet.server.app import build_app
from carnet.server.service import open_service
from carnet.server.settings import Settings

__all__ = ["serve"]

BACKLOG = 2048
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
    # The port comes first: a start that can't listen leaves no data folder behind.
    with (
        _listen(settings.host, settings.port) as listener,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        runner.run(_serve(settings, listener, stop_with_stdin))


class _Server(uvicorn.Server):
    """uvicorn, with our signals and our one line when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn would raise the signal again at the end; a service told to stop ends with 0.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._ready, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Finish what is in flight, then end."""
        self.should_exit = True


async def _serve(settings: Settings, listener: socket.socket, stop_with_stdin: bool) -> None:
    host, port = listener.getsockname()[:2]
    # Port 0 let the system choose one.
    settings = msgspec.structs.replace(settings, port=port)
    async with open_service(settings) as service:
        config = uvicorn.Config(
            build_app(service),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = _Server(config, f"carnet: serving {settings.own_url} on http://{host}:{port}")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        if stop_with_stdin:
            loop.add_reader(sys.stdin.fileno(), server.stop)
        await server.serve([listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ServerError(
            f"{host} is not an address of this machine; use --host 127.0.0.1, for example",
            code="address_unusable",
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServerError(
                f"port {port} on {host} is taken; stop what listens there, "
                "or choose another port with --port",
                code="port_taken",
            ) from None
        raise ServerError(
            f"can't listen on {host}, port {port}: {error.strerror}",
            code="address_unusable",
        ) from None
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
