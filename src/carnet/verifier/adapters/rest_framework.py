"""Django REST framework: an authentication class and permissions, with the settings of Django's.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["carnet.verifier.rest_framework.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["carnet.verifier.rest_framework.TokenRequired"],
}

class Orders(APIView):
    permission_classes = [require_scope("orders:read")]

``request.user`` is a BearerUser, ``request.auth`` the Claims, or the settings' ``claims_type``.
"""

from __future__ import annotations

from typing import Any

from carnet.verifier.adapters.django import close, health, verifier
from carnet.verifier.adapters.wsgi import authorization, presented
from carnet.verifier.bearer import (
    RETRY_SECONDS,
    Need,
    Refusal,
    authenticate,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    present,
    typed,
)
from carnet.verifier.user import BearerUser

try:
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.exceptions import APIException
    from rest_framework.permissions import BasePermission
    from rest_framework.request import Request
except ModuleNotFoundError:
    raise not_installed("django") from None

__all__ = [
    "BearerAuthentication",
    "BearerRefused",
    "TokenRequired",
    "close",
    "health",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
]


class BearerRefused(APIException):
    """A request is answered with 400, 401, 403 or 503, as RFC 6750 says.

    Attributes:
        refusal: status, headers and body.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self.refusal = refusal
        self.status_code = refusal.status
        self.detail = refusal.content
        # The framework's handler makes headers of these.
        self.auth_header = refusal.headers.get("WWW-Authenticate")
        self.wait = RETRY_SECONDS if "Retry-After" in refusal.headers else None


class BearerAuthentication(BaseAuthentication):
    """Checks a request's access token; without one, the request is anonymous."""

    def authenticate(self, request: Request) -> tuple[BearerUser, Any] | None:
        """Give the user and the claims.

        Raises:
            BearerRefused: if there is a bad token.
            ConfigurationError: if Django's settings lack ``CARNET``.
        """
        try:
            claims = authenticate(
                verifier(),
                authorization(request.META),
                presented(request.META, lambda: str(request.build_absolute_uri(request.path))),
            )
            fitting = typed(verifier(), claims)
        except Refusal as refusal:
            if refusal.code == "token_missing":
                return None
            raise _refused(request, refusal) from None
        return BearerUser(claims, fitting), fitting

    def authenticate_header(self, request: Request) -> str:
        """Give the challenge of the framework's own 401."""
        return "Bearer"


class TokenRequired(BasePermission):
    """Lets in who brings a good token."""

    needs: tuple[Need, ...] = ()

    def has_permission(self, request: Request, view: Any) -> bool:
        """Check the token's claims.

        Raises:
            BearerRefused: 401 or 403.
        """
        user = request.user
        try:
            claims = present(user.claims if isinstance(user, BearerUser) else None)
            for need in self.needs:
                need(claims)
        except Refusal as refusal:
            raise _refused(request, refusal) from None
        return True


def require_role(role: str) -> type[TokenRequired]:
    """Make a permission class that asks for a role among ``roles``."""
    return type("RoleRequired", (TokenRequired,), {"needs": (needs_role(role),)})


def require_scope(scope: str) -> type[TokenRequired]:
    """Make a permission class that asks for a scope, or several with spaces between them."""
    return type("ScopeRequired", (TokenRequired,), {"needs": (needs_scope(scope),)})


def require_acr(*acr_values: str, max_age: int | None = None) -> type[TokenRequired]:
    """Make a permission class that asks for a way of signing in (``acr``, RFC 9470).

    Args:
        acr_values: the ways of which one is needed, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    need = needs_acr(*acr_values, max_age=max_age)
    return type("AcrRequired", (TokenRequired,), {"needs": (need,)})


def require_age(max_age: int) -> type[TokenRequired]:
    """Make a permission class that asks for a sign-in at most so many seconds ago."""
    return type("AgeRequired", (TokenRequired,), {"needs": (needs_age(max_age),)})


def _refused(request: Request, refusal: Refusal) -> BearerRefused:
    refusal.log(request.path)
    return BearerRefused(refusal)
