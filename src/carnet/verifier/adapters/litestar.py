"""Litestar: a plugin that requires a valid access token, and guards.

bearer = BearerAuth(issuer="https://auth.example.com", audience="orders", exclude="^/schema")

@get("/orders", guards=[require_scope("orders:read")])
async def list_orders(request: Request[BearerUser, Claims, State]) -> ...: ...

app = Litestar([list_orders], plugins=[bearer])
"""

from __future__ import annotations

from copy import copy
from typing import Any, Final, Unpack

from carnet.errors import ConfigurationError
from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.adapters.asgi import (
    MetadataEndpoint,
    credentials,
    is_preflight,
    pass_preflight,
)
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate_async,
    described,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    present,
    scope_of,
    typed,
    with_advice,
)
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options
from carnet.verifier.user import BearerUser

try:
    from litestar import Request, Response
    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection
    from litestar.exceptions import HTTPException
    from litestar.handlers import asgi
    from litestar.handlers.base import BaseRouteHandler
    from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
    from litestar.middleware.base import DefineMiddleware
    from litestar.openapi.spec import Components, SecurityScheme
    from litestar.plugins import InitPluginProtocol
    from litestar.types import ASGIApp, Guard, Receive, Scope, Send
except ModuleNotFoundError:
    raise not_installed("litestar") from None

__all__ = [
    "BearerAuth",
    "BearerRefused",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
]


RESOURCE: Final = "carnet.resource"
"""Where a connection's scope has what is published of the service."""

METADATA: Final = "carnet.metadata"
"""Marks the route of the metadata: Litestar's own idea of a path's last slash counts there."""


class BearerRefused(HTTPException):
    """A request is answered with 400, 401, 403 or 503, as RFC 6750 says.

    Attributes:
        refusal: status, headers and body.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(
            detail=refusal.content["error_description"],
            status_code=refusal.status,
            headers=refusal.headers,
        )
        self.refusal = refusal


class BearerAuth(InitPluginProtocol):
    """The plugin: every route needs a token, but for those that are excluded.

    ``request.user`` is a BearerUser, ``request.auth`` the Claims. A route is excluded by its path,
    or by ``exclude_from_auth=True`` on its handler.

    Where the option ``resource`` is given, its metadata (RFC 9728) are answered here, to everybody.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: this service's name, or names, in ``aud``.
        exclude: a pattern, or several, of paths that need no token, such as ``^/health$``.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims must fit; they are
            given in its form as ``request.auth``.
        options: as for ``carnet.verifier.AccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        claims_type: type[Any] | None = None,
        exclude: str | list[str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options(BearerAuth, options)
        patterns = [exclude] if isinstance(exclude, str) else exclude or []
        if not all(isinstance(pattern, str) and pattern.startswith("^/") for pattern in patterns):
            # Litestar looks for a pattern anywhere in the path.
            raise ConfigurationError(
                "a pattern in exclude must begin with '^/', such as '^/health$'"
            )
        self._exclude = patterns or None
        self._description = described(audience)
        self._verifier = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )
        self._metadata = MetadataEndpoint.of(self._verifier)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the middleware, the exception's handler and the OpenAPI security scheme.

        Raises:
            ConfigurationError: if there is a ``resource``, and all routes lie below a path.
        """
        if self._metadata is not None:
            if app_config.path.strip("/"):
                raise ConfigurationError(
                    "a Litestar app with a path of its own can't answer for the metadata of a "
                    "resource, which are at the root of the host: give the routes that path, or "
                    "put carnet.verifier.asgi.BearerMiddleware around the app instead"
                )
            # A route, since no middleware sees what has none; the middleware answers.
            route = asgi(self._metadata.path, copy_scope=True, opt={METADATA: True})
            app_config.route_handlers.append(route(self._metadata.__call__))
        app_config.middleware.insert(
            0,
            DefineMiddleware(
                _Middleware,
                verifier=self._verifier,
                exclude=self._exclude,
                metadata=self._metadata,
            ),
        )
        app_config.exception_handlers = {BearerRefused: _answer, **app_config.exception_handlers}
        app_config.on_shutdown.append(self.aclose)
        if app_config.openapi_config is not None:
            openapi = app_config.openapi_config = copy(app_config.openapi_config)
            scheme = SecurityScheme(
                type="http", scheme="bearer", bearer_format="JWT", description=self._description
            )
            ours = Components(security_schemes={"Bearer": scheme})
            theirs = openapi.components
            openapi.components = [*(theirs if isinstance(theirs, list) else [theirs]), ours]
            openapi.security = [*(openapi.security or []), {"Bearer": []}]
        return app_config

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    async def aclose(self) -> None:
        """Stop following the revocations; the end of the app's lifespan does it too."""
        await self._verifier.aclose()


