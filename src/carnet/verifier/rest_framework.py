"""The documented import path of :mod:`carnet.verifier.adapters.rest_framework`."""

from carnet.verifier.adapters.rest_framework import (
    BearerAuthentication,
    BearerRefused,
    HasRole,
    HasScope,
    TokenRequired,
    close,
    health,
    metadata_path,
    require_acr,
    require_age,
    require_role,
    require_scope,
)

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
