"""The token endpoint (RFC 6749 section 3.2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.endpoints.tokens import check_resource, token_answer
from carnet.server.http import RequestRefused, answer, read_form
from carnet.server.service import Service
from carnet.server.sessions import RefreshRefused

__all__ = ["issue_token"]


async def issue_token(request: Request) -> Response:
    """Answer a grant."""
    service: Service = request.app.state.service
    form = await read_form(request)
    match form.get("grant_type"):
        case "refresh_token":
            return await _refresh(service, form)
        case None:
            raise RequestRefused("invalid_request", "the parameter grant_type is missing")
        case _:
            raise RequestRefused("unsupported_grant_type", "the grant_type must be refresh_token")


async def _refresh(service: Service, form: dict[str, str]) -> Response:
    text = form.get("refresh_token")
    if text is None:
        raise RequestRefused("invalid_request", "the parameter refresh_token is missing")
    resource = form.get("resource")
    check_resource(service, resource)
    lifetime = _whole_seconds(form.get("expires_in"))
    try:
        grant = await service.sessions.refresh(text)
    except RefreshRefused:
        # Which check failed is for the operator: telling it here would help a thief.
        raise RequestRefused(
            "invalid_grant", "the refresh token is not good any more; sign in again"
        ) from None
    return answer(token_answer(service, grant, resource, lifetime))


def _whole_seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise RequestRefused("invalid_request", "expires_in must be a whole number of seconds")
    return int(text)