class _Middleware(AbstractAuthenticationMiddleware):
    def __init__(
        self,
        app: ASGIApp,
        verifier: AsyncAccessTokenVerifier,
        exclude: list[str] | None,
        metadata: MetadataEndpoint | None,
    ) -> None:
        # Litestar leaves every OPTIONS open unless it is configured otherwise.
        super().__init__(app, exclude=exclude, exclude_http_methods=())
        self._verifier = verifier
        self._metadata = metadata

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._metadata is not None:
            # Here, before the app's own guards: they may ask for a token everywhere.
            if METADATA in scope["route_handler"].opt:
                await self._metadata(scope, receive, send)  # type: ignore[arg-type]  # likewise
                return
            scope[RESOURCE] = self._verifier.resource  # type: ignore[typeddict-unknown-key]  # our own
        if is_preflight(scope):  # type: ignore[arg-type]  # a TypedDict
            await pass_preflight(self.app, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        try:
            claims = await authenticate_async(
                self._verifier,
                *credentials(connection.scope),  # type: ignore[arg-type]  # a TypedDict
            )
            fitting = typed(self._verifier, claims)
        except Refusal as refusal:
            raise _refused(connection, refusal) from None
        return AuthenticationResult(user=BearerUser(claims, fitting), auth=fitting)


def require_role(role: str) -> Guard:
    """Make a guard that asks for a role among ``roles``; it answers 403 otherwise."""
    return _guard(needs_role(role))


def require_scope(scope: str) -> Guard:
    """Make a guard that asks for a scope, or several with spaces between them."""
    return _guard(needs_scope(scope))


def require_acr(*acr_values: str, max_age: int | None = None) -> Guard:
    """Make a guard that asks for a way of signing in (``acr``, RFC 9470); it answers 401 otherwise.

    Args:
        acr_values: the ways of which one is needed, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    return _guard(needs_acr(*acr_values, max_age=max_age))


def require_age(max_age: int) -> Guard:
    """Make a guard that asks for a sign-in at most so many seconds ago (``auth_time``)."""
    return _guard(needs_age(max_age))


def _guard(need: Need) -> Guard:
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        user = connection.scope.get("user")
        try:
            need(present(user.claims if isinstance(user, BearerUser) else None))
        except Refusal as refusal:
            raise _refused(connection, refusal) from None

    guard.carnet_scope = scope_of(need)  # type: ignore[attr-defined]  # read where one refuses
    return guard


def _refused(connection: ASGIConnection[Any, Any, Any, Any], refusal: Refusal) -> BearerRefused:
    # The app's own guards, its routers' and the handler's: which one comes first does not matter.
    handler: Any = connection.scope["route_handler"]
    guards = [guard for layer in handler.ownership_layers for guard in layer.guards or ()]
    resource: Any = connection.scope.get(RESOURCE)
    refusal = with_advice(refusal, resource, scope_of(*guards))
    refusal.log(connection.scope["path"])
    return BearerRefused(refusal)


def _answer(_request: Request[Any, Any, Any], error: BearerRefused) -> Response[Any]:
    refusal = error.refusal
    return Response(
        refusal.content,
        status_code=refusal.status,
        headers=refusal.headers,
        media_type="application/json",
    )
