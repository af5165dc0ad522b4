"""The token endpoint (RFC 6749 section 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clients.clients import FIRST_PARTY_CLIENT, Client
from carnet.server.endpoints.token.grants.authorization_code import grant_authorization_code
from carnet.server.endpoints.token.grants.client_credentials import grant_client_credentials
from carnet.server.endpoints.token.grants.refresh import grant_refresh
from carnet.server.endpoints.token.grants.request import TokenRequest
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.cookie_mode import (
    cookie_mode,
    forget_tokens,
    held_refresh_token,
    token_response,
)
from carnet.server.web.dpop import NONCE_HEADER, new_nonce, prove_at_token_endpoint, use_proof
from carnet.server.web.requests import NO_STORE, RequestRefused, answer, read_form, refusal

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
    in_cookies = cookie_mode(request)
    if in_cookies:
        _take_from_cookie(request, form)
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
    proof = prove_at_token_endpoint(request)
    if client.metadata.dpop_bound_access_tokens and proof is None:
        raise RequestRefused("invalid_dpop_proof", "this client gets tokens with a DPoP proof only")
    if proof is not None and await _presents_something(service, form, client):
        await use_proof(service, proof)
    thumbprint = "" if proof is None else proof.thumbprint
    asked = TokenRequest(service, form, client, origin_of(request), thumbprint)
    if in_cookies:
        return await _refresh_cookies(request, asked)
    headers = {**NO_STORE, NONCE_HEADER: new_nonce(service)} if thumbprint else NO_STORE
    return answer(await grant(asked), headers=headers)


def _take_from_cookie(request: Request, form: dict[str, str]) -> None:
    if form.get("grant_type") != "refresh_token" or "refresh_token" in form:
        raise RequestRefused(
            "invalid_request",
            "with Carnet-Session: cookie the grant_type is refresh_token, and its token is the "
            "cookie's",
        )
    held = held_refresh_token(request)
    if held is None:
        raise RequestRefused("invalid_grant", "there is no cookie of a session: sign in")
    form["refresh_token"] = held


async def _presents_something(service: Service, form: dict[str, str], client: Client) -> bool:
    """Tell whether a client presents what it was given; the grant is what judges that further."""
    name = form["grant_type"]
    if name == "authorization_code":
        return await service.codes.is_known(form.get("code", ""), client)
    if name == "refresh_token":
        token = form.get("refresh_token", "")
        return await service.sessions.audience_and_scope(token, client.id) is not None
    # The client has proved who it is.
    return True


async def _refresh_cookies(request: Request, asked: TokenRequest) -> Response:
    try:
        content = await grant_refresh(asked)
    except RequestRefused as error:
        if error.code != "invalid_grant":
            raise
        return forget_tokens(request, refusal(error))
    return token_response(request, content)
