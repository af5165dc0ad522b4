"""How one signs in: ``/me/factors``, where second factors are added, named and removed."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import Account
from carnet.server.factors.factors import KIND_NAMES, FactorRefused
from carnet.server.factors.passkeys import PasskeyRefused
from carnet.server.languages import gettext, marked
from carnet.server.pages.app_setup import (
    add_app_and_codes,
    new_setup,
    read_setup,
    setup_context,
)
from carnet.server.pages.error_page import error_page
from carnet.server.pages.forms import Form, local_path
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import require_recent, require_session
from carnet.server.pages.words import PASSKEY_WRONG, in_words
from carnet.server.scim.rights import ISSUER as SCIM
from carnet.server.service import Service
from carnet.server.user_agents import device_name
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession
from carnet.server.web.passkey_sign_in import add_passkey as keep_passkey
from carnet.server.web.passkey_sign_in import ask_for_passkey

__all__ = [
    "add_app",
    "add_passkey",
    "ask_name",
    "ask_recovery_codes",
    "ask_removal",
    "forget_browser",
    "make_recovery_codes",
    "remove_factor",
    "rename_factor",
    "show_factors",
    "show_new_app",
    "show_new_passkey",
]

_log = structlog.get_logger()

HOME: Final = "/me/factors"
DONE: Final = {
    "connected": marked("It is connected: you can sign in with it from now on."),
    "disconnected": marked(
        "It is disconnected, and your other sessions that began with it have ended."
    ),
    "added": marked("It is added: you are asked for it from the next sign-in on."),
    "forgotten": marked("The browser is forgotten: it will be asked for your second factor again."),
    "renamed": marked("It has its new name."),
    "removed": marked("It is removed, and all your other sessions have ended."),
}

LAST_BESIDE_PASSWORD: Final = marked(
    "From then on your password alone lets you in, and your recovery codes go."
)
LAST_OF_ALL: Final = marked(
    "From then on your connected account alone lets you in, and your recovery codes go."
)


async def show_factors(request: Request) -> Response:
    """Show what one signs in with."""
    service: Service = request.app.state.service
    session = await require_session(request)
    upstream = service.upstream.providers.values()
    found = await service.identities.of_account(session.account.id)
    # What a directory keeps by SCIM is nothing that the person signs in with.
    identities = [one for one in found if one.issuer != SCIM]
    known = [one.issuer for one in identities]
    labels = {
        issuer: one.label
        for issuer in known
        if (one := service.upstream.by_issuer(issuer)) is not None
    }
    names = {**labels, **service.upstream.directories.labels}
    by_password = await service.accounts.has_password(session.account.id)
    return render(
        request,
        "factors.html",
        session=session,
        identities=identities,
        labels=labels,
        names=names,
        providers=[one for one in upstream if not any(map(one.lets_in, known))],
        ways=gettext(" or ").join(
            [
                *([gettext("your password")] if by_password else []),
                *(label for issuer, label in names.items() if issuer in known),
            ]
        ),
        factors=await service.factors.of_account(session.account.id),
        kinds=KIND_NAMES,
        passkeys=service.factors.passkeys.available,
        kept=await _kept(service, session.account),
        codes_left=await service.factors.recovery_codes_left(session.account.id),
        browsers=await service.remembered_browsers.of_account(session.account.id),
        device_name=device_name,
        done=gettext(DONE.get(request.query_params.get("done", ""), "")),
    )


async def show_new_app(request: Request) -> Response:
    """Show a new secret for an authenticator app."""
    session = await require_recent(request)
    context = setup_context(request, session.account, new_setup(session.account))
    return render(request, "factor_app.html", session=session, **context)


async def add_app(request: Request) -> Response:
    """Add an authenticator app that shows the right code."""
    form = await Form.read(request)
    session = await require_recent(request)
    setup = read_setup(request, form, session.account)
    if setup is None:
        return redirect(request, "/me/factors/app")
    try:
        codes = await add_app_and_codes(request, form, session.account, setup)
    except FactorRefused as error:
        context = setup_context(request, session.account, setup, form["name"], error)
        return render(request, "factor_app.html", 422, session=session, **context)
    if not codes:
        return redirect(request, "/me/factors?done=added")
    return _codes_page(request, session, codes, added=True)


async def show_new_passkey(request: Request) -> Response:
    """Ask the browser for a new passkey."""
    return await _passkey_page(request, await require_recent(request))


async def add_passkey(request: Request) -> Response:
    """Add the passkey that the browser has made."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    account, origin = session.account, origin_of(request, session.account.id)
    is_first = not await service.factors.kinds(account.id)
    try:
        made = form["state"], form["answer"], form["name"]
        await keep_passkey(service, account, *made, origin)
        codes = await service.factors.make_recovery_codes(account, origin) if is_first else []
    except PasskeyRefused as error:
        _log.info("passkey_refused", account=account.id, reason=str(error))
        text = gettext(PASSKEY_WRONG)
        return await _passkey_page(request, session, 422, form["name"], notice=text)
    except FactorRefused as error:
        field = "name" if error.code == "name_invalid" else "notice"
        return await _passkey_page(request, session, 422, form["name"], **{field: in_words(error)})
    # Somebody who was on the way elsewhere goes on from there.
    following = local_path(form["continue"], HOME)
    if not codes:
        return redirect(request, following if form["continue"] else "/me/factors?done=added")
    return _codes_page(request, session, codes, added=True, following=following)


