"""Who makes a request, as frameworks want it for ``request.user``."""

from __future__ import annotations

from typing import Any

from carnet.jwt.claims import Claims

__all__ = ["BearerUser"]


class BearerUser:
    """The subject of a good access token.

    Attributes:
        claims: what the token says.
        typed_claims: the same in the form of the verifier's ``claims_type``.
        is_authenticated: always true.
        is_anonymous: always false.
        is_active: always true: the token of an account that was disabled is refused.
    """

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, claims: Claims, typed_claims: Any = None) -> None:
        self.claims = claims
        self.typed_claims = claims if typed_claims is None else typed_claims

    def __str__(self) -> str:
        return self.identity

    @property
    def identity(self) -> str:
        """The token's ``sub``; empty where it names none."""
        return self.claims.subject or ""

    @property
    def pk(self) -> str:
        """The token's ``sub``, by the name that Django REST framework asks for."""
        return self.identity

    @property
    def display_name(self) -> str:
        """The name to show: ``sub`` too."""
        return self.identity

    def get_username(self) -> str:
        """Give the name by which Django asks: ``sub`` too."""
        return self.identity

    @property
    def scopes(self) -> frozenset[str]:
        """What the token allows."""
        return self.claims.scopes

    @property
    def roles(self) -> tuple[str, ...]:
        """The subject's roles."""
        return self.claims.roles
