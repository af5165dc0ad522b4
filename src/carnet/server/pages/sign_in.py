"""Signing in and out with a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.factors.levels import PASSWORD, acr_of
from carnet.server.languages import gettext, marked
from carnet.server.log import log_failure
from carnet.server.metrics import SIGN_INS
from carnet.server.pages.forms import HOME, Form, local_path
from carnet.server.pages.passkey_offer import leading_to_offer
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import is_recent, require_session
from carnet.server.pages.words import PASSKEY_WRONG, duration, in_words
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import (
    BrowserSession,
    begin,
    check_same_origin,
    current,
    end,
)
from carnet.server.web.known_devices import known_device, remember_device
from carnet.server.web.page_language import keep_chosen_language
from carnet.server.web.passkey_sign_in import ask_for_passkey, sign_in_with_passkey
from carnet.server.web.password_sign_in import SecondFactorNeeded, SignedIn, SignInRefused
from carnet.server.web.password_sign_in import sign_in as prove
from carnet.server.web.remembered_browser import remembered_secret
from carnet.server.web.second_step import begin_second_step, end_second_step

__all__ = [
    "NO_ERRORS",
    "ask_once_more",
    "ask_password",
    "ask_second_step",
    "enter",
    "show_sign_in",
    "sign_in",
    "sign_in_by_passkey",
    "sign_out",
    "step_up",
]

NO_USERNAME: Final = marked("Type your username.")
NO_ERRORS: Final[Mapping[str, str]] = {}
WHY: Final = {
    "again": marked(
        "The next step needs a sign-in within the last ten minutes. Sign in once more to continue."
    ),
    "late": marked("That took too long. Sign in again."),
    "password": marked("Your password is set. Sign in with it now."),
}

NOT_LET_IN: Final = marked(
    "Your password is right, but you can't use this service. Ask those who run it for access."
)
DIRECTORY_DOWN: Final = marked(
    "Your company's directory doesn't answer at the moment. Try again in a minute."
)


async def show_sign_in(request: Request) -> Response:
    """Ask for a username and a password.

    ``continue`` is the path to go on to; ``login_hint`` is a username to begin with; ``why`` says
    why it is asked. Where the domain of an address may lead to a provider, the username is asked
    for first, and alone unless ``with`` is ``password``. Whoever is signed in already is told so:
    the page may have been opened again to become somebody else.
    """
    following = local_path(request.query_params.get("continue", ""), HOME)
    username = request.query_params.get("login_hint", "")
    why = request.query_params.get("why", "")
    notice = WHY.get(why, "")
    already = None if notice else await current(request)
    service: Service = request.app.state.service
    by_password = "password" in (why, request.query_params.get("with", ""))
    return await _page(
        request,
        following,
        username,
        notice=gettext(notice),
        already=already,
        is_asked=bool(notice),
        name_first=bool(service.upstream.domains) and not by_password,
    )


async def ask_password(request: Request, following: str, typed: str) -> Response:
    """Ask for the password of whoever has typed a username, or for that again."""
    if not typed:
        errors = {"username": gettext(NO_USERNAME)}
        return await _page(request, following, "", 422, errors=errors, name_first=True)
    return await _page(request, following, typed)


async def sign_in(request: Request) -> Response:
    """Sign in, and go on to where the person wanted to."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    username, password = form["username"], form["password"]
    if not username.strip() or not password:
        missing = (
            {"password": gettext("Type your password.")}
            if username.strip()
            else {"username": gettext(NO_USERNAME)}
        )
        return await _page(request, following, username, 422, errors=missing)
    try:
        name = await service.addresses.username_of(username)
        device = known_device(request, name)
        remembered = remembered_secret(request)
        async with prove(
            service, name, password, origin_of(request), device, remembered=remembered
        ) as signed_in:
            next_page = await leading_to_offer(request, form, signed_in, following)
            return await enter(request, signed_in, next_page)
    except SecondFactorNeeded as needed:
        return ask_second_step(request, needed, following)
    except SignInRefused as error:
        return await _refused(request, error, following, username)
    except StoreUnavailable as error:
        log_failure(request.scope, 503, error)
        text = gettext(
            "The service can't reach its database. Type your password again in a moment."
        )
        return await _page(request, following, username, 503, notice=text)


async def sign_in_by_passkey(request: Request) -> Response:
    """Sign in with a passkey alone, and go on."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    try:
        signed_in = await sign_in_with_passkey(
            service, form["state"], form["answer"], origin_of(request)
        )
        return await enter(request, signed_in, following)
    except SignInRefused as error:
        return await _refused(request, error, following, "")
    except StoreUnavailable as error:
        log_failure(request.scope, 503, error)
        text = gettext("The service can't reach its database. Try again in a moment.")
        return await _page(request, following, "", 503, notice=text)


async def sign_out(request: Request) -> Response:
    """End the browser's session."""
    check_same_origin(request)
    response = redirect(request, "/sign-in?signed-out")
    await end(request, response)
    end_second_step(request, response)
    return response


