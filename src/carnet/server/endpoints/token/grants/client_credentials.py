"""The grant of programs that act for themselves (RFC 6749 section 4.4); no database is asked."""

from __future__ import annotations

from typing import Any

from carnet.server.endpoints.token.grants.request import (
    TokenRequest,
    choose_audience,
    choose_scope,
    whole_seconds,
)

__all__ = ["grant_client_credentials"]


async def grant_client_credentials(asked: TokenRequest) -> dict[str, Any]:
    """Give a client a token of its own, and no refresh token (RFC 6749 section 4.4.3)."""
    audience = choose_audience(asked)
    own, wanted = asked.client.metadata.scope, asked.form.get("scope")
    scope = choose_scope(asked, own, audience, wanted)
    claims = {"sub": asked.client.id, "client_id": asked.client.id}
    if scope:
        claims["scope"] = scope
    lifetime = whole_seconds(asked.form.get("expires_in"))
    token, span = asked.service.access_tokens.sign(claims, audience, lifetime, asked.key_thumbprint)
    answer = {
        "access_token": token,
        "token_type": "DPoP" if asked.key_thumbprint else "Bearer",
        "expires_in": span,
    }
    if scope:
        answer["scope"] = scope
    return answer
