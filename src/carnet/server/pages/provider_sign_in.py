"""Signing in with a provider, and connecting one with an account."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlencode

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import Account, AccountRefused
from carnet.server.accounts.throttle import Delayed
from carnet.server.metrics import SIGN_INS
from carnet.server.oauth.authorization_request import NotTheClient, read_query
from carnet.server.pages.forms import HOME, Form, local_path
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import ask_second_step, duration, enter, in_words
from carnet.server.pages.signed_in import require_recent, require_session
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
    "go_to_provider",
    "take_username",
]

FACTORS: Final = "/me/factors"
NEW_ACCOUNT: Final = "/sign-in/new-account"
READ: Final = ("state", "code", "iss", "error")
"""What is read of a provider's answer."""

_log = structlog.get_logger()


class _Words(NamedTuple):
    """What a person is told; {label} stands for the provider."""

    status: int
    title: str
    text: str


WORDS: Final = {
    "unavailable": _Words(
        502, "{label} does not answer", "Try again in a moment, or sign in another way."
    ),
    "answer_wrong": _Words(
        502,
        "{label} has not answered as it should",
        "Nobody is signed in. Try again, or sign in another way; if it happens again, tell those "
        "who run this service.",
    ),
    "refused_there": _Words(
        403,
        "{label} has not signed you in",
        "You, or {label}, did not allow it. Try again, or sign in another way.",
    ),
    "not_begun_here": _Words(
        400,
        "This sign-in can't go on",
        "It was begun in another browser, was finished already, took too long, or another one was "
        "begun since. Begin again.",
    ),
    "not_asked_again": _Words(
        403,
        "{label} did not ask you again",
        "What you want to do needs a fresh sign-in. Sign out of {label} first, or sign in another "
        "way.",
    ),
    "level_not_reached": _Words(
        403,
        "{label} has asked for too little",
        "This service needs a stronger sign-in at {label}, such as one with a second factor.",
    ),
    "not_let_in": _Words(
        403,
        "This {label} account can't sign in here",
        "Sign in with another one, or ask those who run this service.",
    ),
    "not_linked": _Words(
        403,
        "No account here is connected to this {label} account",
        "If you have an account here, sign in to it another way, and connect {label} on its page "
        "“Sign-in”. If you have none, ask those who run this service.",
    ),
    "account_disabled": _Words(
        403, "Your account here is disabled", "Ask those who run this service."
    ),
    "identity_taken": _Words(
        409,
        "This {label} account is connected with another account",
        "Sign in with it to get to that one, and disconnect it there, or connect another.",
    ),
    "last_way_in": _Words(
        409,
        "You would no longer be able to sign in",
        "This is the only way to sign in to your account. Set a password, or add a passkey or "
        "another "
        "provider first.",
    ),
    "account_changed": _Words(
        409,
        "Your account was changed meanwhile",
        "Nothing was connected. Sign in again, and try once more.",
    ),
    "claims_unusable": _Words(
        502,
        "Your account can't hold what {label} says of you",
        "Tell those who run this service.",
    ),
    "too_long": _Words(
        400,
        "This sign-in can't go on",
        "What the program that sent you here asks for is too long to be kept meanwhile. Sign in "
        "another way.",
    ),
    "too_many_failures": _Words(429, "Too many failed attempts", "Wait {wait}, then try again."),
}


async def go_to_provider(request: Request) -> Response:
    """Send somebody to the provider whose button they have pressed."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    following = local_path(form["continue"], HOME)
    provider = provider_named(service, form["provider"])
    try:
        return await send_to_provider(request, provider, following)
    except UpstreamRefused as error:
        return _refused(request, provider, error, following)


async def connect(request: Request) -> Response:
    """Send somebody who is signed in to a provider, to connect it with the account."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    provider = provider_named(service, form["provider"])
    try:
        return await send_to_provider(request, provider, FACTORS, session.account.id)
    except UpstreamRefused as error:
        return _refused(request, provider, error, FACTORS)


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
        response = _refused(request, provider, error, following, duration(error.seconds))
    except UpstreamRefused as error:
        following = HOME if begun is None else begun.following
        response = _refused(request, provider, error, following)
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
        return _refused(request, provider, error, found.following, wait)
    except UpstreamRefused as error:
        return _refused(request, provider, error, found.following)
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
        return _told(request, "", error.code, FACTORS)
    return redirect(request, f"{FACTORS}?done=disconnected")


async def _entered(request: Request, provider: Provider, found: Arrived) -> Response:
    service: Service = request.app.state.service
    origin = origin_of(request)
    account = await service.people.arrive(found.said, found.rights, origin)
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
        proved = await complete(service, found.signed_in(account), origin_of(request), device)
        return await enter(request, proved, found.following)
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


def _refused(
    request: Request,
    provider: Provider,
    error: UpstreamRefused | Delayed,
    following: str,
    wait: str = "",
) -> Response:
    """Tell the person what they can do, and the operator the cause."""
    SIGN_INS.labels("refused").inc()
    level = _log.warning if WORDS[error.code].status >= 500 else _log.info
    level(
        "provider_sign_in_refused",
        provider=provider.name,
        reason=error.code,
        cause=str(error),
        address=origin_of(request).address,
    )
    return _told(request, provider.label, error.code, following, wait)


def _told(request: Request, label: str, code: str, following: str, wait: str = "") -> Response:
    words = WORDS[code]
    return render(
        request,
        "provider_refused.html",
        words.status,
        title=words.title.format(label=label),
        text=words.text.format(label=label, wait=wait),
        following=following,
        is_own=following == FACTORS,
    )
