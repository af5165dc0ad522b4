"""All that administrators can ask over HTTP."""

from __future__ import annotations

from typing import Final

from carnet.server.endpoints.account_administration import ACCOUNT_OPERATIONS
from carnet.server.endpoints.client_administration import CLIENT_OPERATIONS
from carnet.server.endpoints.factors import FACTOR_OPERATIONS
from carnet.server.endpoints.identities import IDENTITY_OPERATIONS
from carnet.server.endpoints.merging import MERGING_OPERATIONS
from carnet.server.endpoints.recovery import RECOVERY_OPERATIONS

__all__ = ["ALL_OPERATIONS"]

ALL_OPERATIONS: Final = (
    *CLIENT_OPERATIONS,
    *ACCOUNT_OPERATIONS,
    *FACTOR_OPERATIONS,
    *IDENTITY_OPERATIONS,
    *RECOVERY_OPERATIONS,
    *MERGING_OPERATIONS,
)
"""Each with its method, its path and the shapes of what goes in and out."""
