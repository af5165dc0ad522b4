"""The token endpoint (RFC 6749 section 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.authentication import origin_of
from carnet.server.client_authentication import authenticate
from carnet.server.clients import FIRST_PARTY_CLIENT
from carnet.server.grants.authorization_code import grant_authorization_code
from carnet.server.grants.client_credentials import grant_client_credentials
from carnet.server.grants.refresh import grant_refresh
from carnet.server.grants.request import TokenRequest
from carnet.server.http import RequestRefused, answer, read_form
from carnet.server.service import Service

__all__ = ["GRANTS", "issue_token"]

GRANTS: Final[dict[str, Callable[[TokenRequest], Awaitable[dict[str, Any]]]]] = {
    "authorization_code": grant_authorization_code,
    "client_credentials": grant_client_credentials,
    "refresh_token": grant_refresh,
}


async def issue_token(request: Request) -> Response:
    """Answer a grant."""
    service: Service = request.app.state.service
    form = await read_form(request)
    name = form.get("grant_type")
    if name is None:
        raise RequestRefused("invalid_request", "the parameter grant_type is missing")
    grant = GRANTS.get(name)
    if grant is None:
        raise RequestRefused(
            "unsupported_grant_type", f"the grant_type must be one of: {', '.join(GRANTS)}"
        )
    client = await authenticate(request, form)
    if name not in client.metadata.grant_types:
        if client is FIRST_PARTY_CLIENT:
            raise RequestRefused("invalid_client", f"the grant {name} needs a client", 401)
        raise RequestRefused("unauthorized_client", f"this client may not use the grant {name}")
    asked = TokenRequest(service, form, client, origin_of(request), "")
    return answer(await grant(asked))
