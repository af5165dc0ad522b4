"""Offering a passkey to somebody who has signed in with a password alone.

The form of the sign-in says whether the browser can make one on the device itself, which takes a
script: without one nothing is offered. Whoever wants none now is not asked again for a while.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.factors.levels import PASSWORD
from carnet.server.pages.forms import HOME, Form, local_path
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import require_recent
from carnet.server.service import Service
from carnet.server.web.own_cookies import held_cookie, set_own_cookie
from carnet.server.web.passkey_sign_in import ask_for_passkey
from carnet.server.web.password_sign_in import SignedIn

__all__ = ["decline_passkey", "leading_to_offer", "show_passkey_offer"]

COOKIE: Final = "carnet-passkey"
LATER_SECONDS: Final = 60 * 86_400


async def leading_to_offer(
    request: Request, form: Form, signed_in: SignedIn, following: str
) -> str:
    """Give where to go on to: to the offer first, where there is one to make."""
    service: Service = request.app.state.service
    if not form["passkeys"] or signed_in.amr != PASSWORD or not service.factors.passkeys.available:
        return following
    if held_cookie(request, COOKIE):
        return following
    if await service.factors.kinds(signed_in.account.id):
        return following
    return f"/sign-in/new-passkey?{urlencode({'continue': following})}"


async def show_passkey_offer(request: Request) -> Response:
    """Offer a passkey."""
    service: Service = request.app.state.service
    session = await require_recent(request)
    following = local_path(request.query_params.get("continue", ""), HOME)
    ceremony = await ask_for_passkey(service, "new", session.account)
    if ceremony is None:
        return redirect(request, following)
    return render(request, "passkey_offer.html", following=following, ceremony=ceremony)


async def decline_passkey(request: Request) -> Response:
    """Go on without one, and remember with the browser not to ask for a while."""
    form = await Form.read(request)
    response = redirect(request, local_path(form["continue"], HOME))
    set_own_cookie(request, response, COOKIE, "later", LATER_SECONDS)
    return response
