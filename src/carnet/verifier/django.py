"""The documented import path of :mod:`carnet.verifier.adapters.django`."""

from carnet.verifier.adapters.django import (
    BearerMiddleware,
    DjangoUser,
    async_verifier,
    close,
    health,
    metadata_path,
    require_acr,
    require_age,
    require_role,
    require_scope,
    require_token,
    resource,
    verifier,
)

__all__ = [
    "BearerMiddleware",
    "DjangoUser",
    "async_verifier",
    "close",
    "health",
    "metadata_path",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
    "resource",
    "verifier",
]
