"""Making an account for oneself, where the service lets people do that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.accounts import AccountRefused
from carnet.server.languages import gettext, marked
from carnet.server.log import log_failure
from carnet.server.pages.forms import HOME, Form, local_path
from carnet.server.pages.rendering import render
from carnet.server.pages.sign_in import NO_ERRORS, ask_second_step, enter
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable
from carnet.server.web.bearer import origin_of
from carnet.server.web.known_devices import known_device
from carnet.server.web.password_sign_in import (
    SecondFactorNeeded,
    SignInRefused,
    ask_for_account,
    make_account,
    sign_in,
)

__all__ = ["show_sign_up", "sign_up"]

UNAVAILABLE: Final = marked(
    "The service can't reach its database. Type the password again in a moment."
)


async def show_sign_up(request: Request) -> Response:
    """Ask for a username and a password."""
    _check_open(request)
    following = local_path(request.query_params.get("continue", ""), HOME)
    return _page(request, following, "")


async def sign_up(request: Request) -> Response:
    """Make an account, sign in with it and go on; sent twice, it is made once."""
    _check_open(request)
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    username, password = form["username"], form["new_password"]
    origin = origin_of(request)
    if service.settings.sign_up_email:
        return await _by_mail(request, form, following)
    try:
        try:
            signed_in = await make_account(service, username, password, origin)
        except AccountRefused as error:
            if error.code != "username_taken":
                raise
            # The form may have been sent twice: then the password is right, too.
            device = known_device(request, username)
            async with sign_in(service, username, password, origin, device) as signed_in:
                return await enter(request, signed_in, following)
        return await enter(request, signed_in, following)
    except SecondFactorNeeded as needed:
        return ask_second_step(request, needed, following)
    except AccountRefused as error:
        field = "username" if error.member == "username" else "new_password"
        return _page(request, following, username, 422, errors={field: in_words(error)})
    except SignInRefused as error:
        if error.code == "credentials_wrong":
            taken = gettext(
                "This username is already taken. Choose another, or sign in if it is yours."
            )
            return _page(request, following, username, 409, errors={"username": taken})
        status = 429 if error.code == "too_many_failures" else 503
        if status == 503:
            log_failure(request.scope, status, error)
        return _page(request, following, username, status, notice=in_words(error))
    except StoreUnavailable as error:
        log_failure(request.scope, 503, error)
        return _page(request, following, username, 503, notice=gettext(UNAVAILABLE))


async def _by_mail(request: Request, form: Form, following: str) -> Response:
    """Make an account whose password is chosen by a link that is sent to the address."""
    service: Service = request.app.state.service
    username, email = form["username"], form["email"].strip()
    try:
        await ask_for_account(service, username, email, origin_of(request))
    except AccountRefused as error:
        errors = {error.member or "username": in_words(error)}
        return _page(request, following, username, 422, errors=errors, email=email)
    except SignInRefused as error:
        status = 429 if error.code == "too_many_failures" else 503
        return _page(request, following, username, status, notice=in_words(error), email=email)
    return render(
        request,
        "link_done.html",
        title=gettext("Check your mail"),
        text=gettext(
            "A link is on its way to {email}. Open it within a week and choose your password."
        ).format(email=email),
    )


def _check_open(request: Request) -> None:
    service: Service = request.app.state.service
    if not service.settings.sign_up:
        raise HTTPException(404)


def _page(
    request: Request,
    following: str,
    typed: str,
    status: int = 200,
    *,
    notice: str = "",
    errors: Mapping[str, str] = NO_ERRORS,
    email: str = "",
) -> Response:
    service: Service = request.app.state.service
    return render(
        request,
        "sign_up.html",
        status,
        by_mail=service.settings.sign_up_email,
        email=email,
        following=following,
        typed=typed,
        notice_text=notice,
        errors=errors,
    )
