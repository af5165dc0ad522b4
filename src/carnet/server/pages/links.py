"""What people do with a link that was sent or handed to them: ``/link/…``.

Opening a link changes nothing, for programs that look through mails open it, too: what it is for is
done by the button of its page, once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from carnet.server.accounts.account_record import Account, AccountRefused
from carnet.server.accounts.one_time_links import (
    INVITE,
    NOT_ME,
    RECOVER,
    RESET,
    VERIFY,
    Link,
    LinkRefused,
)
from carnet.server.accounts.passwords import TooBusy
from carnet.server.languages import gettext, marked
from carnet.server.log import log_failure
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of

__all__ = ["show_link", "use_link"]


class Page(NamedTuple):
    """What a link's page says.

    Attributes:
        title: its title.
        text: what the button does; the account and the address stand in the braces.
        button: the button.
        sets_password: whether a password is asked for.
        danger: whether it ends something.
    """

    title: str
    text: str
    button: str
    sets_password: bool = False
    danger: bool = False


PAGES: Final = {
    RESET: Page(
        marked("Choose a new password"),
        marked(
            "All sessions of the account {username} end. After that, sign in with the new password."
        ),
        marked("Set the password"),
        sets_password=True,
    ),
    INVITE: Page(
        marked("Choose your password"),
        marked(
            "Your username is {username}. You sign in with it and the password that you choose "
            "here."
        ),
        marked("Set the password"),
        sets_password=True,
    ),
    RECOVER: Page(
        marked("Recover the account"),
        marked(
            "The account {username} gets a new password, its second factors are removed, and all "
            "of its sessions end."
        ),
        marked("Recover the account"),
        sets_password=True,
    ),
    VERIFY: Page(
        marked("Confirm the address"),
        marked(
            "{address} becomes an address of the account {username}: it can be used to sign "
            "in, and "
            "whoever reads its mail can set another password. If that account isn't yours, close "
            "this page."
        ),
        marked("Confirm the address"),
    ),
    NOT_ME: Page(
        marked("Wasn't this you?"),
        marked(
            "All sessions of the account {username} end, its password stops working, and addresses "
            "that were added to it after yours are removed. After that you choose a new password."
        ),
        marked("End all sessions"),
        danger=True,
    ),
}
REFUSED: Final = {
    "link_used": marked("This link has already been used"),
    "link_expired": marked("This link has expired"),
    "link_unknown": marked("This link doesn't work"),
}
WHAT_NEXT: Final = {
    RESET: (marked("Send another?"), "/forgot-password"),
    NOT_ME: (marked("Choose a new password?"), "/forgot-password"),
    VERIFY: (marked("Send another?"), "/me/emails"),
}
"""Where another one is had, by purpose, if mail is set up."""
NEEDS_HELP: Final = marked(
    "All sessions of the account have ended, and nobody can sign in to it now: another way to "
    "sign in was added to it in the last few days. Ask whoever runs this service to look at it and "
    "to give it back to you."
)


async def show_link(request: Request) -> Response:
    """Show what a link does, without doing it."""
    service: Service = request.app.state.service
    purpose = _purpose(request)
    secret = request.query_params.get("secret", "")
    try:
        found = await service.recovery.owner(purpose, secret)
    except LinkRefused as error:
        return _refused(request, purpose, error)
    return _page(request, purpose, secret, *found)


async def use_link(request: Request) -> Response:
    """Do what a link is for, once."""
    service: Service = request.app.state.service
    purpose = _purpose(request)
    form = await Form.read(request)
    try:
        return await USES[purpose](request, form)
    except LinkRefused as error:
        return _refused(request, purpose, error)
    except (AccountRefused, TooBusy) as error:
        status = 422
        if isinstance(error, TooBusy):
            status = 503
            log_failure(request.scope, status, error)
        try:
            found = await service.recovery.owner(purpose, form["secret"])
        except LinkRefused as refused:
            return _refused(request, purpose, refused)
        return _page(request, purpose, form["secret"], *found, status=status, error=in_words(error))


async def _set_password(request: Request, form: Form) -> Response:
    service: Service = request.app.state.service
    purpose = _purpose(request)
    account = await service.recovery.set_password(
        purpose, form["secret"], form["new_password"], origin_of(request)
    )
    # Whatever the sign-in demands is still to come.
    asked = {"why": "password", "login_hint": account.username}
    return redirect(request, f"/sign-in?{urlencode(asked)}")


async def _verify(request: Request, form: Form) -> Response:
    service: Service = request.app.state.service
    address = await service.recovery.verify(form["secret"], origin_of(request))
    return render(
        request,
        "link_done.html",
        title=gettext("The address is confirmed"),
        text=gettext("{address} is an address of the account now.").format(address=address),
    )


async def _disown(request: Request, form: Form) -> Response:
    service: Service = request.app.state.service
    following = await service.recovery.disown(form["secret"], origin_of(request))
    if following is None:
        title, text = gettext("The account is locked"), gettext(NEEDS_HELP)
        return render(request, "link_done.html", title=title, text=text)
    return RedirectResponse(following, 303, {"Cache-Control": "no-store"})


USES: Final[dict[str, Callable[[Request, Form], Awaitable[Response]]]] = {
    RESET: _set_password,
    INVITE: _set_password,
    RECOVER: _set_password,
    VERIFY: _verify,
    NOT_ME: _disown,
}


def _purpose(request: Request) -> str:
    purpose = str(request.path_params["purpose"])
    if purpose not in PAGES:
        raise HTTPException(404)
    return purpose


def _page(
    request: Request,
    purpose: str,
    secret: str,
    link: Link,
    account: Account,
    *,
    status: int = 200,
    error: str = "",
) -> Response:
    page = PAGES[purpose]
    return render(
        request,
        "link.html",
        status,
        page=page,
        text=gettext(page.text).format(username=account.username, address=link.address),
        purpose=purpose,
        secret=secret,
        username=account.username,
        error=error,
    )


def _refused(request: Request, purpose: str, error: LinkRefused) -> Response:
    service: Service = request.app.state.service
    words, another = WHAT_NEXT.get(purpose, ("", ""))
    return render(
        request,
        "link_refused.html",
        410 if error.code != "link_unknown" else 404,
        title=gettext(REFUSED[error.code]),
        words=gettext(words) if service.outbox.is_open else "",
        another=another,
    )
