"""One's own e-mail addresses: ``/me/emails``, where the service sends mail."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.throttle import Delayed
from carnet.server.languages import gettext, marked
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import require_recent, require_session
from carnet.server.pages.words import duration, in_words
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession

__all__ = [
    "add_email",
    "confirm_email",
    "make_email_primary",
    "remove_email",
    "show_emails",
    "show_new_email",
]

DONE: Final = {
    "sent": marked(
        "A mail is on its way to the address. Within a day, open the link in it, or type its code "
        "here."
    ),
    "confirmed": marked("The address is confirmed."),
    "removed": marked("The address is removed."),
    "primary": marked("It is your main address now."),
}
CODE_WRONG: Final = marked(
    "This code doesn't work. It may be mistyped, already used, or expired; of several mails, only "
    "the newest one's counts."
)


async def show_emails(request: Request) -> Response:
    """Show one's addresses."""
    _check_open(request)
    return await _emails_page(request, await require_session(request))


async def confirm_email(request: Request) -> Response:
    """Prove an address by the code that was sent to it."""
    _check_open(request)
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    account_id, origin = session.account.id, origin_of(request, session.account.id)
    email = form["email"]
    try:
        if await service.addresses.confirm(account_id, email, form["code"], origin):
            return redirect(request, "/me/emails?done=confirmed")
    except AccountRefused as error:
        return await _emails_page(request, session, 422, email, in_words(error))
    except Delayed as error:
        text = gettext("Too many codes were tried. Wait {wait}.")
        text = text.format(wait=duration(error.seconds))
        return await _emails_page(request, session, 429, email, text)
    return await _emails_page(request, session, 422, email, gettext(CODE_WRONG))


async def show_new_email(request: Request) -> Response:
    """Ask for another address."""
    _check_open(request)
    return _new_page(request, await require_recent(request), "")


async def add_email(request: Request) -> Response:
    """Add an address and send the link that proves it; sent twice, so is the mail."""
    _check_open(request)
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    account, origin = session.account, origin_of(request, session.account.id)
    try:
        await service.addresses.add(account.id, account.username, form["email"], origin)
    except AccountRefused as error:
        return _new_page(request, session, form["email"], 422, in_words(error))
    except Delayed as error:
        text = gettext("Too many mails were sent already. Wait {wait}.").format(
            wait=duration(error.seconds)
        )
        return _new_page(request, session, form["email"], 429, text)
    return redirect(request, "/me/emails?done=sent")


async def make_email_primary(request: Request) -> Response:
    """Make an address the one that applications are told."""
    return await _change(request, "primary")


async def remove_email(request: Request) -> Response:
    """Remove an address; one that is gone already is answered alike."""
    return await _change(request, "removed")


async def _change(request: Request, done: str) -> Response:
    _check_open(request)
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    account, origin = session.account, origin_of(request, session.account.id)
    changes = {"primary": service.addresses.make_primary, "removed": service.addresses.remove}
    try:
        if not await changes[done](account.id, form["email"], origin):
            return redirect(request, "/me/emails")
    except AccountRefused:
        raise HTTPException(404) from None
    return redirect(request, f"/me/emails?done={done}")


def _check_open(request: Request) -> None:
    service: Service = request.app.state.service
    if not service.outbox.is_open:
        raise HTTPException(404)


async def _emails_page(
    request: Request, session: BrowserSession, status: int = 200, wrong: str = "", error: str = ""
) -> Response:
    """Show the addresses; ``wrong`` is the one that the error is about."""
    service: Service = request.app.state.service
    return render(
        request,
        "emails.html",
        status,
        session=session,
        emails=await service.addresses.of_account(session.account.id),
        done=DONE.get(request.query_params.get("done", ""), ""),
        wrong=wrong,
        error=error,
    )


def _new_page(
    request: Request, session: BrowserSession, typed: str, status: int = 200, error: str = ""
) -> Response:
    return render(request, "email_new.html", status, session=session, typed=typed, error=error)
