"""The documented import path of :mod:`carnet.verifier.adapters.grpc`."""

from carnet.verifier.adapters.grpc import (
    AsyncBearerInterceptor,
    BearerInterceptor,
    current_claims,
    current_typed_claims,
)

__all__ = ["AsyncBearerInterceptor", "BearerInterceptor", "current_claims", "current_typed_claims"]
