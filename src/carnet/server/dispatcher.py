"""The way to what is asked most, past the router and its layers.

Those would take longer than the answer itself. It is here for the lines "client credentials" and
"introspection" of the benchmark ``sessions`` (docs/speed.md, "The server"), each to be at least
twice oidc-provider's. Everything else goes the usual way.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from carnet.server.failures import EXPECTED, answer_failure
from carnet.server.metrics import count
from carnet.server.web.requests import RequestRefused, header_values

__all__ = ["DirectEndpoint", "Dispatcher"]

MOST_PARAMETERS: Final = 100


class DirectEndpoint(NamedTuple):
    """An endpoint that takes POST requests.

    Attributes:
        answer: makes its answer.
        cross_origin: headers of the answer to a request that a script of another origin sends.
    """

    answer: Callable[[Request], Awaitable[Response]]
    cross_origin: Mapping[str, str] = {}


async def _nothing(_request: Request) -> Response:
    raise HTTPException(404)


async def _too_many(_request: Request) -> Response:
    raise RequestRefused("invalid_request", "the address has too many parameters")


NOTHING: Final = DirectEndpoint(_nothing)
TOO_MANY: Final = DirectEndpoint(_too_many)


class Dispatcher:
    """ASGI application: some endpoints, and the application that has all others.

    Args:
        app: the application with the router.
        endpoints: those that need no router, by their path.
    """

    def __init__(self, app: Starlette, endpoints: Mapping[str, DirectEndpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        endpoint = None
        if scope["type"] == "http":
            path = scope["path"]
            if "\0" in path:
                # No database holds a zero byte in a text: it names nothing.
                endpoint = NOTHING
            elif scope["query_string"].count(b"&") >= MOST_PARAMETERS:
                endpoint = TOO_MANY
            elif scope["method"] == "POST" and path in self._endpoints:
                endpoint = self._endpoints[path]
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        scope["app"], scope["endpoint"] = self._app, endpoint.answer
        request = Request(scope, receive, send)
        failure = None
        try:
            response = await endpoint.answer(request)
        except Exception as error:
            response = await answer_failure(request, error)
            failure = None if isinstance(error, EXPECTED) else error
        if endpoint.cross_origin and header_values(request, b"origin"):
            response.headers.update(endpoint.cross_origin)
        count(
            endpoint.answer.__name__.lstrip("_"), response.status_code, time.perf_counter() - start
        )
        await response(scope, receive, send)
        if failure is not None:
            # The server writes it down.
            raise failure
