"""Where a browser binds its session to a device, and comes for the next cookie."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.service import Service
from carnet.server.sessions.sessions import BROWSER
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import check_same_origin, current
from carnet.server.web.device_bound import (
    BoundKey,
    bind,
    challenge_for,
    forget_binding,
    held_key,
    held_session,
    instructions,
    is_bound,
    prove,
)
from carnet.server.web.requests import RequestRefused, answer, header_values

__all__ = ["keep_session_fresh"]

OVER: Final = {"continue": False}
"""Tells the browser that there is nothing to keep fresh any more."""


async def keep_session_fresh(request: Request) -> Response:
    """Bind a session that has just begun, or give a bound one its next cookie."""
    check_same_origin(request)
    for session_id in header_values(request, b"sec-secure-session-id"):
        return await _refresh(request, session_id.strip('"'))
    service: Service = request.app.state.service
    session = await current(request)
    # One that is bound already stays with its key.
    if session is None or is_bound(request):
        raise RequestRefused("sign_in_needed", "sign in with a browser first", 403)
    key = await prove(request, session.session_id, None)
    response = answer(instructions(service, session.session_id))
    bind(request, response, session.session_id, held_session(request), key, is_sole=False)
    return response


async def _refresh(request: Request, session_id: str) -> Response:
    service: Service = request.app.state.service
    held = held_key(request)
    if held is None or held[0].session_id != session_id:
        # Somebody else has signed in with the browser since.
        return answer(OVER)
    kept, token = held
    session = await service.sessions.by_token(
        token, BROWSER, origin_of(request).address, any_generation=True
    )
    if session is None:
        return _over(request)
    if not header_values(request, b"secure-session-response"):
        return _challenge(service, kept)
    try:
        await prove(request, kept.session_id, kept.key)
    except RequestRefused:
        return _challenge(service, kept)
    if not kept.is_sole:
        origin = origin_of(request, session.account.id)
        renewed = await service.sessions.renew(
            *(token, session.account, BROWSER, origin),
            *(session.amr, session.authenticated_at, session.identified),
        )
        if renewed is None:
            return _over(request)
        token = renewed.token
    response = answer(instructions(service, kept.session_id))
    bind(request, response, kept.session_id, token, kept.key, is_sole=True)
    return response


def _challenge(service: Service, kept: BoundKey) -> Response:
    challenge = challenge_for(service, kept.session_id)
    headers = {"Secure-Session-Challenge": f'"{challenge}";id="{kept.session_id}"'}
    return answer({"error": "device_proof_invalid"}, 403, {"Cache-Control": "no-store", **headers})


def _over(request: Request) -> Response:
    response = answer(OVER)
    forget_binding(request, response)
    return response
