"""FastAPI: a dependency that requires a valid access token.

bearer = Bearer(issuer="https://auth.example.com", audience="orders")
app = FastAPI(lifespan=bearer.lifespan)

@app.get("/orders")
async def list_orders(claims: Annotated[Claims, Depends(bearer)]): ...

More is asked for by ``Depends(bearer.require_role("ADMIN"))``, by ``bearer.require_scope``, or by
FastAPI's own ``Security(bearer, scopes=["orders:read"])``; the OpenAPI document tells the scopes.
``Depends(bearer.optional)`` gives None where there is no token. All of them work on WebSockets too,
and ``app.dependency_overrides[bearer]`` is the one place that replaces what they read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, Final, Generic, Unpack, cast

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.adapters.asgi import MetadataEndpoint, credentials, given
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate_async,
    check_scope,
    described,
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

try:
    from fastapi import APIRouter, Security
    from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlows
    from fastapi.openapi.models import SecurityBase as SecurityScheme
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection
except ModuleNotFoundError:
    raise not_installed("fastapi") from None

from carnet.verifier.adapters.starlette import BearerRefused, refused, route_of

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Claims)
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["Bearer", "BearerRefused"]


VERIFIED: Final = "carnet.verified"
"""Where a connection's scope has what was verified: the verifier, the Claims, what is given."""


