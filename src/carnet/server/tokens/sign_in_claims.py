"""What tokens say of how, and when, somebody has signed in."""

from __future__ import annotations

from typing import Any

from carnet.server.clock import SECOND
from carnet.server.factors.levels import acr_of
from carnet.server.sessions.sessions import Grant

__all__ = ["sign_in_claims"]


def sign_in_claims(grant: Grant) -> dict[str, Any]:
    """Give the claims ``acr``, ``amr`` and ``auth_time`` (RFC 9068 section 2.2.1, RFC 8176)."""
    claims: dict[str, Any] = {"acr": acr_of(grant.amr), "amr": grant.amr.split()}
    if grant.authenticated_at is not None:
        claims["auth_time"] = grant.authenticated_at // SECOND
    return claims
