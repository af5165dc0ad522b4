"""Where a browser binds its session to a device, and comes for the next cookie."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.service import Service
from carnet.server.sessions.sessions import BROWSER
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import check_same_origin, current, forget
from carnet.server.web.device_bound import (
    BoundKey,
    bind,
    challenge_for,
    held_key,
    held_session,
    instructions,
    is_bound,
    prove,
)
from carnet.server.web.requests import RequestRefused, answer, header_values

__all__ = ["keep_session_fresh"]


async def keep_session_fresh(request: Request) -> Response:
    """Bind a session that has just begun, or give a bound one its next cookie."""
    check_same_origin(request)
    if header_values(request, b"sec-secure-session-id"):
        return await _refresh(request)
    service: Service = request.app.state.service
    session = await current(request)
    # One that is bound already stays with its key.
    if session is None or is_bound(request) or not service.settings.device_bound_sessions:
        raise RequestRefused("sign_in_needed", "sign in with a browser first", 403)
    key = await prove(request, session.session_id, None)
    response = answer(instructions(service, session.session_id))
    bind(request, response, session.session_id, held_session(request), key, is_sole=False)
    return response


async def _refresh(request: Request) -> Response:
    service: Service = request.app.state.service
    held = held_key(request)
    if held is None:
        return _over(request)
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
    """Tell the browser that there is nothing to keep fresh any more."""
    response = answer({"continue": False})
    forget(request, response)
    return response
