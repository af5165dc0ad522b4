"""The HTTP face of the service: its addresses, and how failures are answered."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carnet.server.endpoints.metadata import health, key_set, metadata
from carnet.server.endpoints.sessions import begin_session, end_current_session
from carnet.server.endpoints.token import issue_token
from carnet.server.http import RequestRefused, refusal
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable

__all__ = ["build_app"]

ROUTES = [
    Route("/sessions", begin_session, methods=["POST"]),
    Route("/sessions/current", end_current_session, methods=["DELETE"]),
    Route("/token", issue_token, methods=["POST"]),
    Route("/.well-known/jwks.json", key_set),
    Route("/.well-known/oauth-authorization-server", metadata),
    Route("/.well-known/openid-configuration", metadata),
    Route("/healthz", health),
]


def build_app(service: Service) -> Starlette:
    """Make the ASGI application of an open service."""
    app = Starlette(
        routes=ROUTES,
        exception_handlers={
            RequestRefused: _refused,
            HTTPException: _not_served,
            StoreUnavailable: _unavailable,
            Exception: _failed,
        },
    )
    app.state.service = service
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestRefused):
        raise error
    return refusal(error)


async def _not_served(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    description = {
        404: "there is nothing at this address",
        405: "use another method here",
    }
    text = description.get(error.status_code, error.detail)
    return refusal(RequestRefused("invalid_request", text, error.status_code, error.headers))


async def _unavailable(_request: Request, _error: Exception) -> Response:
    return refusal(
        RequestRefused(
            "temporarily_unavailable",
            "the service can't reach its database; try again shortly",
            503,
            {"Retry-After": "2"},
        )
    )


async def _failed(_request: Request, _error: Exception) -> Response:
    return refusal(RequestRefused("server_error", "the service failed to answer", 500))
