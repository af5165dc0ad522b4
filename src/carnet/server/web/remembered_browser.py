"""The cookie of a browser with which its owner is not asked for a second factor."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.accounts.account_record import Account
from carnet.server.factors.levels import PASSWORD, acr_of, demanded_of, reaches
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.own_cookies import held_cookie, set_own_cookie

__all__ = ["may_be_remembered", "remember_browser", "remembered_secret"]

COOKIE: Final = "carnet-remembered"


def may_be_remembered(service: Service, account: Account) -> bool:
    """Tell whether it makes a difference: a role that demands a second factor asks every time."""
    demanded = demanded_of(account.roles, service.settings)
    return bool(service.remembered_browsers.seconds) and reaches(acr_of(PASSWORD), demanded)


async def remember_browser(request: Request, response: Response, account: Account) -> None:
    """Remember the browser of somebody who has just proved a second factor."""
    service: Service = request.app.state.service
    if not may_be_remembered(service, account):
        return
    secret = await service.remembered_browsers.remember(account, origin_of(request))
    if secret:
        seconds = service.remembered_browsers.seconds
        set_own_cookie(request, response, COOKIE, b64url_encode(secret), seconds)


def remembered_secret(request: Request) -> bytes:
    """Give what a browser shows to be one that is remembered, or nothing."""
    text = held_cookie(request, COOKIE)
    try:
        return b64url_decode(text, "the cookie") if len(text) <= 64 else b""
    except InvalidToken:
        return b""
