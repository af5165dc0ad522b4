"""Signing in with a provider, and connecting one with an account."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import Account, AccountRefused
from carnet.server.accounts.throttle import Delayed
from carnet.server.oauth.authorization_request import NotTheClient, read_query
from carnet.server.pages.forms import HOME, Form, local_path
from carnet.server.pages.provider_refusal import FACTORS, refused, told
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import ask_password, ask_second_step, enter
from carnet.server.pages.signed_in import require_recent, require_session
from carnet.server.pages.words import duration, in_words
from carnet.server.service import Service
from carnet.server.upstream.provider import Provider, UpstreamRefused
from carnet.server.web.bearer import origin_of
from carnet.server.web.known_devices import known_device
from carnet.server.web.password_sign_in import (
    SecondFactorNeeded,
    SignInRefused,
    complete,
)
from carnet.server.web.provider_sign_in import (
    Arrived,
    Begun,
    arrived,
    begun_at,
    forget_begun,
    forget_newcomer,
    keep_newcomer,
    newcomer,
    provider_named,
    send_to_provider,
)
from carnet.server.web.requests import read_form

__all__ = [
    "ask_username",
    "ask_whether_to_disconnect",
    "come_back",
    "connect",
    "disconnect",
    "forward_answer",
    "go_by_address",
    "go_to_provider",
    "take_username",
]

EXISTING: Final = "/sign-in/existing-account"
NEW_ACCOUNT: Final = "/sign-in/new-account"
READ: Final = ("state", "code", "iss", "error")
"""What is read of a provider's answer."""


async def go_to_provider(request: Request) -> Response:
    """Send somebody to the provider whose button they have pressed."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    provider = provider_named(service, form["provider"])
    try:
        return await send_to_provider(request, provider, following)
    except UpstreamRefused as error:
        return refused(request, provider, error, following)


async def go_by_address(request: Request) -> Response:
    """Send whoever types an address to the provider of its domain; ask all others for a password.

    Nothing here depends on whether there is an account.
    """
    service: Service = request.app.state.service
    form = await Form.read(request)
    following, typed = local_path(form["continue"], HOME), form["username"].strip()
    provider = service.upstream.by_address(typed)
    if provider is None:
        return await ask_password(request, following, typed)
    try:
        return await send_to_provider(request, provider, following, login_hint=typed)
    except UpstreamRefused as error:
        return refused(request, provider, error, following)


async def connect(request: Request) -> Response:
    """Send somebody who is signed in to a provider, to connect it with the account."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    provider = provider_named(service, form["provider"])
    try:
        return await send_to_provider(request, provider, FACTORS, session.account.id)
    except UpstreamRefused as error:
        return refused(request, provider, error, FACTORS)


async def forward_answer(request: Request) -> Response:
    """Take an answer that comes as a form to where it is one in a query.

    A browser does not send the cookie with another site's form. Of the form no more goes on than is
    read: a provider may add tokens to it, which have no place in an address.
    """
    provider = provider_named(request.app.state.service, request.path_params["name"])
    form = await read_form(request)
    answer: dict[str, str] = {name: form[name] for name in READ if name in form}
    return redirect(request, f"/sign-in/with/{provider.name}/callback?{urlencode(answer)}")


async def come_back(request: Request) -> Response:
    """Take a provider's answer, and sign in or connect whom it names."""
    service: Service = request.app.state.service
    provider = provider_named(service, request.path_params["name"])
    begun: Begun | None = None
    try:
        answer = _answer(request)
        begun = begun_at(request, provider, answer.get("state", ""))
        async with service.throttle.provider(origin_of(request).address) as attempt:
            found = await arrived(service, provider, begun, answer)
            attempt.succeed()
        if begun.account_id:
            response = await _connected(request, found, begun.account_id)
        else:
            response = await _entered(request, provider, found)
    except Delayed as error:
        following = HOME if begun is None else begun.following
        response = refused(request, provider, error, following, duration(error.seconds))
    except UpstreamRefused as error:
        following = HOME if begun is None else begun.following
        response = refused(request, provider, error, following)
    forget_begun(request, response)
    return response


async def ask_username(request: Request) -> Response:
    """Ask somebody whom a provider has signed in for a username."""
    found = newcomer(request)
    if found is None:
        return redirect(request, "/sign-in?why=late")
    return _username_page(request, found, found.username)


