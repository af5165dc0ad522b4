"""The documented import path of :mod:`carnet.verifier.adapters.asgi`."""

from carnet.verifier.adapters.asgi import (
    CLOSED,
    BearerMiddleware,
    MetadataEndpoint,
    answer,
    can_be_denied,
    credentials,
    current_claims,
    current_typed_claims,
    given,
    is_preflight,
    pass_preflight,
)

__all__ = [
    "CLOSED",
    "BearerMiddleware",
    "MetadataEndpoint",
    "answer",
    "can_be_denied",
    "credentials",
    "current_claims",
    "current_typed_claims",
    "given",
    "is_preflight",
    "pass_preflight",
]
