"""The documented import path of :mod:`carnet.verifier.adapters.django`."""

from carnet.verifier.adapters.django import (
    BearerMiddleware,
    DjangoUser,
    async_verifier,
    close,
    health,
    require_acr,
    require_age,
    require_role,
    require_scope,
    require_token,
    verifier,
)

__all__ = [
    "BearerMiddleware",
    "DjangoUser",
    "async_verifier",
    "close",
    "health",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
    "verifier",
]
