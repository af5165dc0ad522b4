"""The second step of a sign-in with a browser: the page that asks for a code.

Where one is demanded of an account that has no second factor, the page adds an app instead.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.factors.factors import FactorRefused
from carnet.server.factors.levels import PASSWORD, WITH_CODE, with_second
from carnet.server.languages import gettext
from carnet.server.log import log_failure
from carnet.server.pages.app_setup import (
    AppSetup,
    add_app_and_codes,
    new_setup,
    read_setup,
    setup_context,
)
from carnet.server.pages.forms import HOME, Form, local_path
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import ask_second_step, enter
from carnet.server.pages.words import PASSKEY_WRONG, duration, in_words
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable
from carnet.server.web.bearer import origin_of
from carnet.server.web.known_devices import known_device
from carnet.server.web.passkey_sign_in import ask_for_passkey, sign_in_with_passkey
from carnet.server.web.password_sign_in import (
    SecondFactorNeeded,
    SignedIn,
    SignInRefused,
    complete,
)
from carnet.server.web.remembered_browser import may_be_remembered, remember_browser
from carnet.server.web.second_step import end_second_step, first_step

__all__ = ["set_app_up", "show_second_step", "take_code", "take_passkey"]


async def show_second_step(request: Request) -> Response:
    """Ask for a code of whoever has just given the password."""
    service: Service = request.app.state.service
    following = local_path(request.query_params.get("continue", ""), HOME)
    proved = await first_step(request)
    if proved is None:
        return _begin_again(request, following)
    if not await service.factors.kinds(proved.account.id):
        return _setup_page(request, following, proved, new_setup(proved.account))
    return await _page(request, following, proved)


async def take_code(request: Request) -> Response:
    """Take the code, and sign in."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    proved = await first_step(request)
    if proved is None:
        return _begin_again(request, following)
    device = known_device(request, proved.account.username)
    try:
        completing = complete(service, proved, origin_of(request), device, form["code"])
        async with completing as signed_in:
            response = await enter(request, signed_in, following)
        if form["remember"]:
            await remember_browser(request, response, signed_in.account)
    except SecondFactorNeeded as needed:
        if not needed.kinds:
            return ask_second_step(request, needed, following)
        return await _page(request, following, proved, 422, error=gettext("Type the code."))
    except SignInRefused as error:
        return await _refused(request, error, following, proved)
    except StoreUnavailable as error:
        log_failure(request.scope, 503, error)
        text = gettext("The service can't reach its database. Send the code again in a moment.")
        return await _page(request, following, proved, 503, notice=text)
    end_second_step(request, response)
    return response


async def take_passkey(request: Request) -> Response:
    """Take a passkey as the second factor, and sign in."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    proved = await first_step(request)
    if proved is None:
        return _begin_again(request, following)
    try:
        signed_in = await sign_in_with_passkey(
            service, form["state"], form["answer"], origin_of(request, proved.account.id), proved
        )
        response = await enter(request, signed_in, following)
        if form["remember"]:
            await remember_browser(request, response, signed_in.account)
    except SignInRefused as error:
        return await _refused(request, error, following, proved)
    end_second_step(request, response)
    return response


async def set_app_up(request: Request) -> Response:
    """Add the first factor of an account that has to have one, and sign in with it."""
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    proved = await first_step(request)
    setup = None if proved is None else read_setup(request, form, proved.account)
    if proved is None or setup is None:
        return _begin_again(request, following)
    try:
        codes = await add_app_and_codes(request, form, proved.account, setup, first=True)
    except FactorRefused as error:
        return _setup_page(request, following, proved, setup, 422, form["name"], error)
    page = render(
        request,
        "recovery_codes.html",
        username=proved.account.username,
        codes=codes,
        added=True,
        following=following,
    )
    try:
        signed_in = proved._replace(amr=with_second(proved.amr, WITH_CODE))
        response = await enter(request, signed_in, following, page)
    except SignInRefused:
        return _begin_again(request, following)
    end_second_step(request, response)
    return response


def _setup_page(
    request: Request,
    following: str,
    proved: SignedIn,
    setup: AppSetup,
    status: int = 200,
    name: str = "",
    error: FactorRefused | None = None,
) -> Response:
    return render(
        request,
        "second_step_setup.html",
        status,
        following=following,
        username=proved.account.username,
        **setup_context(request, proved.account, setup, name, error),
    )


def _begin_again(request: Request, following: str) -> Response:
    return redirect(request, f"/sign-in?{urlencode({'continue': following, 'why': 'late'})}")


async def _refused(
    request: Request, error: SignInRefused, following: str, proved: SignedIn
) -> Response:
    if error.code == "code_wrong":
        text = gettext(
            "This code is wrong, or was used already. Wait for the next one, or use another way."
        )
        return await _page(request, following, proved, 401, error=text)
    if error.code == "passkey_wrong":
        text = gettext(PASSKEY_WRONG)
        return await _page(request, following, proved, 401, notice=text)
    headers = {"Retry-After": str(error.seconds)}
    if error.code == "too_many_failures":
        text = gettext("Too many wrong codes. Wait {wait}, then try again.").format(
            wait=duration(error.seconds)
        )
        return await _page(request, following, proved, 429, headers, notice=text)
    log_failure(request.scope, 503, error)
    return await _page(request, following, proved, 503, headers, notice=in_words(error))


async def _page(
    request: Request,
    following: str,
    proved: SignedIn,
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    error: str = "",
    notice: str = "",
) -> Response:
    service: Service = request.app.state.service
    return render(
        request,
        "second_step.html",
        status,
        headers,
        following=following,
        username=proved.account.username,
        by_password=proved.amr == PASSWORD,
        known_by=_known_by(service, proved),
        has_app="totp" in await service.factors.kinds(proved.account.id),
        ceremony=await ask_for_passkey(service, "second factor", proved.account),
        # A part of a day counts as one.
        remember_days=-(-service.remembered_browsers.seconds // 86_400)
        if may_be_remembered(service, proved.account)
        else 0,
        error=error,
        notice_text=notice,
    )


def _known_by(service: Service, proved: SignedIn) -> str:
    """Give what people call the provider that has said who they are, or "" for a password."""
    provider = service.upstream.by_issuer(proved.identified.issuer or "")
    return "" if provider is None else provider.label