async def ask_recovery_codes(request: Request) -> Response:
    """Ask before the recovery codes are made anew."""
    service: Service = request.app.state.service
    session = await require_recent(request)
    if not await service.factors.kinds(session.account.id):
        return redirect(request, "/me/factors")
    return _ask(
        request,
        session,
        gettext("Make new recovery codes?"),
        gettext("The codes that you have now stop working."),
        gettext("Make new codes"),
        "recovery-codes",
    )


async def make_recovery_codes(request: Request) -> Response:
    """Make the recovery codes anew, and show them this once."""
    service: Service = request.app.state.service
    await Form.read(request)
    session = await require_recent(request)
    if not await service.factors.kinds(session.account.id):
        return redirect(request, "/me/factors")
    origin = origin_of(request, session.account.id)
    codes = await service.factors.make_recovery_codes(session.account, origin)
    return _codes_page(request, session, codes, added=False)


async def ask_removal(request: Request) -> Response:
    """Ask before a factor is removed."""
    service: Service = request.app.state.service
    session = await require_recent(request)
    factor_id = request.query_params.get("id", "")
    factors = await service.factors.of_account(session.account.id)
    for factor in factors:
        if factor.id == factor_id:
            text = gettext("All your other sessions end with it; you stay signed in here.")
            if len(factors) == 1:
                by_password = await service.accounts.has_password(session.account.id)
                text += " " + gettext(LAST_BESIDE_PASSWORD if by_password else LAST_OF_ALL)
            title = gettext("Remove “{name}”?").format(name=factor.name)
            button = gettext("Remove it")
            return _ask(request, session, title, text, button, "remove", factor.id)
    raise HTTPException(404)


async def remove_factor(request: Request) -> Response:
    """Remove a factor; one that is gone already is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    origin = origin_of(request, session.account.id)
    try:
        await service.factors.remove(session.account, form["id"], session.session_id, origin)
    except FactorRefused as error:
        return error_page(request, gettext("It is not removed"), in_words(error), 409)
    return redirect(request, "/me/factors?done=removed")


async def ask_name(request: Request) -> Response:
    """Ask what a factor is to be called."""
    service: Service = request.app.state.service
    session = await require_session(request)
    factor_id = request.query_params.get("id", "")
    for factor in await service.factors.of_account(session.account.id):
        if factor.id == factor_id:
            return _name_page(request, session, factor.id, factor.name)
    raise HTTPException(404)


async def rename_factor(request: Request) -> Response:
    """Call a factor something else."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    origin = origin_of(request, session.account.id)
    try:
        if not await service.factors.rename(session.account.id, form["id"], form["name"], origin):
            raise HTTPException(404)
    except FactorRefused as error:
        return _name_page(request, session, form["id"], form["name"], 422, in_words(error))
    return redirect(request, "/me/factors?done=renamed")


def _name_page(
    request: Request,
    session: BrowserSession,
    factor_id: str,
    name: str,
    status: int = 200,
    error: str = "",
) -> Response:
    return render(
        request,
        "factor_name.html",
        status,
        session=session,
        factor_id=factor_id,
        typed_name=name,
        error=error,
    )


async def forget_browser(request: Request) -> Response:
    """Forget a browser; one that is forgotten already is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    origin = origin_of(request, session.account.id)
    await service.remembered_browsers.forget(session.account.id, form["id"], origin)
    return redirect(request, "/me/factors?done=forgotten")


async def _passkey_page(
    request: Request,
    session: BrowserSession,
    status: int = 200,
    typed: str = "",
    *,
    name: str = "",
    notice: str = "",
) -> Response:
    service: Service = request.app.state.service
    return render(
        request,
        "factor_passkey.html",
        status,
        session=session,
        ceremony=await ask_for_passkey(service, "new", session.account),
        typed_name=typed,
        name_error=name,
        notice_text=notice,
    )


async def _kept(service: Service, account: Account) -> str:
    """Write which passkeys there are, for the browser to tell their provider."""
    if not service.factors.passkeys.available:
        return ""
    known = await service.factors.credential_ids(account.id)
    return service.factors.passkeys.signal(account, known)


def _codes_page(
    request: Request,
    session: BrowserSession,
    codes: list[str],
    *,
    added: bool,
    following: str = HOME,
) -> Response:
    return render(
        request,
        "recovery_codes.html",
        session=session,
        username=session.account.username,
        codes=codes,
        added=added,
        following=following,
    )


def _ask(
    request: Request,
    session: BrowserSession,
    title: str,
    text: str,
    button: str,
    action: str,
    factor_id: str = "",
) -> Response:
    return render(
        request,
        "factor_confirm.html",
        session=session,
        title=title,
        text=text,
        button=button,
        action=action,
        factor_id=factor_id,
    )
