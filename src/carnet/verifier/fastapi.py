"""FastAPI: a dependency that lets in who brings a good access token.

bearer = Bearer(issuer="https://auth.example.com", audience="orders")

@app.get("/orders")
async def list_orders(claims: Annotated[Claims, Depends(bearer)]): ...
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Unpack

from fastapi import HTTPException, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jwt.claims import Claims
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.bearer import Refusal, bearer_token, check_role, check_scope, refusal_of
from carnet.verifier.dpop import Presented
from carnet.verifier.key_source import Health

__all__ = ["Bearer", "BearerRefused"]


class BearerRefused(HTTPException):
    """A request is answered with 400, 401, 403 or 503, as RFC 6750 says.

    It is answered by itself; an exception handler of the app for it, or for its status, comes
    first.

    Attributes:
        refusal: status, headers and body.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status, refusal.content, refusal.headers)
        self.refusal = refusal


class Bearer(SecurityBase):
    """A dependency that gives the Claims of a request's access token.

    Args:
        issuer: the issuer, or several, exactly as they stand in their tokens.
        audience: this service's name, or names, in ``aud``.
        options: as for ``carnet.verifier.AccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self, issuer: str | Collection[str], audience: Names, **options: Unpack[Options]
    ) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description=f"An access token for {audience}.")
        self.scheme_name = "Bearer"
        self._verifier = AsyncAccessTokenVerifier(issuer, audience, **options)

    async def __call__(self, request: Request) -> Claims:
        """Check the request's token.

        Raises:
            BearerRefused: where there is no good one.
        """
        try:
            values, proofs = (request.headers.getlist(name) for name in ("authorization", "dpop"))
            presented = None
            if any(value[:5].lower() == "dpop " for value in values):
                presented = Presented(proofs, request.method, str(request.url))
            token = bearer_token(values, "DPoP" if presented else "Bearer")
            return await self._verifier.verify(token, presented)
        except Refusal as refusal:
            raise _refused(request, refusal) from None
        except (InvalidToken, IssuerUnavailable) as error:
            raise _refused(request, refusal_of(error)) from None

    def require_role(self, role: str) -> Bearer:
        """Make a dependency that also asks for a role among ``roles``; it answers 403 otherwise."""
        return self._requiring(check_role, role)

    def require_scope(self, scope: str) -> Bearer:
        """Make a dependency that also asks for scopes; it answers 403 otherwise."""
        return self._requiring(check_scope, scope)

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    def _requiring(self, check: Callable[[Claims, str], None], wanted: str) -> Bearer:
        return _Requiring(self, check, wanted)


class _Requiring(Bearer):
    """A Bearer that asks for more; it shares the other's keys and cache."""

    def __init__(self, bearer: Bearer, check: Callable[[Claims, str], None], wanted: str) -> None:
        self.model = bearer.model
        self.scheme_name = bearer.scheme_name
        self._verifier = bearer._verifier
        self._bearer = bearer
        self._more = check
        self._wanted = wanted

    async def __call__(self, request: Request) -> Claims:
        claims = await self._bearer(request)
        try:
            self._more(claims, self._wanted)
        except Refusal as refusal:
            raise _refused(request, refusal) from None
        return claims


def _refused(request: Request, refusal: Refusal) -> BearerRefused:
    # FastAPI would put the content under "detail". The handlers that Starlette will look through
    # stand in the scope; an app that has its own handler for this keeps it.
    handlers = request.scope.get("starlette.exception_handlers")
    if handlers is not None:
        handlers[0].setdefault(BearerRefused, _answer)
    return BearerRefused(refusal)


async def _answer(_request: Request, error: Exception) -> Response:
    if not isinstance(error, BearerRefused):
        raise error
    refusal = error.refusal
    return Response(refusal.body, refusal.status, refusal.headers, media_type="application/json")
