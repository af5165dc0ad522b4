"""The HTTP face of the service: its addresses."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from carnet.errors import ConfigurationError
from carnet.server.dispatcher import DirectEndpoint, Dispatcher
from carnet.server.endpoints import accounts, agents, consents, probes, sessions
from carnet.server.endpoints.administration import Operation, administer
from carnet.server.endpoints.device_authorization import authorize_device
from carnet.server.endpoints.device_bound_sessions import keep_session_fresh
from carnet.server.endpoints.introspection import introspect_token
from carnet.server.endpoints.metadata import (
    key_set,
    metadata,
    passkey_endpoints,
    related_origins,
)
from carnet.server.endpoints.openapi import openapi
from carnet.server.endpoints.operations import ALL_OPERATIONS
from carnet.server.endpoints.provider_logout import end_at_provider
from carnet.server.endpoints.pushed_authorization_request import push_request
from carnet.server.endpoints.registration import manage_registration, register_client
from carnet.server.endpoints.revocations import revoke_token, stream_revocations
from carnet.server.endpoints.scim import SCIM_ROUTES
from carnet.server.endpoints.token.endpoint import issue_token
from carnet.server.endpoints.userinfo import user_info
from carnet.server.failures import EXPECTED, answer_failure
from carnet.server.metrics import CountRequests
from carnet.server.pages.brand import check_brand
from carnet.server.pages.routes import PAGES
from carnet.server.service import Service
from carnet.server.settings import Settings
from carnet.server.web.cross_origin import (
    EXPOSED,
    FROM_ANYWHERE,
    MANAGED_FROM_ANYWHERE,
    from_anywhere,
    options_answered,
)
from carnet.server.web.device_bound import PATH as DEVICE_BOUND
from carnet.server.web.reverse_proxy import WELL_KNOWN, BehindProxies

__all__ = ["build_app"]

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
    # An audience is often a URL, with slashes, and so is the id of a client that nobody registered.
    return re.sub("^/(clients|resources)/{name}", r"/\1/{name:path}", operation.path)


def _open(
    path: str,
    endpoint: Callable[[Request], Awaitable[Response]],
    *methods: str,
    cross_origin: Sequence[Middleware] = FROM_ANYWHERE,
) -> Route:
    """Make the route of what programs in a browser may ask from an origin of their own."""
    allowed = (*methods, "OPTIONS")
    inside = Middleware(options_answered, allowed)
    return Route(path, endpoint, methods=allowed, middleware=[*cross_origin, inside])


ROUTES = [
    _open("/token", issue_token, "POST"),
    Route("/introspection", introspect_token, methods=["POST"]),
    _open("/device_authorization", authorize_device, "POST"),
    _open("/par", push_request, "POST"),
    Route("/sessions", sessions.begin_session, methods=["POST"]),
    Route("/sessions", sessions.list_sessions, methods=["GET"]),
    Route("/sessions", sessions.end_sessions, methods=["DELETE"]),
    Route("/sessions/current", sessions.end_current_session, methods=["DELETE"]),
    Route("/sessions/{session_id}", sessions.end_session, methods=["DELETE"]),
    Route("/account", accounts.show_account, methods=["GET"]),
    Route("/account/data", accounts.show_own_data, methods=["GET"]),
    Route("/account/password", accounts.change_password, methods=["POST"]),
    Route("/accounts/{account_id}/sessions", accounts.list_sessions_of_account, methods=["GET"]),
    Route("/accounts/{account_id}/sessions", accounts.end_sessions_of_account, methods=["DELETE"]),
    Route(
        "/accounts/{account_id}/sessions/{session_id}",
        accounts.end_session_of_account,
        methods=["DELETE"],
    ),
    Route("/account/consents", consents.list_consents, methods=["GET"]),
    Route("/account/consents/{client_id:path}", consents.withdraw_consent, methods=["DELETE"]),
    Route("/account/agents", agents.list_agents, methods=["GET"]),
    Route("/account/agents/{client_id}", agents.stop_agent, methods=["DELETE"]),
    _open("/userinfo", user_info, "GET", "POST"),
    *(Route(_route(one), administer(one), methods=[one.method]) for one in ALL_OPERATIONS),
    Route("/openapi.json", openapi),
    _open("/registration", register_client, "POST"),
    _open(
        "/registration/{client_id}",
        manage_registration,
        *("GET", "PUT", "DELETE"),
        cross_origin=MANAGED_FROM_ANYWHERE,
    ),
    _open("/revocation", revoke_token, "POST"),
    Route(DEVICE_BOUND, keep_session_fresh, methods=["POST"]),
    Route("/sign-in/with/{name}/logout", end_at_provider, methods=["POST"]),
    Route("/revocations", stream_revocations, methods=["GET"]),
    _open("/.well-known/jwks.json", key_set, "GET"),
    _open("/.well-known/oauth-authorization-server", metadata, "GET"),
    _open("/.well-known/openid-configuration", metadata, "GET"),
    _open("/.well-known/passkey-endpoints", passkey_endpoints, "GET"),
    _open("/.well-known/webauthn", related_origins, "GET"),
    *SCIM_ROUTES,
    Route("/healthz", probes.health),
    Route("/readyz", probes.readiness),
    Route("/metrics", probes.metrics),
    *PAGES,
]


def build_app(service: Service) -> ASGIApp:
    """Make the ASGI application of an open service.

    Raises:
        ConfigurationError: if the brand of the pages can't be shown, if a provider's secret can't
            be read, or if the path of the issuer is that of an endpoint.
    """
    check_brand(service.settings)
    service.upstream.check_secrets()
    _check_path(service.settings)
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(CountRequests)],
        exception_handlers=dict.fromkeys((*EXPECTED, Exception), answer_failure),
    )
    # As an attribute of Starlette's state it would be looked for in vain first, by each question of
    # each request: the line "client credentials" of the benchmark ``requests``.
    vars(app.state)["service"] = service
    # Starlette would name the host and the path that a proxy has asked, not those of the issuer.
    app.router.redirect_slashes = False
    app.router.default = _elsewhere
    return BehindProxies(_traced(Dispatcher(app, ASKED_MOST)), service.settings)


def _check_path(settings: Settings) -> None:
    """Check that an address under the issuer's path can be told from one without that."""
    path = urlsplit(settings.own_url).path
    if path and any(f"{route.path}/".startswith(f"{path}/") for route in ROUTES):
        raise ConfigurationError(
            f"the path {path} in the setting issuer collides with one of the service's own "
            "addresses: choose another, such as /auth"
        )


