"""The grant of what another issuer says (RFC 7523 section 2.1): the table by the assertion's type.

Nobody has verified the type when it is looked up; what it leads to verifies it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request

from carnet.jwt.inspection import inspect
from carnet.server.endpoints.token.grants.accept_identity_assertion import (
    accept_identity_assertion,
)
from carnet.server.endpoints.token.grants.checks import required
from carnet.server.tokens.identity_assertions import IDENTITY_ASSERTION_TYPE
from carnet.server.web.requests import RequestRefused

__all__ = ["grant_jwt_bearer"]

_ASSERTIONS: Final[dict[str, Callable[[Request, dict[str, str]], Awaitable[dict[str, Any]]]]] = {
    IDENTITY_ASSERTION_TYPE: accept_identity_assertion,
}


async def grant_jwt_bearer(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Give a token for what another issuer says."""
    said = inspect(required(form, "assertion")).header.get("typ")
    accept = _ASSERTIONS.get(said) if isinstance(said, str) else None
    if accept is None:
        raise RequestRefused(
            "invalid_grant", f"the assertion's typ must be one of: {', '.join(_ASSERTIONS)}"
        )
    return await accept(request, form)
