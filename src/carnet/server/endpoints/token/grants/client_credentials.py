"""The grant of programs that act for themselves (RFC 6749 section 4.4)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from carnet.server.endpoints.token.grants.checks import check_grant
from carnet.server.endpoints.token.own_token import own_token
from carnet.server.web.client_authentication import authenticate

__all__ = ["grant_client_credentials"]


async def grant_client_credentials(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Give a client a token of its own."""
    client = await authenticate(request, form)
    check_grant(client, "client_credentials")
    return await own_token(request, form, client)
