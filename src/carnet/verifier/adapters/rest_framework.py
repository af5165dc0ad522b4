"""Django REST framework: an authentication class and permissions, with the settings of Django's.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["carnet.verifier.rest_framework.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["carnet.verifier.rest_framework.TokenRequired"],
}

class Orders(APIView):
    permission_classes = [require_scope("orders:read")]

class Invoices(APIView):
    permission_classes = [HasScope]
    required_scope = "invoices:read"

``request.user`` is a DjangoUser, ``request.auth`` the Claims, or the settings' ``claims_type``.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from carnet.errors import ConfigurationError
from carnet.verifier.adapters.django import (
    DjangoUser,
    close,
    health,
    metadata_path,
    resource,
    verifier,
)
from carnet.verifier.adapters.wsgi import authorization, presented
from carnet.verifier.bearer import (
    RETRY_SECONDS,
    Need,
    Refusal,
    authenticate,
    missing,
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
    "HasRole",
    "HasScope",
    "TokenRequired",
    "close",
    "health",
    "metadata_path",
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
    """Checks a request's access token; without one, the request is anonymous.

    drf-spectacular, where it is used, describes it as the security scheme ``Bearer``.
    """

    def __init__(self) -> None:
        # It makes one of these to describe a view, and has been loaded by then; to load it here
        # would be too early for it, and is nothing for those who don't use it.
        if "drf_spectacular.extensions" in sys.modules:
            _describe()

    def authenticate(self, request: Request) -> tuple[BearerUser, Any] | None:
        """Give the user and the claims.

        Raises:
            BearerRefused: if there is a bad token.
            ConfigurationError: if Django's settings lack ``CARNET``.
        """
        try:
            # Django's middleware may have checked it already, and a proof is taken once.
            claims = getattr(request, "carnet_claims", None) or authenticate(
                verifier(),
                authorization(request.META),
                presented(request.META, lambda: str(request.build_absolute_uri(request.path))),
            )
            fitting = typed(verifier(), claims)
        except Refusal as refusal:
            if refusal.code == "token_missing":
                return None
            view = (request.parser_context or {}).get("view")
            raise _refused(request, refusal, view) from None
        return DjangoUser(claims, fitting), fitting

    def authenticate_header(self, request: Request) -> str:
        """Give the challenge of the framework's own 401."""
        return with_advice(missing(), resource()).headers["WWW-Authenticate"]


class TokenRequired(BasePermission):
    """Requires a good access token."""

    needs: tuple[Need, ...] = ()

    def needs_of(self, view: Any) -> tuple[Need, ...]:
        """Give the checks that a view asks for."""
        return self.needs

    def has_permission(self, request: Request, view: Any) -> bool:
        """Check the token's claims.

        Raises:
            BearerRefused: 401 or 403.
        """
        user = request.user
        try:
            claims = present(user.claims if isinstance(user, BearerUser) else None)
            for need in self.needs_of(view):
                need(claims)
        except Refusal as refusal:
            raise _refused(request, refusal, view) from None
        return True


class HasScope(TokenRequired):
    """Requires a good access token with the scopes of the view's ``required_scope``.

    A view that names none is a ConfigurationError.
    """

    def needs_of(self, view: Any) -> tuple[Need, ...]:
        """Give the check for the view's scopes."""
        return (needs_scope(_named(view, "required_scope")),)


class HasRole(TokenRequired):
    """Requires a good access token with the role of the view's ``required_role``.

    A view that names none is a ConfigurationError.
    """

    def needs_of(self, view: Any) -> tuple[Need, ...]:
        """Give the check for the view's role."""
        return (needs_role(_named(view, "required_role")),)


def _named(view: Any, name: str) -> str:
    value = getattr(view, name, None)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(
            f"{type(view).__name__} needs the attribute {name}, which its permission class reads"
        )
    return value


def require_role(role: str) -> type[TokenRequired]:
    """Make a permission class that asks for a role among ``roles``."""
    return type("RoleRequired", (TokenRequired,), {"needs": (needs_role(role),)})


def require_scope(scope: str) -> type[TokenRequired]:
    """Make a permission class that asks for a scope, or several with spaces between them."""
    return type("ScopeRequired", (TokenRequired,), {"needs": (needs_scope(scope),)})


@cache
def _describe() -> None:
    """Tell drf-spectacular of the security scheme."""
    extensions = import_module("drf_spectacular.extensions")
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    # To be a subclass is to be known.
    type(
        "BearerScheme",
        (extensions.OpenApiAuthenticationExtension,),
        {
            "target_class": BearerAuthentication,
            "match_subclasses": True,
            "name": "Bearer",
            "get_security_definition": lambda _self, _auto_schema: scheme,
        },
    )


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


def _refused(request: Request, refusal: Refusal, view: Any) -> BearerRefused:
    refusal = with_advice(refusal, resource(), _scope_at(view))
    refusal.log(request.path)
    return BearerRefused(refusal)


def _scope_at(view: Any) -> str:
    """Join the scopes that all permissions of a view ask for, whichever refuses first."""
    permissions = [] if view is None else view.get_permissions()
    with suppress(ConfigurationError):  # a view that lacks an attribute; that is told elsewhere
        return scope_of(
            *(
                need
                for one in permissions
                if isinstance(one, TokenRequired)
                for need in one.needs_of(view)
            )
        )
    return ""
