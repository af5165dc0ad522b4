"""What pages demand of whoever opens them: to be signed in with the browser, or to administer."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from carnet.server.clock import SECOND
from carnet.server.factors.levels import PASSWORD, acr_of, demanded_of, reaches
from carnet.server.service import Service
from carnet.server.web.browser_session import BrowserSession, current
from carnet.server.web.requests import RequestRefused

__all__ = ["is_recent", "require_administrator", "require_recent", "require_session"]

RECENT_SECONDS: Final = 600


async def require_session(request: Request) -> BrowserSession:
    """Give the session of whoever is signed in.

    Raises:
        RequestRefused: ``sign_in_needed``, which is answered by the sign-in page.
    """
    session = await current(request)
    if session is None:
        raise RequestRefused("sign_in_needed", "sign in with a browser first", 401)
    return session


async def require_recent(request: Request) -> BrowserSession:
    """Give the session of somebody who has signed in some minutes ago, with all that there is.

    Raises:
        RequestRefused: as ``require_session``; ``recent_sign_in_needed``, which is answered by the
            sign-in page, too; and ``second_factor_needed``, by the page that asks for that alone.
    """
    session = await require_session(request)
    await _check_recent(request, session)
    return session


async def _check_recent(request: Request, session: BrowserSession) -> None:
    service: Service = request.app.state.service
    if not is_recent(request, session):
        raise RequestRefused("recent_sign_in_needed", "sign in again first", 401)
    if acr_of(session.amr) == acr_of(PASSWORD):
        factors = await service.factors.of_account(session.account.id)
        # It was there at the sign-in, and was not asked for: the browser is remembered.
        if any(one.created_at < session.authenticated_at for one in factors):
            raise RequestRefused("second_factor_needed", "use your second factor first", 401)


def is_recent(request: Request, session: BrowserSession) -> bool:
    """Tell whether somebody has signed in some minutes ago."""
    service: Service = request.app.state.service
    return service.clock() < session.authenticated_at + RECENT_SECONDS * SECOND


async def require_administrator(request: Request) -> BrowserSession:
    """Give the session of an administrator; what changes something needs a recent one.

    Raises:
        RequestRefused: as ``require_session``, and 403 where the role is missing; for a form that
            was sent, as ``require_recent``.
    """
    service: Service = request.app.state.service
    session = await require_session(request)
    role = service.settings.admin_role
    if role not in session.account.roles:
        raise RequestRefused("insufficient_scope", f"this needs the role {role}", 403)
    if not reaches(acr_of(session.amr), demanded_of(session.account.roles, service.settings)):
        # The rule is newer than the sign-in.
        raise RequestRefused("sign_in_needed", "sign in with a second factor first", 401)
    if request.method == "POST":
        await _check_recent(request, session)
    return session
