"""The HTTP face of the service: its addresses."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from carnet.server.dispatcher import DirectEndpoint, Dispatcher
from carnet.server.endpoints import accounts, consents, probes, sessions
from carnet.server.endpoints.administration import OPERATIONS, Operation, administer
from carnet.server.endpoints.introspection import introspect_token
from carnet.server.endpoints.metadata import key_set, metadata
from carnet.server.endpoints.openapi import openapi
from carnet.server.endpoints.revocations import revoke_token, stream_revocations
from carnet.server.endpoints.token.endpoint import issue_token
from carnet.server.endpoints.userinfo import user_info
from carnet.server.failures import EXPECTED, answer_failure
from carnet.server.metrics import CountRequests
from carnet.server.pages.brand import check_brand
from carnet.server.pages.routes import PAGES
from carnet.server.service import Service

__all__ = ["build_app"]

EXPOSED: Final = ("DPoP-Nonce", "WWW-Authenticate")

# What an app in a browser asks from its own origin. None of these looks at a cookie, so that a page
# gets nothing from them that it could not get without the browser (RFC 9700 section 2.6).
FROM_ANYWHERE: Final = [
    Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "DPoP"],
        expose_headers=EXPOSED,
    )
]

# Of these the router sees only what is not a POST.
ASKED_MOST: Final = {
    "/token": DirectEndpoint(
        issue_token,
        {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": ", ".join(EXPOSED),
        },
    ),
    "/introspection": DirectEndpoint(introspect_token),
}


def _route(operation: Operation) -> str:
    # An audience is often a URL, with slashes.
    return operation.path.replace("/resources/{name}", "/resources/{name:path}")


ROUTES = [
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
    Route("/userinfo", user_info, methods=["GET", "POST", "OPTIONS"], middleware=FROM_ANYWHERE),
    *(Route(_route(one), administer(one), methods=[one.method]) for one in OPERATIONS),
    Route("/openapi.json", openapi),
    Route("/revocation", revoke_token, methods=["POST", "OPTIONS"], middleware=FROM_ANYWHERE),
    Route("/revocations", stream_revocations, methods=["GET"]),
    Route("/.well-known/jwks.json", key_set, middleware=FROM_ANYWHERE),
    Route("/.well-known/oauth-authorization-server", metadata, middleware=FROM_ANYWHERE),
    Route("/.well-known/openid-configuration", metadata, middleware=FROM_ANYWHERE),
    Route("/healthz", probes.health),
    Route("/readyz", probes.readiness),
    Route("/metrics", probes.metrics),
    *PAGES,
]


def build_app(service: Service) -> ASGIApp:
    """Make the ASGI application of an open service.

    Raises:
        ConfigurationError: if the brand of the pages can't be shown.
    """
    check_brand(service.settings)
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(CountRequests)],
        exception_handlers=dict.fromkeys((*EXPECTED, Exception), answer_failure),
    )
    app.state.service = service
    return _traced(Dispatcher(app, ASKED_MOST))


def _traced(app: ASGIApp) -> ASGIApp:
    """Give an application with traces and metrics, where OpenTelemetry's API is installed."""
    try:
        from carnet.server.tracing import Traced
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        return app
    return Traced(app, ROUTES)