async def take_username(request: Request) -> Response:
    """Make the account of the name that was typed, and sign in; sent twice, it is made once."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    found = newcomer(request)
    if found is None:
        return redirect(request, "/sign-in?why=late")
    provider, typed = provider_named(service, found.provider), form["username"]
    if provider.settings.provision != "create":
        return redirect(request, "/sign-in?why=late")
    origin = origin_of(request)
    try:
        account = await service.people.arrive(found.said, found.rights, origin)
        if account is None:
            async with service.throttle.sign_up(origin.address):
                account = await service.people.create(found.said, found.rights, typed, origin)
        if account is None:
            raise UpstreamRefused("made at the same moment", code="account_changed")
        response = await _sign_in(request, found, account)
    except AccountRefused as error:
        return _username_page(request, found, typed, 422, in_words(error))
    except Delayed as error:
        wait = duration(error.seconds)
        return refused(request, provider, error, found.following, wait)
    except UpstreamRefused as error:
        return refused(request, provider, error, found.following)
    forget_newcomer(request, response)
    return response


async def ask_whether_to_disconnect(request: Request) -> Response:
    """Ask before a provider is disconnected."""
    service: Service = request.app.state.service
    session = await require_recent(request)
    asked = tuple(request.query_params.get(name, "") for name in ("issuer", "subject"))
    for one in await service.identities.of_account(session.account.id):
        provider = service.upstream.by_issuer(one.issuer)
        if provider is not None and (one.issuer, one.subject) == asked:
            return render(
                request,
                "provider_disconnect.html",
                session=session,
                label=provider.label,
                issuer=one.issuer,
                subject=one.subject,
            )
    raise HTTPException(404)


async def disconnect(request: Request) -> Response:
    """Disconnect a provider; one that is disconnected already is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    origin = origin_of(request, session.account.id)
    about = session.account.id, form["issuer"], form["subject"], session.session_id
    try:
        await service.people.disconnect(*about, origin)
    except UpstreamRefused as error:
        return told(request, "", error.code, FACTORS)
    return redirect(request, f"{FACTORS}?done=disconnected")


async def _entered(request: Request, provider: Provider, found: Arrived) -> Response:
    service: Service = request.app.state.service
    origin = origin_of(request)
    account = await service.people.arrive(found.said, found.rights, origin)
    if account is None and found.address and await service.addresses.holder(found.address):
        response = redirect(request, EXISTING)
        keep_newcomer(request, response, found)
        return response
    if account is None and provider.settings.provision != "create":
        raise UpstreamRefused(f"no account has {found.said.subject}", code="not_linked")
    if account is None and found.username:
        try:
            async with service.throttle.sign_up(origin.address):
                account = await service.people.create_by_name(
                    found.said, found.rights, found.username, origin
                )
        except AccountRefused:
            account = None
    if account is None:
        response = redirect(request, NEW_ACCOUNT)
        keep_newcomer(request, response, found)
        return response
    return await _sign_in(request, found, account)


async def _connected(request: Request, found: Arrived, account_id: str) -> Response:
    service: Service = request.app.state.service
    session = await require_session(request)
    if session.account.id != account_id:
        raise UpstreamRefused("somebody else is signed in now", code="not_begun_here")
    origin = origin_of(request, session.account.id)
    await service.people.connect(
        session.account, found.said, found.rights, session.session_id, origin
    )
    return redirect(request, f"{FACTORS}?done=connected")


async def _sign_in(request: Request, found: Arrived, account: Account) -> Response:
    service: Service = request.app.state.service
    device = known_device(request, account.username)
    try:
        proved = found.signed_in(account)
        async with complete(service, proved, origin_of(request), device) as signed_in:
            return await enter(request, signed_in, found.following)
    except SecondFactorNeeded as needed:
        return ask_second_step(request, needed, found.following)
    except SignInRefused as error:
        raise UpstreamRefused(str(error), code="account_changed") from None


def _answer(request: Request) -> dict[str, str]:
    try:
        given = read_query(request.url.query)
    except NotTheClient as error:
        raise UpstreamRefused(str(error), code="not_begun_here") from None
    if any(len(values) > 1 for values in given.values()):
        raise UpstreamRefused("a parameter is given more than once", code="not_begun_here")
    return {name: values[0] for name, values in given.items()}


def _username_page(
    request: Request, found: Arrived, typed: str, status: int = 200, error: str = ""
) -> Response:
    provider = provider_named(request.app.state.service, found.provider)
    return render(
        request,
        "provider_username.html",
        status,
        label=provider.label,
        typed=typed,
        error=error,
        following=found.following,
    )
