"""The cookie of a browser with which its owner is not asked for a second factor."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.browser.cookies import read_cookie
from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.accounts.account_record import Account
from carnet.server.factors.levels import PASSWORD, acr_of, demanded_of, reaches
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.requests import header_values

__all__ = ["may_be_remembered", "remember_browser", "remembered_secret"]


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
        is_secure = service.settings.own_url.startswith("https://")
        response.set_cookie(
            _cookie(service),
            b64url_encode(secret),
            max_age=service.remembered_browsers.seconds,
            path="/",
            secure=is_secure,
            httponly=True,
            samesite="lax",
        )


def remembered_secret(request: Request) -> bytes:
    """Give what a browser shows to be one that is remembered, or nothing."""
    text = read_cookie(header_values(request, b"cookie"), _cookie(request.app.state.service)) or ""
    try:
        return b64url_decode(text, "the cookie") if len(text) <= 64 else b""
    except InvalidToken:
        return b""


def _cookie(service: Service) -> str:
    # Browsers refuse the prefix on a connection without TLS, which only loopback may use.
    is_secure = service.settings.own_url.startswith("https://")
    return "__Host-carnet-remembered" if is_secure else "carnet-remembered"
