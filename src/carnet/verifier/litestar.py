"""The documented import path of :mod:`carnet.verifier.adapters.litestar`."""

from carnet.verifier.adapters.litestar import (
    BearerAuth,
    BearerRefused,
    require_acr,
    require_age,
    require_role,
    require_scope,
)

__all__ = [
    "BearerAuth",
    "BearerRefused",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
]
