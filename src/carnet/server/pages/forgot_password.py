"""Asking for a link that sets another password, where the service sends mail.

The answer is the same for every name, and so is the work: see ``accounts.recovery``.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.throttle import Delayed
from carnet.server.languages import gettext
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import render
from carnet.server.pages.words import duration
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of

__all__ = ["ask_for_link", "show_forgot_password"]


async def show_forgot_password(request: Request) -> Response:
    """Ask for a username or an address."""
    _check_open(request)
    return _page(request, request.query_params.get("login_hint", ""))


async def ask_for_link(request: Request) -> Response:
    """Take the wish for a link."""
    _check_open(request)
    service: Service = request.app.state.service
    form = await Form.read(request)
    typed = form["username"].strip()
    if not typed:
        return _page(request, "", 422, error=gettext("Type your username or your e-mail address."))
    try:
        await service.recovery.ask(typed, origin_of(request))
    except Delayed as error:
        text = gettext("Too many mails were asked for from here. Wait {wait}.").format(
            wait=duration(error.seconds)
        )
        return _page(request, typed, 429, error=text, wait=error.seconds)
    return render(request, "forgot_password_sent.html")


def _check_open(request: Request) -> None:
    service: Service = request.app.state.service
    if not service.outbox.is_open:
        raise HTTPException(404)


def _page(
    request: Request, typed: str, status: int = 200, *, error: str = "", wait: int = 0
) -> Response:
    headers = {"Retry-After": str(wait)} if wait else None
    return render(request, "forgot_password.html", status, headers, typed=typed, error=error)
