"""The HTTP face of the service: its addresses, and how failures are answered."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carnet.server.endpoints import accounts, authorize, consents, logout, operations, sessions
from carnet.server.endpoints.administration import OPERATIONS, Operation, administer
from carnet.server.endpoints.introspection import introspect_token
from carnet.server.endpoints.metadata import key_set, metadata
from carnet.server.endpoints.openapi import openapi
from carnet.server.endpoints.revocations import revoke_token, stream_revocations
from carnet.server.endpoints.token import issue_token
from carnet.server.endpoints.userinfo import user_info
from carnet.server.http import RequestRefused, refusal
from carnet.server.metrics import CountRequests
from carnet.server.pages.brand import check_brand
from carnet.server.pages.failures import failure_page
from carnet.server.pages.rendering import wants_page
from carnet.server.pages.routes import PAGES
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable

__all__ = ["build_app"]

# What an app in a browser asks from its own origin. None of these looks at a cookie, so that a page
# gets nothing from them that it could not get without the browser (RFC 9700 section 2.6).
FROM_ANYWHERE = [
    Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "DPoP"],
        expose_headers=["DPoP-Nonce", "WWW-Authenticate"],
    )
]


def _route(operation: Operation) -> str:
    # An audience is often a URL, with slashes.
    return operation.path.replace("/resources/{name}", "/resources/{name:path}")


ROUTES = [
    # Starlette tries them in this order: what is asked most comes first.
    Route("/token", issue_token, methods=["POST", "OPTIONS"], middleware=FROM_ANYWHERE),
    Route("/introspection", introspect_token, methods=["POST"]),
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
    Route("/account/consents", consents.list_consents, methods=["GET"]),
    Route("/account/consents/{client_id}", consents.withdraw_consent, methods=["DELETE"]),
    Route("/authorize", authorize.authorize, methods=["GET"]),
    Route("/authorize", authorize.forward_authorize, methods=["POST"]),
    Route("/authorize/decision", authorize.decide, methods=["POST"]),
    Route("/logout", logout.log_out, methods=["GET"]),
    Route("/logout", logout.forward_logout, methods=["POST"]),
    Route("/logout/decision", logout.confirm_logout, methods=["POST"]),
    Route("/userinfo", user_info, methods=["GET", "POST", "OPTIONS"], middleware=FROM_ANYWHERE),
    *(Route(_route(one), administer(one), methods=[one.method]) for one in OPERATIONS),
    Route("/openapi.json", openapi),
    Route("/revocation", revoke_token, methods=["POST", "OPTIONS"], middleware=FROM_ANYWHERE),
    Route("/revocations", stream_revocations, methods=["GET"]),
    Route("/.well-known/jwks.json", key_set, middleware=FROM_ANYWHERE),
    Route("/.well-known/oauth-authorization-server", metadata, middleware=FROM_ANYWHERE),
    Route("/.well-known/openid-configuration", metadata, middleware=FROM_ANYWHERE),
    Route("/healthz", operations.health),
    Route("/readyz", operations.readiness),
    Route("/metrics", operations.metrics),
    *PAGES,
]


def build_app(service: Service) -> Starlette:
    """Make the ASGI application of an open service.

    Raises:
        ConfigurationError: if the brand of the pages can't be shown.
    """
    check_brand(service.settings)
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


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestRefused):
        raise error
    return _answer(request, error)


async def _not_served(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    description = {
        404: "there is nothing at this address",
        405: "use another method here",
    }
    text = description.get(error.status_code, error.detail)
    refused = RequestRefused("invalid_request", text, error.status_code, error.headers)
    return _answer(request, refused)


async def _unavailable(request: Request, _error: Exception) -> Response:
    refused = RequestRefused(
        "temporarily_unavailable",
        "the service can't reach its database; try again shortly",
        503,
        {"Retry-After": "2"},
    )
    return _answer(request, refused)


async def _failed(request: Request, _error: Exception) -> Response:
    return _answer(request, RequestRefused("server_error", "the service failed to answer", 500))


def _answer(request: Request, error: RequestRefused) -> Response:
    return failure_page(request, error) if wants_page(request) else refusal(error)
