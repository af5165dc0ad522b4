"""The page with a link that an administrator hands over: shown once."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import Account
from carnet.server.accounts.recovery import Handed
from carnet.server.pages.rendering import render
from carnet.server.web.browser_session import BrowserSession

__all__ = ["link_page"]


def link_page(
    request: Request, session: BrowserSession, account: Account, handed: Handed
) -> Response:
    """Show a link that sets a password."""
    return render(request, "admin_link.html", session=session, user=account, handed=handed)
