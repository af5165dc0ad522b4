"""The token endpoint (RFC 6749 section 3.2)."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.authentication import origin_of
from carnet.server.endpoints.tokens import check_resource, token_answer
from carnet.server.http import RequestRefused, answer, read_form
from carnet.server.metrics import REFRESHES
from carnet.server.service import Service
from carnet.server.sessions import RefreshRefused

__all__ = ["issue_token"]

_log = structlog.get_logger()


async def issue_token(request: Request) -> Response:
    """Answer a grant."""
    form = await read_form(request)
    match form.get("grant_type"):
        case "refresh_token":
            return await _refresh(request, form)
        case None:
            raise RequestRefused("invalid_request", "the parameter grant_type is missing")
        case _:
            raise RequestRefused("unsupported_grant_type", "the grant_type must be refresh_token")


async def _refresh(request: Request, form: dict[str, str]) -> Response:
    service: Service = request.app.state.service
    text = form.get("refresh_token")
    if text is None:
        raise RequestRefused("invalid_request", "the parameter refresh_token is missing")
    resource = form.get("resource")
    check_resource(service, resource)
    lifetime = _whole_seconds(form.get("expires_in"))
    origin = origin_of(request)
    try:
        grant = await service.sessions.refresh(text, origin)
    except RefreshRefused as error:
        REFRESHES.labels(error.code).inc()
        _log.info("refresh_refused", reason=error.code, address=origin.address)
        # Which check failed is for the operator: telling it here would help a thief.
        raise RequestRefused(
            "invalid_grant", "the refresh token is not good any more; sign in again"
        ) from None
    REFRESHES.labels("accepted").inc()
    return answer(token_answer(service, grant, resource, lifetime))


def _whole_seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise RequestRefused("invalid_request", "expires_in must be a whole number of seconds")
    return int(text)
