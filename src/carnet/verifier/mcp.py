"""The documented import path of :mod:`carnet.verifier.adapters.mcp`."""

from carnet.verifier.adapters.mcp import (
    BearerAccessToken,
    BearerAuth,
    current_claims,
    current_typed_claims,
)

__all__ = ["BearerAccessToken", "BearerAuth", "current_claims", "current_typed_claims"]
