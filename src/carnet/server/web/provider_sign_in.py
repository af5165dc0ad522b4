"""Signing in with a provider: what this browser keeps meanwhile, and what its answer comes to.

What the browser was sent there with stands in a cookie, signed: ``state``, which the answer has to
bring back, the nonce and the code verifier. So an answer counts in the browser that has asked for
it, once, and for ten minutes; nothing is stored for whoever only begins. Whoever is signed in
already, or is asked to prove it again, is asked again by the provider too.

Whom the provider names goes the way of a password that was right (``complete``): whoever has a
second factor is asked for it, unless the settings count what the provider has asked for.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from carnet.server.accounts.account_record import Account
from carnet.server.clock import SECOND
from carnet.server.factors.levels import AT_A_PROVIDER, AT_A_PROVIDER_WITH_SECOND_FACTOR
from carnet.server.oauth.authorization_request import NotTheClient, read_query
from carnet.server.service import Service
from carnet.server.sessions.identity_rights import Rights
from carnet.server.sessions.session_record import Identified
from carnet.server.upstream.mapping import (
    address_to_link,
    is_let_in,
    map_claims,
    proves_second_factor,
    username_of,
)
from carnet.server.upstream.provider import Asked, Asserted, Provider, UpstreamRefused
from carnet.server.web.browser_session import current
from carnet.server.web.own_cookies import forget_cookie, held_cookie, set_own_cookie
from carnet.server.web.password_sign_in import SignedIn
from carnet.server.web.requests import RequestRefused
from carnet.server.web.signed_state import read_state, write_state

__all__ = [
    "Arrived",
    "Begun",
    "arrived",
    "begun_at",
    "forget_begun",
    "forget_newcomer",
    "keep_newcomer",
    "newcomer",
    "provider_named",
    "send_to_provider",
    "use_up",
]

BEGUN: Final = "carnet-provider"
NEWCOMER: Final = "carnet-newcomer"
LIFETIME_SECONDS: Final = 600
MOST_COOKIE: Final = 3800
SIGN_IN_AGAIN: Final = frozenset(("login", "select_account"))


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """What a browser was sent to a provider with.

    Attributes:
        provider: its name.
        state: comes back with the answer.
        nonce: comes back in the ID token.
        verifier: of the code challenge.
        following: the path to go on to.
        account_id: whose account is to be connected, or "" for signing in.
        since: when this began, in microseconds since 1970.
        again: whether the person is to prove again who they are.
        max_age: how many seconds ago they may have done so, or None.
    """

    provider: str
    state: str
    nonce: str
    verifier: str
    following: str
    account_id: str
    since: int
    again: bool
    max_age: int | None


class Arrived(msgspec.Struct, frozen=True, array_like=True):
    """Somebody whom a provider has signed in, and what that comes to here.

    Attributes:
        provider: its name.
        said: what it says, of its claims no more than is needed later.
        amr: how they have signed in.
        authenticated_at: when, in microseconds since 1970.
        rights: what the provider gives them.
        username: for a new account, or "" where the provider has no name for them.
        following: the path to go on to.
        address: by which an account may be looked for that its owner then proves, or "".
        state: of the answer; it is of this sign-in alone.
    """

    provider: str
    said: Asserted
    amr: str
    authenticated_at: int
    rights: Rights
    username: str
    following: str
    address: str
    state: str

    def signed_in(self, account: Account) -> SignedIn:
        """Give what is proved, of an account."""
        by = Identified(self.said.issuer, self.said.subject, self.said.session_id)
        return SignedIn(account, self.amr, self.authenticated_at, by)


class _Demands(NamedTuple):
    """What an authorization request that waits wants of the sign-in."""

    again: bool = False
    max_age: int | None = None


def provider_named(service: Service, name: str) -> Provider:
    """Give the provider of a name.

    Raises:
        RequestRefused: 404.
    """
    provider = service.upstream.providers.get(name)
    if provider is None:
        raise RequestRefused("invalid_request", "there is nothing at this address", 404)
    return provider


async def send_to_provider(
    request: Request,
    provider: Provider,
    following: str,
    account_id: str = "",
    login_hint: str = "",
) -> Response:
    """Send a browser to a provider.

    Args:
        request: from that browser, from one of our own pages.
        provider: which.
        following: the path to go on to after it.
        account_id: whose account is to be connected, or "" for signing in.
        login_hint: the address that was typed, or "".

    Raises:
        UpstreamRefused: if it can't be sent there.
    """
    service: Service = request.app.state.service
    wanted = _demands(following)
    begun = Begun(
        provider=provider.name,
        state=secrets.token_urlsafe(24),
        nonce=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(32),
        following=following,
        account_id=account_id,
        since=service.clock(),
        # For whoever is signed in, the page means: prove it again, or become somebody else.
        again=wanted.again or (not account_id and await current(request) is not None),
        max_age=wanted.max_age,
    )
    speaking = service.upstream.speaking(provider)
    asked = _asked(service, begun)._replace(login_hint=login_hint)
    address = await speaking.address(asked)
    response = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
    _keep(request, response, BEGUN, begun)
    return response


def begun_at(request: Request, provider: Provider, state: str) -> Begun:
    """Give what this browser was sent to a provider with, where it brings that's answer.

    Args:
        request: from that browser.
        provider: which has answered.
        state: what it has brought back.

    Raises:
        UpstreamRefused: ``not_begun_here``.
    """
    begun: Begun | None = _kept(request, BEGUN, Begun)
    if begun is None or not hmac.compare_digest(begun.state.encode(), _bytes(state)):
        raise UpstreamRefused("this browser has not asked for it", code="not_begun_here")
    if begun.provider != provider.name:
        raise UpstreamRefused("it was asked of another provider", code="not_begun_here")
    return begun


async def arrived(
    service: Service, provider: Provider, begun: Begun, answer: dict[str, str]
) -> Arrived:
    """Read what a provider says of somebody, once, and what that comes to.

    Raises:
        UpstreamRefused: with the reason as its code.
    """
    settings = provider.settings
    lifetime = LIFETIME_SECONDS * SECOND
    if not await service.used_once.first_use("provider", begun.state, microseconds=lifetime):
        raise UpstreamRefused("the answer was brought before", code="not_begun_here")
    said = await service.upstream.speaking(provider).read(answer, _asked(service, begun))
    if not is_let_in(settings, said.claims):
        raise UpstreamRefused(
            "its claims do not meet `required` of the provider", code="not_let_in"
        )
    mapped = map_claims(settings, provider.kind, said.claims, service.settings.admin_role)
    moment = service.clock() if said.authenticated_at is None else said.authenticated_at
    enough = proves_second_factor(settings, said.claims)
    return Arrived(
        provider=provider.name,
        said=said,
        amr=AT_A_PROVIDER_WITH_SECOND_FACTOR if enough else AT_A_PROVIDER,
        # That they have proved it again since then was checked, to within what clocks may differ.
        authenticated_at=max(moment, begun.since) if begun.again else moment,
        rights=Rights(mapped.roles, mapped.claims),
        username=username_of(provider.kind, said.claims),
        following=begun.following,
        address=address_to_link(settings, provider.kind, said.claims),
        state=begun.state,
    )


def keep_newcomer(request: Request, response: Response, arrived: Arrived) -> None:
    """Keep with the browser whom a provider has signed in, until there is a name for the account.

    Raises:
        UpstreamRefused: if it is more than a cookie can hold.
    """
    names = ("preferred_username", "email", "name")
    few = {name: arrived.said.claims[name] for name in names if name in arrived.said.claims}
    _keep(
        request,
        response,
        NEWCOMER,
        # A browser is given no token of a provider's.
        msgspec.structs.replace(arrived, said=arrived.said._replace(claims=few, refresh_token="")),
    )


def newcomer(request: Request) -> Arrived | None:
    """Give whom a provider has signed in with this browser just now, and who has no account."""
    found: Arrived | None = _kept(request, NEWCOMER, Arrived)
    return found


async def use_up(service: Service, arrived: Arrived) -> None:
    """Write down that an account is being connected for this sign-in; that happens once.

    Raises:
        UpstreamRefused: ``not_begun_here``.
    """
    lifetime = LIFETIME_SECONDS * SECOND
    names = ("provider linked", arrived.state)
    if not await service.used_once.first_use(*names, microseconds=lifetime):
        raise UpstreamRefused("it was connected before", code="not_begun_here")


def forget_begun(request: Request, response: Response) -> None:
    """Take the cookie away that holds what this browser was sent to a provider with."""
    forget_cookie(request, response, BEGUN)


def forget_newcomer(request: Request, response: Response) -> None:
    """Take the cookie of ``keep_newcomer`` away."""
    forget_cookie(request, response, NEWCOMER)


def _asked(service: Service, begun: Begun) -> Asked:
    own = service.settings.own_url
    return Asked(
        state=begun.state,
        nonce=begun.nonce,
        verifier=begun.verifier,
        redirect_uri=f"{own}/sign-in/with/{begun.provider}/callback",
        again=begun.again,
        max_age=begun.max_age,
        since=begun.since,
    )


def _demands(following: str) -> _Demands:
    path, _, query = following.partition("?")
    if path != "/authorize":
        return _Demands()
    try:
        given = {name: values[0] for name, values in read_query(query).items()}
    except NotTheClient:
        # It will be refused there.
        return _Demands()
    age = given.get("max_age", "")
    return _Demands(
        again=not SIGN_IN_AGAIN.isdisjoint(given.get("prompt", "").split()),
        max_age=int(age) if age.isascii() and age.isdigit() and len(age) < 10 else None,
    )


def _keep(request: Request, response: Response, name: str, content: msgspec.Struct) -> None:
    service: Service = request.app.state.service
    text = write_state(service, content, LIFETIME_SECONDS)
    if len(text) > MOST_COOKIE:
        raise UpstreamRefused("it is more than a cookie can hold", code="too_long")
    # Not strict: the provider sends the browser back.
    set_own_cookie(request, response, name, text, LIFETIME_SECONDS)


def _kept(request: Request, name: str, kind: type[Any]) -> Any:
    service: Service = request.app.state.service
    text = held_cookie(request, name)
    return read_state(service, text, kind) if text else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
