"""The HTTP face of the service: its addresses, and how failures are answered."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carnet.server.endpoints import accounts, operations, sessions
from carnet.server.endpoints.administration import OPERATIONS, Operation, administer
from carnet.server.endpoints.introspection import introspect_token
from carnet.server.endpoints.metadata import key_set, metadata
from carnet.server.endpoints.openapi import openapi
from carnet.server.endpoints.revocations import revoke_token, stream_revocations
from carnet.server.endpoints.token import issue_token
from carnet.server.http import RequestRefused, refusal
from carnet.server.metrics import CountRequests
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable

__all__ = ["build_app"]


def _route(operation: Operation) -> str:
    # An audience is often a URL, with slashes.
    return operation.path.replace("/resources/{name}", "/resources/{name:path}")


ROUTES = [
    Route("/sessions", sessions.begin_session, methods=["POST"]),
    Route("/sessions", sessions.list_sessions, methods=["GET"]),
    Route("/sessions", sessions.end_sessions, methods=["DELETE"]),
    Route("/sessions/current", sessions.end_current_session, methods=["DELETE"]),
    Route("/sessions/{session_id}", sessions.end_session, methods=["DELETE"]),
    Route("/account", accounts.show_account, methods=["GET"]),
    Route("/account/password", accounts.change_password, methods=["POST"]),
    Route("/accounts/{account_id}/sessions", accounts.list_sessions_of_account, methods=["GET"]),
    Route("/accounts/{account_id}/sessions", accounts.end_sessions_of_account, methods=["DELETE"]),
    Route(
        "/accounts/{account_id}/sessions/{session_id}",
        accounts.end_session_of_account,
        methods=["DELETE"],
    ),
    *(Route(_route(one), administer(one), methods=[one.method]) for one in OPERATIONS),
    Route("/openapi.json", openapi),
    Route("/token", issue_token, methods=["POST"]),
    Route("/introspection", introspect_token, methods=["POST"]),
    Route("/revocation", revoke_token, methods=["POST"]),
    Route("/revocations", stream_revocations, methods=["GET"]),
    Route("/.well-known/jwks.json", key_set),
    Route("/.well-known/oauth-authorization-server", metadata),
    Route("/.well-known/openid-configuration", metadata),
    Route("/healthz", operations.health),
    Route("/readyz", operations.readiness),
    Route("/metrics", operations.metrics),
]


def build_app(service: Service) -> Starlette:
    """Make the ASGI application of an open service."""
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(CountRequests)],
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
