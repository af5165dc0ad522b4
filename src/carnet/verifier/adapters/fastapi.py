"""FastAPI: a dependency that lets in who brings a good access token.

bearer = Bearer(issuer="https://auth.example.com", audience="orders")
app = FastAPI(lifespan=bearer.lifespan)

@app.get("/orders")
async def list_orders(claims: Annotated[Claims, Depends(bearer)]): ...

More is asked for by ``Depends(bearer.require_role("ADMIN"))``, by ``bearer.require_scope``, or by
FastAPI's own ``Security(bearer, scopes=["orders:read"])``, which the OpenAPI document tells.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Unpack

from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.adapters.asgi import authorization, presented
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
    typed,
)
from carnet.verifier.issuer import Trusted
from carnet.verifier.key_source import Health

try:
    from fastapi import Request
    from fastapi.openapi.models import HTTPBearer
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
except ModuleNotFoundError:
    raise not_installed("fastapi") from None

from carnet.verifier.adapters.starlette import BearerRefused, refused

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from carnet.jwt.claims import Claims

    T = TypeVar("T", default=Claims)
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["Bearer", "BearerRefused"]


class Bearer(SecurityBase, Generic[T]):
    """A dependency that gives the Claims of a request's access token.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: this service's name, or names, in ``aud``.
        claims_type: a msgspec Struct, dataclass or TypedDict that is given instead of Claims.
        scheme_name: the security scheme's name in the OpenAPI document.
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
        **options: Unpack[Options],
    ) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description=described(audience))
        self.scheme_name = scheme_name
        self._needs: tuple[Need, ...] = ()
        self._verifier: AsyncAccessTokenVerifier[T] = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )

    async def __call__(self, request: Request, security_scopes: SecurityScopes) -> T:
        """Check the request's token.

        Args:
            request: what FastAPI answers.
            security_scopes: what a route asks for by ``Security(bearer, scopes=[...])``; the
                OpenAPI document tells of them.

        Raises:
            BearerRefused: where there is no good one.
        """
        try:
            claims = await authenticate_async(
                self._verifier, authorization(request.scope), presented(request.scope)
            )
            fitting = typed(self._verifier, claims)
            for need in self._needs:
                need(claims)
            if security_scopes.scopes:
                check_scope(claims, security_scopes.scope_str)
            return fitting
        except Refusal as refusal:
            raise refused(request, refusal) from None

    def require_role(self, role: str) -> Bearer[T]:
        """Make a dependency that also asks for a role among ``roles``; it answers 403 otherwise."""
        return self._requiring(needs_role(role))

    def require_scope(self, scope: str) -> Bearer[T]:
        """Make a dependency that also asks for scopes; it answers 403 otherwise."""
        return self._requiring(needs_scope(scope))

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

    def _requiring(self, need: Need) -> Bearer[T]:
        # It shares the other's keys and cache.
        more: Bearer[T] = object.__new__(type(self))
        more.__dict__.update(self.__dict__, _needs=(*self._needs, need))
        return more
