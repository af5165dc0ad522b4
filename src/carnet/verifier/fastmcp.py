"""The documented import path of :mod:`carnet.verifier.adapters.fastmcp`."""

from carnet.verifier.adapters.fastmcp import (
    BearerAccessToken,
    BearerAuth,
    current_claims,
    current_typed_claims,
    require_acr,
    require_age,
    require_role,
    require_scope,
)

__all__ = [
    "BearerAccessToken",
    "BearerAuth",
    "current_claims",
    "current_typed_claims",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
]
