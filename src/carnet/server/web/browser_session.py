"""The session of a browser that somebody has signed in with, on the service's own pages.

It is a session like any other, with a client of its own that can't ask for tokens. The cookie holds
what a refresh token holds, and is not rotated: it never leaves the browser's cookie store, and no
script can read it. A browser that can may bind it to its device (``device_bound``).
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from carnet.browser.headers import joined
from carnet.browser.origin import comes_from_own_pages
from carnet.server.accounts.accounts import Account
from carnet.server.accounts.throttle import giving_back
from carnet.server.service import Service
from carnet.server.sessions.session_record import HERE, Identified
from carnet.server.sessions.sessions import BROWSER, NewSession
from carnet.server.web.bearer import origin_of
from carnet.server.web.device_bound import (
    forget_binding,
    held_session,
    is_bound,
    offer_binding,
)
from carnet.server.web.own_cookies import SESSION, forget_cookie, set_own_cookie
from carnet.server.web.password_sign_in import SignedIn, account_changing
from carnet.server.web.requests import RequestRefused
from carnet.server.web.session_begin import (
    begin_session_of,
    check_at_provider,
    is_over_at_provider,
)

__all__ = [
    "BrowserSession",
    "begin",
    "check_same_origin",
    "current",
    "end",
    "forget",
]


class BrowserSession(NamedTuple):
    """Who is signed in with a browser.

    Attributes:
        session_id: of the browser's session.
        account: who it is.
        authenticated_at: when the password was given, in microseconds since 1970.
        amr: how that one has signed in, names of RFC 8176 with spaces between them.
        identified: which provider has said who it is.
    """

    session_id: str
    account: Account
    authenticated_at: int
    amr: str
    identified: Identified = HERE


async def current(request: Request) -> BrowserSession | None:
    """Give the session of the browser that sends a request, or None where nobody is signed in."""
    service: Service = request.app.state.service
    text = held_session(request)
    if not text:
        return None
    found = await service.sessions.by_token(
        text, BROWSER, origin_of(request).address, any_generation=is_bound(request)
    )
    return None if found is None else BrowserSession(*found)


async def begin(
    request: Request, signed_in: SignedIn, response: Response, *, is_new_device: bool = False
) -> BrowserSession:
    """Sign an account in with this browser, by a cookie in the response.

    An account that was signed in with it already keeps its session, and so the applications that
    it has signed in to by that; the cookie is another one all the same. Somebody else's session
    ends.

    Args:
        request: the request.
        signed_in: who.
        response: which gets the cookie.
        is_new_device: whether its owner is told by mail.

    Raises:
        SignInRefused: ``account_changing``, where the account has changed since it was read, or
            where the session at the provider that has named it is over.
    """
    service: Service = request.app.state.service
    origin = origin_of(request)
    before = held_session(request)
    account, amr, authenticated_at, identified, attempts = signed_in
    if await is_over_at_provider(service, identified):
        raise account_changing()
    renewed = await service.sessions.renew(
        before, account, BROWSER, origin, amr, authenticated_at, identified, giving_back(attempts)
    )
    if renewed is not None:
        await check_at_provider(service, identified, renewed.session_id, origin)
        _set_cookie(request, response, renewed.token, renewed.session_id)
        return BrowserSession(
            renewed.session_id, account, renewed.authenticated_at, amr, identified
        )
    new_session = NewSession(BROWSER, service.settings.audiences[0])
    grant = await begin_session_of(
        service, signed_in, new_session, origin, is_new_device=is_new_device
    )
    await service.sessions.end_by_refresh_token(before, "signed_in_again", origin, BROWSER)
    _set_cookie(request, response, grant.refresh_token, grant.session_id)
    return BrowserSession(grant.session_id, account, authenticated_at, amr, identified)


def _set_cookie(request: Request, response: Response, token: str, session_id: str) -> None:
    service: Service = request.app.state.service
    set_own_cookie(request, response, SESSION, token, service.settings.session_lifetime)
    offer_binding(request, response, session_id)


async def end(request: Request, response: Response) -> None:
    """Sign the browser out: end its session, with those granted in it, and forget its cookie."""
    service: Service = request.app.state.service
    session = await current(request)
    if session is not None:
        origin = origin_of(request, session.account.id)
        await service.sessions.end(session.session_id, "signed_out", origin)
    else:
        # Where the answer to a sign-in was lost, the cookie is the one from before it.
        origin = origin_of(request)
        await service.sessions.end_by_refresh_token(
            held_session(request), "signed_out", origin, BROWSER
        )
    forget(request, response)


def forget(request: Request, response: Response) -> None:
    """Take the cookie away."""
    forget_cookie(request, response, SESSION)
    forget_binding(request, response)


def check_same_origin(request: Request) -> None:
    """Refuse what another site's page sends, by Fetch Metadata, or else by the Origin header.

    Raises:
        RequestRefused: ``cross_site``, with 403.
    """
    service: Service = request.app.state.service
    parts = urlsplit(service.settings.own_url)
    headers = joined(request.headers.items())
    # As if it were a POST: whatever the method, nothing else may send this.
    allowed = comes_from_own_pages("POST", headers, f"{parts.scheme}://{parts.netloc}")
    if not allowed:
        raise RequestRefused("cross_site", "this can only be sent from a page of this service", 403)