def ask_second_step(request: Request, needed: SecondFactorNeeded, following: str) -> Response:
    """Go on to the page that asks for what is missing."""
    response = redirect(request, f"/sign-in/code?{urlencode({'continue': following})}")
    begin_second_step(request, response, needed.proved)
    return response


async def step_up(request: Request, session: BrowserSession, following: str) -> Response:
    """Ask somebody who is signed in for the second factor alone; the session goes on with it.

    Whoever has none yet adds one, as on the account's own page after a recent sign-in alone: a
    browser that somebody has left open is not enough for that.
    """
    service: Service = request.app.state.service
    if acr_of(session.amr) != acr_of(PASSWORD):
        # What is kept between the steps would be all that a sign-in takes.
        return redirect(request, following)
    has_one = bool(await service.factors.kinds(session.account.id))
    if not has_one and not is_recent(request, session):
        return redirect(request, f"/sign-in?{urlencode({'continue': following, 'why': 'again'})}")
    proved = SignedIn(session.account, session.amr, session.authenticated_at, session.identified)
    return ask_second_step(request, SecondFactorNeeded(proved, ()), following)


async def ask_once_more(request: Request) -> Response:
    """Ask for the second factor of somebody who has signed in without it."""
    session = await require_session(request)
    following = local_path(request.query_params.get("continue", ""), HOME)
    return await step_up(request, session, following)


async def enter(
    request: Request, signed_in: SignedIn, following: str, response: Response | None = None
) -> Response:
    """Begin a browser's session and go on, unless there is another answer.

    Raises:
        SignInRefused: ``account_changing``.
    """
    response = response or redirect(request, following)
    is_new = not known_device(request, signed_in.account.username)
    await begin(request, signed_in, response, is_new_device=is_new)
    remember_device(request, response, signed_in.account.username)
    await keep_chosen_language(request, response, signed_in.account.id)
    SIGN_INS.labels("accepted").inc()
    return response


async def _refused(
    request: Request, error: SignInRefused, following: str, username: str
) -> Response:
    headers = {"Retry-After": str(error.seconds)} if error.seconds else None
    if error.code == "credentials_wrong":
        text = gettext("The username or the password is wrong.")
        return await _page(request, following, username, 401, errors={"password": text})
    if error.code == "not_let_in":
        return await _page(request, following, username, 403, notice=gettext(NOT_LET_IN))
    if error.code == "directory_unavailable":
        return await _page(
            request, following, username, 503, headers, notice=gettext(DIRECTORY_DOWN)
        )
    if error.code == "passkey_wrong":
        text = gettext(PASSKEY_WRONG)
        return await _page(request, following, username, 401, notice=text)
    if error.code == "too_many_failures":
        text = gettext("Too many failed attempts. Wait {wait}, then try again.").format(
            wait=duration(error.seconds)
        )
        return await _page(request, following, username, 429, headers, notice=text)
    log_failure(request.scope, 503, error)
    return await _page(request, following, username, 503, headers, notice=in_words(error))


async def _page(
    request: Request,
    following: str,
    typed: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    notice: str = "",
    already: object = None,
    is_asked: bool = False,
    errors: Mapping[str, str] = NO_ERRORS,
    name_first: bool = False,
) -> Response:
    service: Service = request.app.state.service
    return render(
        request,
        "sign_in.html",
        status,
        headers,
        following=following,
        typed=typed,
        notice_text=notice,
        # What is asked for a reason is nobody's mistake.
        notice_kind="" if is_asked else "bad",
        signed_out="signed-out" in request.query_params,
        already=already,
        name_first=name_first,
        application=_application(service, following),
        by_mail=service.settings.sign_in_by_mail,
        ceremony=await ask_for_passkey(service, "sign in"),
        providers=list(service.upstream.providers.values()),
        username_error=errors.get("username", ""),
        password_error=errors.get("password", ""),
    )


def _application(service: Service, following: str) -> str:
    """Give the name of the client that somebody signs in for, where an administrator has given it.

    What nobody has registered may call itself anything, and is shown with its host at consent.
    """
    address = urlsplit(following)
    names = parse_qs(address.query).get("client_id", []) if address.path == "/authorize" else []
    client = service.registry.client(names[0]) if len(names) == 1 else None
    return "" if client is None else client.metadata.client_name
