"""Starlette: a backend for its AuthenticationMiddleware, and decorators for endpoints.

backend = BearerBackend(issuer="https://auth.example.com", audience="orders")
middleware = [Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)]
app = Starlette(routes=[...], middleware=middleware, lifespan=backend.lifespan)

@require_scope("orders:read")
async def list_orders(request): ...request.user.claims...

``request.auth.scopes`` holds the token's scopes, so Starlette's own ``requires`` works too.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, Final, TypeVar, Unpack

from carnet.errors import ConfigurationError
from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.adapters.asgi import (
    CLOSED,
    MetadataEndpoint,
    can_be_denied,
    credentials,
    given,
)
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate_async,
    check_scope,
    joined,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    present,
    typed,
    with_advice,
)
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options
from carnet.verifier.protected_resource import Answer
from carnet.verifier.user import BearerUser

try:
    from starlette.authentication import (
        AuthCredentials,
        AuthenticationBackend,
        AuthenticationError,
        BaseUser,
    )
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.websockets import WebSocketClose
except ModuleNotFoundError:
    raise not_installed("starlette") from None

__all__ = [
    "BearerBackend",
    "BearerRefused",
    "StarletteUser",
    "on_error",
    "refused",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
    "route_of",
]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

RESOURCE: Final = "carnet.resource"
"""Where a connection's scope has what is published of the service."""


class BearerRefused(HTTPException):
    """A request is answered with 400, 401, 403 or 503, as RFC 6750 says.

    It is answered by itself; an exception handler of the app for it, or for its status, comes
    first.

    Attributes:
        refusal: status, headers and body.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status, refusal.code, refusal.headers)
        self.detail = refusal.content  # type: ignore[assignment]  # FastAPI's may be an object
        self.refusal = refusal


class StarletteUser(BearerUser, BaseUser):
    """``request.user``: the subject of a good access token."""


class _Refused(AuthenticationError):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.content["error_description"])
        self.refusal = refusal


class _Published(AuthenticationError):
    """A request for the metadata: a backend can answer one in no other way."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the metadata of the resource")
        self.answer = answer


class BearerBackend(AuthenticationBackend):
    """Gives ``request.user`` and ``request.auth`` from a request's access token.

    A request without an Authorization header, or with one of another scheme, is anonymous: it is
    the endpoint's decorator that asks for a token. A bad token is refused everywhere.

    Where the option ``resource`` is given, its metadata (RFC 9728) are answered here and by
    ``on_error``, to everybody.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: this service's name, or names, in ``aud``.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims must fit; they are
            given in its form as ``user.typed_claims``.
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
        **options: Unpack[Options],
    ) -> None:
        check_options(BearerBackend, options)
        self._verifier = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )
        self._metadata = MetadataEndpoint.of(self._verifier)

    @property
    def metadata(self) -> Route:
        """A route for the metadata, outside of what the app is mounted at.

        Raises:
            ConfigurationError: if there is no ``resource``.
        """
        return route_of(given(self._metadata))

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Check the request's token, if it has one."""
        resource = self._verifier.resource
        if resource is not None:
            if self._metadata is not None and self._metadata.is_meant(conn.scope):
                raise _Published(resource.answer(conn.scope["method"]))
            conn.scope[RESOURCE] = resource
        try:
            claims = await authenticate_async(self._verifier, *credentials(conn.scope))
            # A scope that is not a string is refused here, before an endpoint asks for it.
            check_scope(claims, "")
            user = StarletteUser(claims, typed(self._verifier, claims))
            return AuthCredentials(sorted(claims.scopes)), user
        except Refusal as refusal:
            if refusal.code == "token_missing":
                return None
            raise _Refused(with_advice(refusal, resource)) from None

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    async def aclose(self) -> None:
        """Stop following the revocations, when the app ends; ``lifespan`` does it."""
        await self._verifier.aclose()

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Be the app's lifespan, or a part of it: at its end the verifier is closed."""
        try:
            yield
        finally:
            await self.aclose()


def on_error(conn: HTTPConnection, error: AuthenticationError) -> Response:
    """Answer for a bad token; it is given to AuthenticationMiddleware beside the backend."""
    if isinstance(error, _Published):
        status, headers, body = error.answer
        return Response(body, status, headers)
    if not isinstance(error, _Refused):
        return Response(str(error), 400)
    error.refusal.log(conn.scope["path"])
    return _response(error.refusal)


def require_token(endpoint: Endpoint) -> Endpoint:
    """Require a good access token."""
    return _requiring(None)(endpoint)


def require_role(role: str) -> Callable[[Endpoint], Endpoint]:
    """Require a good access token with one of ``roles``."""
    return _requiring(needs_role(role))


def require_scope(scope: str) -> Callable[[Endpoint], Endpoint]:
    """Require a good access token with a scope, or with several, separated by spaces."""
    return _requiring(needs_scope(scope))


def require_acr(*acr_values: str, max_age: int | None = None) -> Callable[[Endpoint], Endpoint]:
    """Require a sign-in of one of these levels (``acr``, RFC 9470).

    Args:
        acr_values: the ways, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    return _requiring(needs_acr(*acr_values, max_age=max_age))


def require_age(max_age: int) -> Callable[[Endpoint], Endpoint]:
    """Require a sign-in at most so many seconds ago (``auth_time``, RFC 9470)."""
    return _requiring(needs_age(max_age))


def _requiring(need: Need | None) -> Callable[[Endpoint], Endpoint]:
    def decorate(endpoint: Endpoint) -> Endpoint:
        signature = inspect.signature(endpoint)
        wanted, scope = joined(need, endpoint)
        name = next((name for name in signature.parameters if name in ("request", "websocket")), "")
        if not name:
            raise ConfigurationError(
                f"{endpoint.__qualname__} takes no argument 'request' or 'websocket'"
            )

        @wraps(endpoint)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            _check(signature.bind_partial(*args, **kwargs).arguments[name], wanted, scope)
            if inspect.iscoroutinefunction(endpoint):
                return await endpoint(*args, **kwargs)
            return await run_in_threadpool(endpoint, *args, **kwargs)

        guarded.carnet_scope = scope  # type: ignore[attr-defined]  # for the decorators above
        return guarded  # type: ignore[return-value]

    return decorate


def _check(conn: HTTPConnection, need: Need | None, scope: str) -> None:
    user = conn.user
    try:
        claims = present(user.claims if isinstance(user, BearerUser) else None)
        if need is not None:
            need(claims)
    except Refusal as refusal:
        advised = with_advice(refusal, conn.scope.get(RESOURCE), scope)
        raise refused(conn, advised) from None


def route_of(metadata: MetadataEndpoint) -> Route:
    """Make the route of the metadata, which no OpenAPI document tells of."""
    return Route(metadata.path, metadata, include_in_schema=False)


def refused(conn: HTTPConnection, refusal: Refusal) -> BearerRefused:
    """Make the exception that answers a request, and log it."""
    refusal.log(conn.scope["path"])
    # The framework would make its own body. The handlers that Starlette will look through stand
    # in the scope; an app that has its own handler for this keeps it.
    handlers = conn.scope.get("starlette.exception_handlers")
    if handlers is not None:
        handlers[0].setdefault(BearerRefused, _answer)
    return BearerRefused(refusal)


async def _answer(conn: HTTPConnection, error: Exception) -> Response | WebSocketClose:
    if not isinstance(error, BearerRefused):
        raise error
    if conn.scope["type"] == "websocket" and not can_be_denied(conn.scope):
        return WebSocketClose(CLOSED, error.refusal.code)
    return _response(error.refusal)


def _response(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, refusal.headers, media_type="application/json")
