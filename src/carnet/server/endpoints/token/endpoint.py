"""The token endpoint (RFC 6749 section 3.2): the table of grants, each with a file of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clients.clients import DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE
from carnet.server.endpoints.token.grants.authorization_code import grant_authorization_code
from carnet.server.endpoints.token.grants.client_credentials import grant_client_credentials
from carnet.server.endpoints.token.grants.device_code import grant_device_code
from carnet.server.endpoints.token.grants.jwt_bearer import grant_jwt_bearer
from carnet.server.endpoints.token.grants.refresh import grant_refresh, refresh_in_cookies
from carnet.server.endpoints.token.grants.token_exchange import grant_token_exchange
from carnet.server.web.cookie_mode import cookie_mode
from carnet.server.web.dpop import NONCE_HEADER, new_nonce
from carnet.server.web.requests import NO_STORE, RequestRefused, answer, read_form

__all__ = ["GRANTS", "issue_token"]

GRANTS: Final[dict[str, Callable[[Request, dict[str, str]], Awaitable[dict[str, Any]]]]] = {
    "authorization_code": grant_authorization_code,
    "client_credentials": grant_client_credentials,
    "refresh_token": grant_refresh,
    TOKEN_EXCHANGE: grant_token_exchange,
    DEVICE_CODE: grant_device_code,
    JWT_BEARER: grant_jwt_bearer,
}


async def issue_token(request: Request) -> Response:
    """Answer a grant."""
    form = await read_form(request)
    if cookie_mode(request):
        return await refresh_in_cookies(request, form)
    name = form.get("grant_type")
    if name is None:
        raise RequestRefused("invalid_request", "the parameter grant_type is missing")
    grant = GRANTS.get(name)
    if grant is None:
        raise RequestRefused(
            "unsupported_grant_type", f"the grant_type must be one of: {', '.join(GRANTS)}"
        )
    content = await grant(request, form)
    if content["token_type"] == "DPoP":
        # The next proof has its nonce without being refused first (RFC 9449 section 8.2).
        headers = {**NO_STORE, NONCE_HEADER: new_nonce(request.app.state.service)}
        return answer(content, headers=headers)
    return answer(content)
