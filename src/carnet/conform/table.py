"""The table of all checks, in the order in which they run."""

from __future__ import annotations

from typing import Final

from carnet.conform.checks import (
    assertions,
    authorization,
    code_flow,
    discovery,
    dpop,
    introspection,
    keys,
    pages,
    pushed,
    redirects,
    registration,
    signed_in,
    token_endpoint,
    tokens,
    transport,
)
from carnet.conform.findings import Check

__all__ = ["CHECKS"]

CHECKS: Final[tuple[Check, ...]] = (
    *discovery.CHECKS,
    *keys.CHECKS,
    *transport.CHECKS,
    *token_endpoint.CHECKS,
    *authorization.CHECKS,
    *redirects.CHECKS,
    *registration.CHECKS,
    *pages.CHECKS,
    *introspection.CHECKS,
    *pushed.CHECKS,
    *tokens.CHECKS,
    *assertions.CHECKS,
    *dpop.CHECKS,
    *code_flow.CHECKS,
    *signed_in.CHECKS,
    *code_flow.SPOILING,
    *registration.LAST,
)
