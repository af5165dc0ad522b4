"""The grant that carries a session on (RFC 6749 section 6)."""

from __future__ import annotations

from typing import Any

import structlog

from carnet.server.endpoints.tokens import token_answer
from carnet.server.grants.request import (
    TokenRequest,
    choose_audience,
    choose_scope,
    whole_seconds,
)
from carnet.server.http import RequestRefused
from carnet.server.metrics import REFRESHES
from carnet.server.sessions import RefreshRefused

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
    if "resource" in asked.form:
        choose_audience(asked)
    if "scope" in asked.form:
        granted = await service.sessions.granted(text, client.id)
        if granted is not None:
            audience = choose_audience(asked, granted[1])
            choose_scope(asked, frozenset(granted[0].split()), audience)
    # A confidential client's refresh tokens are bound to the client (RFC 9449 section 5).
    bound_to = asked.key_thumbprint if client.metadata.is_public else ""
    try:
        grant = await service.sessions.refresh(text, asked.origin, client.id, bound_to)
    except RefreshRefused as error:
        REFRESHES.labels(error.code).inc()
        _log.info("refresh_refused", reason=error.code, address=asked.origin.address)
        # Which check failed is for the operator: telling it here would help a thief.
        raise RequestRefused(
            "invalid_grant", "the refresh token is not good any more; sign in again"
        ) from None
    ACCEPTED.inc()
    audience = choose_audience(asked, grant.audience)
    scope = choose_scope(asked, frozenset(grant.scope.split()), audience)
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