class Bearer(SecurityBase, Generic[T]):
    """A dependency that gives the Claims of a request's or a WebSocket's access token.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: this service's name, or names, in ``aud``.
        claims_type: a msgspec Struct, dataclass or TypedDict that is given instead of Claims.
        scheme_name: the security scheme's name in the OpenAPI document.
        flows: OAuth flows for the OpenAPI document, with their addresses and scopes, so that its
            page can sign people in; without, the scheme is ``http`` ``bearer``.
        options: as for ``carnet.verifier.AccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        claims_type: type[T] | None = None,
        scheme_name: str = "Bearer",
        flows: OAuthFlows | Mapping[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options(Bearer, options)
        self.model = _scheme(flows, described(audience))
        self.scheme_name = scheme_name
        self._is_optional = False
        self._verifier: AsyncAccessTokenVerifier[T] = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )

    @property
    def metadata(self) -> APIRouter:
        """Answers for the metadata of the ``resource``: ``app.include_router(bearer.metadata)``.

        Raises:
            ConfigurationError: if there is no ``resource``.
        """
        return APIRouter(routes=[route_of(given(MetadataEndpoint.of(self._verifier)))])

    async def __call__(self, request: HTTPConnection, security_scopes: SecurityScopes) -> T:
        """Check the token of a request or a WebSocket.

        Args:
            request: what FastAPI answers.
            security_scopes: what a route asks for by ``Security(bearer, scopes=[...])``; the
                OpenAPI document tells of them.

        Raises:
            BearerRefused: where there is no good one.
        """
        verifier, scope = self._verifier, request.scope
        try:
            seen = scope.get(VERIFIED)
            # Several dependencies of a route ask: a proof (RFC 9449) is good for one check only.
            if seen is None or seen[0] is not verifier:
                claims = await authenticate_async(verifier, *credentials(scope))
                seen = scope[VERIFIED] = (verifier, claims, typed(verifier, claims))
            if security_scopes.scopes:
                check_scope(seen[1], security_scopes.scope_str)
            return cast("T", seen[2])
        except Refusal as refusal:
            if self._is_optional and refusal.code == "token_missing":
                return cast("T", None)
            raise self._refused(request, refusal, security_scopes.scope_str) from None

    @cached_property
    def optional(self) -> Bearer[T | None]:
        """The same dependency, but it gives None where there is no token; a bad one is refused."""
        other: Bearer[T | None] = object.__new__(type(self))  # type: ignore[arg-type]
        # It shares the keys and the cache.
        other.__dict__.update(self.__dict__, _is_optional=True)
        return other

    def require_role(self, role: str) -> Bearer[T]:
        """Make a dependency that also asks for a role among ``roles``; it answers 403 otherwise."""
        return self._requiring(needs_role(role))

    def require_scope(self, scope: str) -> Bearer[T]:
        """Make a dependency that also asks for scopes; it answers 403 otherwise.

        Args:
            scope: one, or several with spaces between them; the OpenAPI document tells of them.
        """
        return self._requiring(needs_scope(scope), scope)

    def require_acr(self, *acr_values: str, max_age: int | None = None) -> Bearer[T]:
        """Make a dependency that also asks for a way of signing in; it answers 401 otherwise.

        The challenge names what is needed (RFC 9470), so that a client can ask for it.

        Args:
            acr_values: the ways of which one is needed, the preferred one first.
            max_age: seconds that may have passed since, where that counts too.
        """
        return self._requiring(needs_acr(*acr_values, max_age=max_age))

    def require_age(self, max_age: int) -> Bearer[T]:
        """Make a dependency that also asks for a sign-in at most so many seconds ago; as above."""
        return self._requiring(needs_age(max_age))

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

    def _requiring(self, need: Need, scope: str = "") -> Bearer[T]:
        return _Requiring(self, (need,), scope.split())

    def _refused(self, request: HTTPConnection, refusal: Refusal, scope: str) -> BearerRefused:
        """Refuse with all scopes that the route needs, whichever dependency was the first."""
        route = request.scope.get("route")
        needed = dict.fromkeys(
            [*scope.split(), *self._scopes_below(getattr(route, "dependant", None))]
        )
        return refused(request, with_advice(refusal, self._verifier.resource, " ".join(needed)))

    def _scopes_below(self, dependant: Any) -> Iterator[str]:
        call = getattr(dependant, "call", None)
        if isinstance(call, Bearer) and call._verifier is self._verifier:
            for name in ("parent_oauth_scopes", "own_oauth_scopes"):
                yield from getattr(dependant, name, None) or ()
        for one in getattr(dependant, "dependencies", ()):
            yield from self._scopes_below(one)


class _Requiring(Bearer[T]):
    """A dependency on a Bearer: what stands in that one's place for a test is checked likewise."""

    def __init__(self, bearer: Bearer[T], needs: tuple[Need, ...], scopes: list[str]) -> None:
        self.__dict__.update(bearer.__dict__)
        self._bearer, self._needs, self._scopes = bearer, needs, scopes
        # FastAPI reads it, solves the Bearer and gives what that one gave.
        self.__signature__ = Signature(
            [
                Parameter("request", Parameter.KEYWORD_ONLY, annotation=HTTPConnection),
                Parameter("given", Parameter.KEYWORD_ONLY, default=Security(bearer, scopes=scopes)),
            ]
        )

    async def __call__(self, request: HTTPConnection, given: Any) -> T:
        """Check what a token needs besides being good.

        Raises:
            BearerRefused: 401 or 403.
        """
        seen = request.scope.get(VERIFIED)
        claims = given if given is None or isinstance(given, Claims) else seen and seen[1]
        try:
            if given is None or claims is not None:
                for need in self._needs:
                    need(present(claims))
            # Else no token was checked at all: another type of an app's own stands in for a test.
            return cast("T", given)
        except Refusal as refusal:
            raise self._refused(request, refusal, " ".join(self._scopes)) from None

    @property
    def optional(self) -> Bearer[T | None]:
        """Say that what requires something is not optional.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "what requires something is not optional: depend on bearer.optional, and check what it "
            "gives with check_role or check_scope of carnet.verifier.bearer"
        )

    def _requiring(self, need: Need, scope: str = "") -> Bearer[T]:
        scopes = [*self._scopes, *scope.split()]
        return _Requiring(self._bearer, (*self._needs, need), scopes)


def _scheme(flows: OAuthFlows | Mapping[str, Any] | None, description: str) -> SecurityScheme:
    """Make the security scheme of the OpenAPI document.

    Raises:
        ConfigurationError: if the flows are none.
    """
    if flows is None:
        return HTTPBearer(bearerFormat="JWT", description=description)
    try:
        return OAuth2(flows=OAuthFlows.model_validate(flows), description=description)
    except ValueError:
        raise ConfigurationError(
            "flows is what OpenAPI calls so, such as {'authorizationCode': {'authorizationUrl': "
            "'https://…', 'tokenUrl': 'https://…', 'scopes': {'orders:read': 'See the orders'}}}"
        ) from None
