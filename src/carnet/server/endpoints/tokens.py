"""The tokens that a session is given, at sign-in and at each refresh alike."""

from __future__ import annotations

from typing import Any

from carnet.server.http import RequestRefused
from carnet.server.service import Service
from carnet.server.sessions import Grant

__all__ = ["check_resource", "token_answer"]


def check_resource(service: Service, resource: str | None) -> None:
    """Check that an audience is one of the service's (RFC 8707 section 2).

    Raises:
        RequestRefused: ``invalid_target``.
    """
    if resource is not None and resource not in service.settings.audiences:
        raise RequestRefused(
            "invalid_target",
            f"the resource must be one of: {', '.join(service.settings.audiences)}",
        )


def token_answer(
    service: Service, grant: Grant, resource: str | None, lifetime: int | None
) -> dict[str, Any]:
    """Make the answer that carries a session's tokens (RFC 6749 section 5.1)."""
    token, span = service.access_tokens.issue(grant, resource or grant.audience, lifetime)
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": span,
        "refresh_token": grant.refresh_token,
        "session_id": grant.session_id,
    }
