"""The documented import path of :mod:`carnet.verifier.adapters.starlette`."""

from carnet.verifier.adapters.starlette import (
    BearerBackend,
    BearerRefused,
    StarletteUser,
    on_error,
    refused,
    require_acr,
    require_age,
    require_role,
    require_scope,
    require_token,
    route_of,
)

__all__ = [
    "BearerBackend",
    "BearerRefused",
    "StarletteUser",
    "on_error",
    "refused",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
    "route_of",
]
