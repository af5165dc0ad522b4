"""Signing in with a code that is mailed, where the service allows that."""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.throttle import Delayed
from carnet.server.languages import gettext
from carnet.server.log import log_failure
from carnet.server.pages.forms import HOME, Form, local_path
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import ask_second_step, enter
from carnet.server.pages.words import duration, in_words
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.mailed_code_sign_in import sign_in_with_code
from carnet.server.web.password_sign_in import SecondFactorNeeded, SignInRefused
from carnet.server.web.signed_state import read_state, write_state

__all__ = ["ask_for_code", "show_mailed_code", "take_mailed_code"]

LIFETIME_SECONDS: Final = 600


class _MailedCodePage(msgspec.Struct, frozen=True, array_like=True):
    """Which page a code is for."""

    number: str


async def show_mailed_code(request: Request) -> Response:
    """Ask for a username or an address."""
    _check_open(request)
    following = local_path(request.query_params.get("continue", ""), HOME)
    return _ask_page(request, following, "")


async def ask_for_code(request: Request) -> Response:
    """Take the wish for a code, and ask for it; the same for every name."""
    _check_open(request)
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    typed = form["username"].strip()
    if not typed:
        text = gettext("Type your username or your e-mail address.")
        return _ask_page(request, following, "", 422, error=text)
    page = _MailedCodePage(secrets.token_urlsafe(16))
    try:
        await service.mailed_codes.ask(typed, page.number, origin_of(request))
    except Delayed as error:
        text = gettext("Too many mails were asked for from here. Wait {wait}.").format(
            wait=duration(error.seconds)
        )
        return _ask_page(request, following, typed, 429, error=text)
    return _code_page(request, following, write_state(service, page, LIFETIME_SECONDS))


async def take_mailed_code(request: Request) -> Response:
    """Take the code, and sign in."""
    _check_open(request)
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    page = read_state(service, form["state"], _MailedCodePage)
    if page is None:
        return redirect(request, f"/sign-in?{urlencode({'continue': following, 'why': 'late'})}")
    if not form["code"].strip():
        return _code_page(request, following, form["state"], 422, error=gettext("Type the code."))
    try:
        signed_in = await sign_in_with_code(service, page.number, form["code"], origin_of(request))
        return await enter(request, signed_in, following)
    except SecondFactorNeeded as needed:
        return ask_second_step(request, needed, following)
    except SignInRefused as error:
        if error.code == "code_wrong":
            text = gettext("This code doesn't work. It may be mistyped, already used, or expired.")
            return _code_page(request, following, form["state"], 401, error=text)
        status = 429 if error.code == "too_many_failures" else 503
        if status == 503:
            log_failure(request.scope, status, error)
        return _code_page(request, following, form["state"], status, error=in_words(error))


def _check_open(request: Request) -> None:
    service: Service = request.app.state.service
    if not service.settings.sign_in_by_mail:
        raise HTTPException(404)


def _ask_page(
    request: Request, following: str, typed: str, status: int = 200, error: str = ""
) -> Response:
    return render(
        request, "mailed_code_ask.html", status, following=following, typed=typed, error=error
    )


def _code_page(
    request: Request, following: str, state: str, status: int = 200, error: str = ""
) -> Response:
    return render(
        request, "mailed_code.html", status, following=following, state=state, error=error
    )
