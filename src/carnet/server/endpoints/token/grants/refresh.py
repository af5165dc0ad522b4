"""The grant that carries a session on (RFC 6749 section 6)."""

from __future__ import annotations

from typing import Any

import structlog

from carnet.server.endpoints.token.answer import token_answer
from carnet.server.endpoints.token.grants.request import (
    TokenRequest,
    choose_audience,
    choose_scope,
    whole_seconds,
)
from carnet.server.metrics import REFRESHES
from carnet.server.sessions.sessions import RefreshRefused
from carnet.server.web.requests import RequestRefused

__all__ = ["grant_refresh"]

ACCEPTED = REFRESHES.labels("accepted")

_log = structlog.get_logger()


async def grant_refresh(asked: TokenRequest) -> dict[str, Any]:
    """Exchange a refresh token of the client's for its successor and an access token."""
    service, client = asked.service, asked.client
    text = asked.required("refresh_token")
    lifetime = whole_seconds(asked.form.get("expires_in"))
    # What can't be given is refused before the token is used: a client that asks better the next
    # time still has it.
    chosen = None
    if "resource" in asked.form or "scope" in asked.form:
        granted = await service.sessions.audience_and_scope(text, client.id)
        if granted is not None:
            chosen = _choose(asked, *granted)
    # A confidential client's refresh tokens are bound to the client (RFC 9449 section 5).
    bound_to = asked.key_thumbprint if client.metadata.is_public else ""
    try:
        grant = await service.sessions.refresh(text, asked.origin, client.id, bound_to)
    except RefreshRefused as error:
        raise _refuse(asked, error.code) from None
    if chosen is None:
        try:
            chosen = _choose(asked, grant.audience, grant.scope)
        except RequestRefused:
            # The client has nothing of it any more, whatever it asks for: not this resource, or no
            # scope. What is left would be a session without a token.
            await service.sessions.end(grant.session_id, "grant_withdrawn", asked.origin)
            raise _refuse(asked, "withdrawn") from None
    audience, scope = chosen
    ACCEPTED.inc()
    if scope != grant.scope:
        grant = grant._replace(scope=scope)
    content = token_answer(service, grant, audience, lifetime, asked.key_thumbprint)
    if "openid" in scope.split():
        account = await service.accounts.by_id(grant.account_id)
        if account is not None:
            # Without the nonce, which belongs to the request of the code (OpenID Connect Core
            # section 12.2).
            content["id_token"] = service.id_tokens.issue(
                grant, account, client, content["access_token"]
            )
    return content


def _choose(asked: TokenRequest, audience: str, scope: str) -> tuple[str, str]:
    """Choose audience and scope of an access token, among what was granted to the session."""
    # A person let the client in to one resource. Nobody is asked about first-party ones: to these
    # the session's resource is a default, and any of their own will do.
    bound = not asked.client.metadata.first_party
    is_own = audience in asked.service.registry.audiences_of(asked.client)
    chosen = choose_audience(asked, audience if bound or is_own else None, bound=bound)
    left = choose_scope(asked, scope, chosen, asked.form.get("scope"))
    if scope and not left:
        raise RequestRefused("invalid_scope", "nothing of what is granted is for this resource")
    return chosen, left


def _refuse(asked: TokenRequest, reason: str) -> RequestRefused:
    REFRESHES.labels(reason).inc()
    _log.info("refresh_refused", reason=reason, address=asked.origin.address)
    # Which check failed is for the operator: telling it here would help a thief.
    text = "the refresh token is not good any more; sign in again"
    return RequestRefused("invalid_grant", text)
