"""One's own account: ``/me``, its sessions, its password and its connected applications."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.accounts import AccountRefused
from carnet.server.clients.consents import ConnectedApplication
from carnet.server.clients.unregistered import shown_name, unregistered_kind
from carnet.server.languages import gettext, marked
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import require_recent, require_session
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.sessions.sessions import BROWSER, FIRST_PARTY, Session
from carnet.server.user_agents import device_kind, device_name
from carnet.server.web import password_sign_in as signing_in
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession
from carnet.server.web.password_sign_in import SignInRefused

__all__ = [
    "change_password",
    "disconnect",
    "end_other_sessions",
    "end_session",
    "known_as",
    "lead_to_password",
    "show_account",
    "show_applications",
    "show_password",
    "show_sessions",
    "stop_agent",
    "through",
]

DONE: Final = {
    "password": marked("Your password is changed, and all your other sessions have ended."),
    "ended": marked("The session has ended."),
    "others": marked("All your other sessions have ended."),
    "stopped": marked(
        "The program is stopped: what it had is refused, and it gets nothing more until you "
        "sign in again."
    ),
    "disconnected": marked("The application is disconnected, and its sessions have ended."),
}

THROUGH: Final = {
    BROWSER: marked("these pages"),
    FIRST_PARTY: marked("a username and a password"),
}
"""What a session of our own was begun with."""


async def show_account(request: Request) -> Response:
    """Show who one is here."""
    session = await require_session(request)
    return render(request, "me.html", session=session, done=_done(request))


async def show_password(request: Request) -> Response:
    """Ask for the password until now and the one from now on."""
    service: Service = request.app.state.service
    session = await require_session(request)
    if not await service.accounts.has_password(session.account.id):
        await require_recent(request)
        return _password_page(request, session, has_one=False)
    return _password_page(request, session)


async def lead_to_password(request: Request) -> Response:
    """Lead a password manager to the page (W3C, a well-known URL for changing passwords)."""
    return redirect(request, "/me/password")


async def change_password(request: Request) -> Response:
    """Change one's password; every other session ends."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    current, new = form["current_password"], form["new_password"]
    about = session.session_id, origin_of(request, session.account.id)
    has_one = await service.accounts.has_password(session.account.id)
    try:
        if has_one:
            await signing_in.change_password(service, session.account, (current, new), *about)
        else:
            await require_recent(request)
            await signing_in.add_password(service, session.account, new, *about)
    except AccountRefused as error:
        if error.code == "account_changed":
            return _password_page(request, session, 409, notice=in_words(error), has_one=has_one)
        return _password_page(request, session, 422, new=in_words(error), has_one=has_one)
    except SignInRefused as error:
        if error.code == "credentials_wrong":
            return _password_page(request, session, 403, current=in_words(error))
        return _password_page(request, session, 429, notice=in_words(error), has_one=has_one)
    return redirect(request, "/me?done=password")


async def show_sessions(request: Request) -> Response:
    """Show where one is signed in."""
    service: Service = request.app.state.service
    session = await require_session(request)
    return render(
        request,
        "sessions.html",
        session=session,
        sessions=await service.sessions.of_account(session.account.id),
        device_kind=device_kind,
        device_name=device_name,
        through=through,
        done=_done(request),
    )


async def end_session(request: Request) -> Response:
    """End one of one's sessions; one that has ended already is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    origin = origin_of(request, session.account.id)
    await service.sessions.end_of_account(session.account.id, form["id"], "signed_out", origin)
    if form["id"] == session.session_id:
        return redirect(request, "/sign-in?signed-out")
    return redirect(request, "/me/sessions?done=ended")


async def end_other_sessions(request: Request) -> Response:
    """End all sessions but this one."""
    service: Service = request.app.state.service
    await Form.read(request)
    session = await require_session(request)
    origin = origin_of(request, session.account.id)
    await service.sessions.end_all(
        session.account.id, "signed_out", origin, keep=session.session_id
    )
    return redirect(request, "/me/sessions?done=others")


async def show_applications(request: Request) -> Response:
    """Show the applications that one has allowed."""
    service: Service = request.app.state.service
    session = await require_session(request)
    return render(
        request,
        "applications.html",
        session=session,
        applications=[
            one._replace(name=known_as(one))
            for one in await service.consents.applications(session.account.id)
        ],
        agents=await service.agents.of_account(session.account.id),
        name_of=service.registry.name_of,
        done=_done(request),
    )


async def disconnect(request: Request) -> Response:
    """Turn an application away again."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    origin = origin_of(request, session.account.id)
    await service.consents.withdraw(session.account.id, form["id"], origin)
    return redirect(request, "/me/applications?done=disconnected")


def known_as(application: ConnectedApplication) -> str:
    """Tell what people know an application by; what it calls itself alone is no proof."""
    kind = unregistered_kind(application.client_id)
    if kind is None:
        return application.name
    host = urlsplit(application.client_id).netloc or gettext(
        "A program that is not registered here"
    )
    name = "" if application.name == application.client_id else shown_name(application.name)
    if not name:
        return host
    return gettext("{host} (calls itself “{name}”)").format(host=host, name=name)


async def stop_agent(request: Request) -> Response:
    """Stop a program that acts for one."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    origin = origin_of(request, session.account.id)
    await service.agents.stop(session.account.id, form["id"], origin)
    return redirect(request, "/me/applications?done=stopped")


def through(session: Session) -> str:
    """Tell what a session was begun with."""
    own = THROUGH.get(session.client_id)
    return session.identity_issuer or (session.client_id if own is None else gettext(own))


def _done(request: Request) -> str:
    return gettext(DONE.get(request.query_params.get("done", ""), ""))


def _password_page(
    request: Request,
    session: BrowserSession,
    status: int = 200,
    *,
    current: str = "",
    new: str = "",
    notice: str = "",
    has_one: bool = True,
) -> Response:
    return render(
        request,
        "password.html",
        status,
        session=session,
        current_error=current,
        new_error=new,
        notice_text=notice,
        has_one=has_one,
    )
