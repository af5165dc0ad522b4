"""The grant that exchanges a code for a session (RFC 6749 section 4.1.3, RFC 7636)."""

from __future__ import annotations

import re
from typing import Any, Final

import structlog
from starlette.requests import Request

from carnet.server.endpoints.token.answer import token_answer
from carnet.server.endpoints.token.grants.checks import (
    check_grant,
    choose_audience,
    choose_scope,
    required,
    whole_seconds,
)
from carnet.server.oauth.authorization_codes import CodeRefused
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof
from carnet.server.web.requests import RequestRefused

__all__ = ["grant_authorization_code"]

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")

_log = structlog.get_logger()


async def grant_authorization_code(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Exchange a code for an access token, with an ID token and a refresh token where due."""
    service: Service = request.app.state.service
    client = await authenticate(request, form)
    check_grant(client, "authorization_code")
    proof = prove_at_token_endpoint(request, client)
    thumbprint = "" if proof is None else proof.thumbprint
    code, verifier = required(form, "code"), form.get("code_verifier")
    if client.metadata.require_pkce and client.metadata.profile is None:
        # For a profile a missing one is as a wrong one: the code is looked at, and is not good.
        verifier = required(form, "code_verifier")
    if verifier is not None and _VERIFIER.fullmatch(verifier) is None:
        raise RequestRefused(
            "invalid_request", "the code_verifier must be 43 to 128 of A-Z a-z 0-9 - . _ ~"
        )
    lifetime = whole_seconds(form.get("expires_in"))
    origin = origin_of(request)

    try:
        presented = await service.codes.read(code, client)
        if proof is not None:
            # Before the code is judged: a request that is sent twice is refused for its proof, and
            # does not end the session as a code in two hands does.
            await use_proof(service, proof)
        await service.codes.check(presented, form.get("redirect_uri"), verifier, thumbprint, origin)
        # What can't be given is refused while the code is still good.
        granted = presented.request
        audience = choose_audience(
            service, client, form.get("resource"), granted.audience, bound=True
        )
        scope = choose_scope(service, client, audience, granted.scope)
        if granted.scope and not scope:
            raise RequestRefused("invalid_scope", "none of the granted scopes is allowed any more")
        grant, account, nonce = await service.codes.exchange(presented, client, thumbprint, origin)
    except CodeRefused as error:
        _log.info("code_refused", reason=error.code, address=origin.address)
        # Which check failed is for the operator: telling it here would help a thief.
        raise RequestRefused(
            "invalid_grant", "the code has expired, was used already, or belongs to another request"
        ) from None

    if client.unregistered:
        await service.registry.unregistered.note_use(client)
    # The session keeps what was granted: what the client has less now, it may have again.
    grant = grant._replace(scope=scope)
    content = token_answer(service, grant, audience, lifetime, thumbprint)
    if "openid" in scope.split():
        content["id_token"] = await service.id_tokens.issue(
            grant, account, client, content["access_token"], nonce
        )
    if "refresh_token" not in client.metadata.grant_types:
        del content["refresh_token"]
    return content
