"""The tokens that a session is given, at sign-in and at each refresh alike."""

from __future__ import annotations

from typing import Any

from carnet.server.clients.clients import FIRST_PARTY_CLIENT
from carnet.server.service import Service
from carnet.server.sessions.sessions import Grant
from carnet.server.web.requests import RequestRefused

__all__ = ["first_audience", "token_answer"]


def first_audience(service: Service, resource: str | None) -> str:
    """Choose what the tokens of a session that begins here are for (RFC 8707 section 2).

    Args:
        service: the service.
        resource: what is asked for, or None for the first of the setting audiences.

    Raises:
        RequestRefused: ``invalid_target``.
    """
    audiences = service.registry.audiences_of(FIRST_PARTY_CLIENT)
    audience = service.registry.spelled(resource or service.settings.audiences[0])
    if resource is not None and audience not in audiences:
        raise RequestRefused(
            "invalid_target", f"the resource must be one of: {', '.join(audiences)}"
        )
    return audience


def token_answer(
    service: Service,
    grant: Grant,
    resource: str | None,
    lifetime: int | None,
    key_thumbprint: str = "",
) -> dict[str, Any]:
    """Make the answer that carries a session's tokens (RFC 6749 section 5.1).

    Args:
        service: the service.
        grant: the session.
        resource: what the access token is for; by default what the session is.
        lifetime: seconds that the access token shall be good for, at most the setting.
        key_thumbprint: of the key that the access token is bound to, or "".
    """
    token, span = service.access_tokens.issue(
        grant, resource or grant.audience, lifetime, key_thumbprint
    )
    content = {
        "access_token": token,
        "token_type": "DPoP" if key_thumbprint else "Bearer",
        "expires_in": span,
        "refresh_token": grant.refresh_token,
        "session_id": grant.session_id,
    }
    if grant.scope:
        content["scope"] = grant.scope
    return content
