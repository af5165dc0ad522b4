"""What tokens say of how, and when, somebody has signed in."""

from __future__ import annotations

from typing import Any

from carnet.server.clock import SECOND
from carnet.server.factors.levels import acr_of

__all__ = ["sign_in_claims"]


def sign_in_claims(amr: str, authenticated_at: int | None) -> dict[str, Any]:
    """Give the claims ``acr``, ``amr`` and ``auth_time`` (RFC 9068 section 2.2.1, RFC 8176).

    Args:
        amr: how, names of RFC 8176 with spaces between them; "" where another issuer knows that.
        authenticated_at: when, in microseconds since 1970, or None.
    """
    claims: dict[str, Any] = {"acr": acr_of(amr), "amr": amr.split()} if amr else {}
    if authenticated_at is not None:
        claims["auth_time"] = authenticated_at // SECOND
    return claims