async def _lead_without_slash(request: Request) -> Response:
    """Lead from an address with a slash at its end to the one without, where there is something."""
    scope = request.scope
    path = scope["path"].rstrip("/")
    if path == scope["path"] or not any(
        route.matches({**scope, "path": path})[0] is not Match.NONE for route in ROUTES
    ):
        raise HTTPException(404)
    service: Service = scope["app"].state.service
    query = scope["query_string"].decode("latin-1")
    location = (
        urlsplit(service.settings.own_url).path + quote(path) + (f"?{query}" if query else "")
    )
    return RedirectResponse(location, 307)


_NOTHING: Final = request_response(_lead_without_slash)
_NOTHING_WELL_KNOWN: Final = from_anywhere(_NOTHING)


async def _elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what no route is for.

    An app in a browser tries several well-known addresses (RFC 8414, RFC 9728, OpenID Connect): it
    has to see that there is nothing, where without CORS it would see a failure of the network.
    """
    is_well_known = scope["path"].startswith(WELL_KNOWN)
    await (_NOTHING_WELL_KNOWN if is_well_known else _NOTHING)(scope, receive, send)


def _traced(app: ASGIApp) -> ASGIApp:
    """Give an application with traces and metrics, where OpenTelemetry is set up."""
    try:
        from carnet.server.tracing import Traced, is_set_up
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        return app
    return Traced(app, ROUTES) if is_set_up() else app
