"""The documented import path of :mod:`carnet.verifier.adapters.flask`."""

from carnet.verifier.adapters.flask import (
    Bearer,
    current_claims,
    require_acr,
    require_age,
    require_role,
    require_scope,
    require_token,
)

__all__ = [
    "Bearer",
    "current_claims",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
]
