"""The grant that exchanges a code for a session (RFC 6749 section 4.1.3, RFC 7636)."""

from __future__ import annotations

import re
from typing import Any, Final

import structlog

from carnet.server.endpoints.token.answer import token_answer
from carnet.server.endpoints.token.grants.request import (
    TokenRequest,
    choose_audience,
    choose_scope,
    whole_seconds,
)
from carnet.server.oauth.authorization_codes import CodeRefused
from carnet.server.web.requests import RequestRefused

__all__ = ["grant_authorization_code"]

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")

_log = structlog.get_logger()


async def grant_authorization_code(asked: TokenRequest) -> dict[str, Any]:
    """Exchange a code for an access token, with an ID token and a refresh token where due."""
    service, client = asked.service, asked.client
    code, verifier = asked.required("code"), asked.required("code_verifier")
    if _VERIFIER.fullmatch(verifier) is None:
        raise RequestRefused(
            "invalid_request", "the code_verifier must be 43 to 128 of A-Z a-z 0-9 - . _ ~"
        )
    lifetime = whole_seconds(asked.form.get("expires_in"))
    try:
        presented = await service.codes.read(
            code,
            client,
            redirect_uri=asked.form.get("redirect_uri"),
            verifier=verifier,
            key_thumbprint=asked.key_thumbprint,
            origin=asked.origin,
        )
        # What can't be given is refused while the code is still good.
        request = presented.request
        audience = choose_audience(asked, request.audience, bound=True)
        scope = choose_scope(asked, request.scope, audience)
        if request.scope and not scope:
            raise RequestRefused("invalid_scope", "nothing of what was granted is left")
        grant, account, nonce = await service.codes.exchange(
            presented, client, asked.key_thumbprint, asked.origin
        )
    except CodeRefused as error:
        _log.info("code_refused", reason=error.code, address=asked.origin.address)
        # Which check failed is for the operator: telling it here would help a thief.
        raise RequestRefused(
            "invalid_grant", "the code is not good any more, or was given for another request"
        ) from None
    # The session keeps what was granted: what the client has less now, it may have again.
    grant = grant._replace(scope=scope)
    content = token_answer(service, grant, audience, lifetime, asked.key_thumbprint)
    if "openid" in scope.split():
        content["id_token"] = service.id_tokens.issue(
            grant, account, client, content["access_token"], nonce
        )
    if "refresh_token" not in client.metadata.grant_types:
        del content["refresh_token"]
    return content
