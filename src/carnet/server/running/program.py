"""Running the service as a program: listen, then serve in this process or in several."""

from __future__ import annotations

import asyncio
import sys

import msgspec
import structlog

from carnet.listening import listen, url_of
from carnet.server.app import build_app
from carnet.server.log import configure_log
from carnet.server.running.serving import serve_on
from carnet.server.running.workers import supervise
from carnet.server.service import open_service
from carnet.server.settings import Settings

__all__ = ["serve"]

_log = structlog.get_logger()


def serve(settings: Settings, *, stop_with_stdin: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; what is in flight then is finished.

    Args:
        settings: the service's settings.
        stop_with_stdin: stop too when standard input closes, so that the service never outlives
            the program that started it.

    Raises:
        ServerError: ``port_taken``, ``address_unusable``, or whatever ``open_service`` raises.
    """
    configure_log()
    # The port comes first: a start that can't listen leaves no data folder behind.
    with listen(settings.host, settings.port) as listener:
        # Port 0 let the system choose one.
        settings = msgspec.structs.replace(settings, port=listener.getsockname()[1])
        address = url_of(listener)

        def announce() -> None:
            if settings.json_log:
                _log.info("serving", issuer=settings.own_url, address=address)
            else:
                print(
                    f"carnet: serving {settings.own_url} on {address}", file=sys.stderr, flush=True
                )

        lifeline = sys.stdin.fileno() if stop_with_stdin else None
        if settings.workers == 1:
            serve_on(listener, settings, announce, lifeline=lifeline)
        else:
            # What is wrong with data or settings is reported here, once, and not by each worker.
            asyncio.run(_open_once(settings))
            supervise(listener, settings, announce, lifeline=lifeline)


async def _open_once(settings: Settings) -> None:
    async with open_service(settings) as service:
        build_app(service)
