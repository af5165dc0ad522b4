"""The authorization endpoint: where a person lets a client in (RFC 6749 section 3.1).

A request is read, the person signs in where needed, is asked for consent where needed, and the
client is answered. What the consent page sends goes the same way, with the decision in its hand.
Where nobody has registered the client, the person signs in first: nothing is fetched for a
stranger, and no stranger is sent anywhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.server.accounts.throttle import Delayed
from carnet.server.clients.acting import programs_that_may_act
from carnet.server.clients.clients import Client
from carnet.server.clients.own_pages import own_pages
from carnet.server.clients.unregistered import UnregisteredKind, shown_name, unregistered_kind
from carnet.server.clock import SECOND
from carnet.server.factors.levels import ACR_VALUES, acr_of, demanded_of, highest, reaches
from carnet.server.languages import gettext
from carnet.server.oauth.authorization_request import (
    AuthorizationRefused,
    AuthorizationRequest,
    NotTheClient,
    read_authorization_request,
    read_client_id,
    read_query,
    refusal,
)
from carnet.server.oauth.client_metadata_documents import DocumentRefused
from carnet.server.oauth.counting_parameters import (
    NotCounting,
    pushed_parameters,
    pushed_uri,
    signed_parameters,
)
from carnet.server.oauth.pushed_requests import USED_KEPT
from carnet.server.pages.authorization_answer import answer_client
from carnet.server.pages.error_page import error_page
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import step_up
from carnet.server.pages.words import cause_in_words
from carnet.server.service import Service
from carnet.server.sessions.session_record import HERE
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession, current
from carnet.server.web.page_language import speak_as_asked
from carnet.server.web.requests import read_form

__all__ = ["authorize", "decide", "forward_authorize"]

# The service adds it to the address that the sign-in page leads back to: the moment after which a
# password is new enough, with its MAC.
REAUTHENTICATED_SINCE: Final = "reauthenticated_since"
# The same for the page that asks for a second factor, where no new password is wanted.
FIRST_SEEN: Final = "first_seen"
REAUTHENTICATION_SECONDS: Final = 3600
# A sign-in that a request has demanded counts for so long, however few seconds its max_age allows:
# there has to be time for a second factor, and for reading what is asked.
AFTER_SIGN_IN_SECONDS: Final = 600
# What tells a client's requests apart.
UNIQUE: Final = ("client_id", "code_challenge", "nonce", "state", "request", "request_uri")
FRAMES: Final = frozenset(("iframe", "frame", "fencedframe", "embed", "object"))
UI_LOCALES: Final = "ui_locales"
SIGN_IN_AGAIN: Final = frozenset(("login", "select_account"))


class _Asked(NamedTuple):
    """What a client asks for, read once.

    Attributes:
        service: the service.
        query: as it came.
        given: its parameters, each with all the values that it was given.
        client: who asks.
        request: what for.
    """

    service: Service
    query: str
    given: Mapping[str, Sequence[str]]
    client: Client
    request: AuthorizationRequest

    def refusal(self, error: str, description: str) -> AuthorizationRefused:
        """Make the error that the client is told."""
        return AuthorizationRefused(
            error,
            description,
            self.client,
            self.request.redirect_uri,
            self.request.state,
            self.request.response_mode,
        )


class _SignInFirst(Exception):
    """Nobody is signed in, and so the client is not looked at."""


async def authorize(request: Request) -> Response:
    """Sign the person in where needed, ask for consent where needed, and answer the client."""
    return await _answer(request, request.url.query)


async def forward_authorize(request: Request) -> Response:
    """Take a request in a form to where it is one in a query.

    A browser does not send the cookie with another site's form, and would look signed out.
    """
    return redirect(request, f"/authorize?{urlencode(await read_form(request))}")


async def decide(request: Request) -> Response:
    """Take what the person has answered on the page that asks for consent."""
    form = await Form.read(request)
    return await _answer(request, form["request"], form)


async def _answer(request: Request, query: str, decision: Form | None = None) -> Response:
    try:
        asked = await _read(request, query, decided=decision is not None)
        if decision is None:
            return await _proceed(request, asked)
        return await _decide(request, asked, decision)
    except _SignInFirst:
        given = read_query(query)
        return _sign_in(request, given, next(iter(given.get("login_hint", ())), None))
    except NotTheClient as error:
        return _tell_person(request, cause_in_words(str(error)), 400)
    except DocumentRefused as error:
        text = gettext("What the program at {host} publishes about itself {cause}.")
        return _tell_person(request, text.format(host=error.host, cause=error), error.status)
    except Delayed as error:
        text = "too many programs that are not known here have been looked up for you"
        headers = {"Retry-After": str(error.seconds)}
        return _tell_person(request, cause_in_words(text), 429, headers)
    except AuthorizationRefused as error:
        if decision is None and error.leads_astray:
            host = urlsplit(error.redirect_uri).netloc
            text = gettext("The program at {host} has asked for what it can't have: {cause}.")
            return _tell_person(request, text.format(host=host, cause=error), 400)
        content = {"error": error.code, "error_description": str(error), "state": error.state}
        return await answer_client(
            request, error.client, error.redirect_uri, error.response_mode, content
        )


async def _read(request: Request, query: str, *, decided: bool) -> _Asked:
    service: Service = request.app.state.service
    registry, given = service.registry, read_query(query)
    client_id = read_client_id(given)
    client = registry.client(client_id)
    kind = unregistered_kind(client_id)
    if client is None and kind is not None:
        client = await _unregistered(request, kind, client_id, given)
    if client is None:
        raise NotTheClient("the client that sent you here is not known", code="invalid_client")
    counting = _counting(service, given, client, decided=decided)
    if UI_LOCALES in counting:
        # What was pushed or signed is wanted of the pages on the way, too.
        given = {**given, UI_LOCALES: list(counting[UI_LOCALES])}
        speak_as_asked(request, {UI_LOCALES: next(iter(counting[UI_LOCALES]), "")})
    asked = read_authorization_request(
        *(counting, client, registry.audiences_of, registry.permitted, registry.spelled),
    )
    return _Asked(service, query, given, client, asked)


def _counting(
    service: Service, given: Mapping[str, Sequence[str]], client: Client, *, decided: bool
) -> Mapping[str, Sequence[str]]:
    """Give the parameters that count."""
    # What was pushed or signed may be good for a minute, and people take longer to sign in and to
    # read: what counts is when the service has seen it first.
    seen_at = _first_seen(service, given) or service.clock()
    issuer = service.settings.own_url
    try:
        pushed = pushed_parameters(given, client, service.pushed_requests, seen_at, decided=decided)
        if pushed is not None:
            return pushed
        return signed_parameters(given, client, issuer, seen_at, decided=decided)
    except NotCounting as error:
        raise refusal(given, client, error.code, str(error)) from None


async def _unregistered(
    request: Request, kind: UnregisteredKind, client_id: str, given: Mapping[str, Sequence[str]]
) -> Client | None:
    """Give a client that nobody has registered, for somebody who is signed in.

    For a stranger no document is fetched, nobody is sent on to an address that nobody vouches for
    (RFC 9700 section 4.11.2), and nobody learns which of these clients are known here.
    """
    service: Service = request.app.state.service
    if kind == "document" and not service.registry.open_audiences:
        return None
    session = await _signed_in(request)
    if session is None and "none" in given.get("prompt", ()):
        raise NotTheClient("nobody is signed in")
    if session is None:
        raise _SignInFirst
    if kind == "dynamic":
        return await service.registry.unregistered.find(client_id)
    origin = origin_of(request, session.account.id)
    return await service.documents.find(client_id, session.account.id, origin)


async def _signed_in(request: Request) -> BrowserSession | None:
    """Give the session of the browser, but not in a frame.

    Nobody counts as signed in where the answer goes into a frame. Otherwise a script that was
    injected into a client's page could get tokens of its own by a frame that nobody sees
    (RFC 10017 section 5.1.3).
    """
    return None if request.headers.get("sec-fetch-dest") in FRAMES else await current(request)


async def _proceed(request: Request, asked: _Asked) -> Response:
    silent = "none" in asked.request.prompts
    session = await _signed_in(request)
    if session is None or not _is_recent(asked, session):
        if silent:
            raise asked.refusal("login_required", "nobody is signed in, or not recently enough")
        return _sign_in(request, asked.given, asked.request.login_hint)
    if not _is_strong(asked, session):
        if silent:
            raise asked.refusal("interaction_required", "this needs a second factor")
        return await _step_up(request, asked, session)
    if await _needs_consent(asked, session):
        if silent:
            raise asked.refusal("consent_required", "the person has not agreed to this yet")
        return _ask(request, asked, session)
    return await _give_code(request, asked, session)


async def _decide(request: Request, asked: _Asked, decision: Form) -> Response:
    session = await current(request)
    is_same = session is not None and session.account.id == decision["account"]
    if session is None or not is_same or not _is_recent(asked, session):
        # Somebody else has signed in since the page was shown, or it was not shown at all.
        return _sign_in(request, asked.given, asked.request.login_hint)
    if not _is_strong(asked, session):
        return await _step_up(request, asked, session)
    if decision["decision"] != "allow":
        await _use_up(asked)
        raise asked.refusal("access_denied", "the person did not allow it")
    await asked.service.consents.grant(
        *(session.account.id, asked.client.id, asked.request.audience, asked.request.scope),
        origin_of(request, session.account.id),
    )
    return await _give_code(request, asked, session)


def _is_recent(asked: _Asked, session: BrowserSession) -> bool:
    """Tell whether the right person has signed in, and recently enough for the request."""
    service, request = asked.service, asked.request
    signed_in_at = session.authenticated_at
    since = _moment(service, asked.given, REAUTHENTICATED_SINCE)
    is_new = since is not None and signed_in_at >= since
    if not _is_expected(asked, session.account.id):
        if is_new:
            raise asked.refusal("login_required", "somebody else has signed in")
        return False
    age = service.clock() - signed_in_at
    demands_new = bool(request.prompts & SIGN_IN_AGAIN)
    if is_new:
        longest = max(request.max_age or 0, AFTER_SIGN_IN_SECONDS) * SECOND
        return age <= longest or not (demands_new or request.max_age is not None)
    # Of a provider's people, when they signed in there counts: that may be before they were sent.
    if demands_new or (since is not None and session.identified == HERE):
        return False
    return request.max_age is None or age <= request.max_age * SECOND


def _is_strong(asked: _Asked, session: BrowserSession) -> bool:
    """Tell whether the sign-in amounts to what the request, the client and the role demand."""
    wanted = [acr for acr in ACR_VALUES if acr in asked.request.acr_values]
    demanded = highest(
        # Of several that will do, the lowest.
        *wanted[:1],
        asked.client.metadata.required_acr,
        demanded_of(session.account.roles, asked.service.settings),
    )
    return reaches(acr_of(session.amr), demanded)


def _is_expected(asked: _Asked, account_id: str) -> bool:
    """Tell whether it is whom the client expects, if it expects anybody."""
    service, request = asked.service, asked.request
    own = service.subjects.of(asked.client, account_id)
    if request.id_token_hint is not None:
        try:
            hint = service.id_tokens.read_hint(request.id_token_hint)
        except InvalidToken:
            raise asked.refusal("invalid_request", "the id_token_hint is not valid") from None
        # Each client has its own name for somebody, where it has not the same as all.
        other = None if hint["aud"] == asked.client.id else service.registry.client(hint["aud"])
        if hint.subject != (own if other is None else service.subjects.of(other, account_id)):
            return False
    return not request.subjects or own in request.subjects


async def _needs_consent(asked: _Asked, session: BrowserSession) -> bool:
    client, request = asked.client, asked.request
    if "consent" in request.prompts:
        return True
    return await asked.service.consents.is_needed(
        session.account.id, client, request.redirect_uri, request.audience, request.scope
    )


def _sign_in(
    request: Request, given: Mapping[str, Sequence[str]], login_hint: str | None
) -> Response:
    """Lead to the sign-in page, and from there back to the same request."""
    service: Service = request.app.state.service
    following = {"continue": _again(service, given, REAUTHENTICATED_SINCE)}
    if login_hint is not None:
        following["login_hint"] = login_hint
    return redirect(request, f"/sign-in?{urlencode(following)}")


async def _step_up(request: Request, asked: _Asked, session: BrowserSession) -> Response:
    """Lead to the page that asks for a second factor, and from there back to the same request."""
    return await step_up(request, session, _again(asked.service, asked.given, FIRST_SEEN))


def _again(service: Service, given: Mapping[str, Sequence[str]], name: str) -> str:
    """Write the address of the same request, with a parameter that holds a moment and its MAC.

    The moment is now; for ``first_seen`` it stays the one that is there already.
    """
    seen = _first_seen(service, given) if name == FIRST_SEEN else None
    moment = seen or service.clock()
    mac = _mac(service, given, name, moment, service.keys.pepper_id)
    # Of what stands twice, both: a request that is not looked at yet is not put right either.
    pairs = [(one, value) for one, values in given.items() for value in values if one != name]
    return f"/authorize?{urlencode([*pairs, (name, f'{moment}.{mac}')])}"


def _first_seen(service: Service, given: Mapping[str, Sequence[str]]) -> int | None:
    """Give when the browser came with a request, where it has been sent away and is back."""
    return _moment(service, given, REAUTHENTICATED_SINCE) or _moment(service, given, FIRST_SEEN)


def _moment(service: Service, given: Mapping[str, Sequence[str]], name: str) -> int | None:
    """Read the moment at which this service sent this very request away to a page of its own.

    Anybody can write into an address: without the MAC, whoever finds a browser signed in could say
    that the password is new enough.
    """
    text, _, mac = next(iter(given.get(name, ())), "").partition(".")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    moment = int(text)
    if not moment <= service.clock() <= moment + REAUTHENTICATION_SECONDS * SECOND:
        return None
    known = any(
        hmac.compare_digest(_mac(service, given, name, moment, pepper_id).encode(), mac.encode())
        for pepper_id in service.keys.peppers
    )
    return moment if known else None


def _mac(
    service: Service,
    given: Mapping[str, Sequence[str]],
    name: str,
    moment: int,
    pepper_id: int,
) -> str:
    key = hmac.digest(service.keys.peppers[pepper_id], b"carnet reauthentication", "sha256")
    about = [next(iter(given.get(name, ())), "") for name in UNIQUE]
    said = json_encode([name, moment, *about])
    return b64url_encode(hmac.digest(key, said, "sha256")[:16])


def _ask(request: Request, asked: _Asked, session: BrowserSession) -> Response:
    """Ask for consent."""
    registry, client = asked.service.registry, asked.client
    audience, parts = asked.request.audience, urlsplit(asked.request.redirect_uri)
    # What stands behind another scheme looks like a host, and is the app's own to choose.
    is_web = parts.scheme in ("https", "http")
    goes_to = parts.netloc
    if not is_web:
        goes_to = gettext("an app on this device ({scheme})").format(scheme=parts.scheme)
    name = client.metadata.client_name
    if client.unregistered:
        name = shown_name(name)
        if parts.scheme == "http":
            # Such a client has no plain http elsewhere.
            goes_to = gettext("a program on this device ({address})").format(address=goes_to)
    return render(
        request,
        "consent_unregistered.html" if client.unregistered else "consent.html",
        session=session,
        client_name=name or client.id,
        claimed_name=name,
        client_host=urlsplit(client.id).netloc,
        on_this_device=parts.scheme != "https",
        goes_to=goes_to,
        audience=audience,
        scopes=registry.scopes.describe(asked.request.scopes, registry.resource(audience)),
        programs=programs_that_may_act(registry, audience, asked.request.scopes),
        own_pages=own_pages(client),
        query=asked.query,
    )


async def _give_code(request: Request, asked: _Asked, session: BrowserSession) -> Response:
    await _use_up(asked)
    if asked.client.unregistered:
        await asked.service.registry.unregistered.note_use(asked.client)
    code = await asked.service.codes.issue(
        *(asked.request, session.account.id, session.session_id),
        *(session.authenticated_at, session.amr),
    )
    parameters = {"code": code, "state": asked.request.state}
    return await answer_client(
        *(request, asked.client, asked.request.redirect_uri, asked.request.response_mode),
        parameters,
    )


async def _use_up(asked: _Asked) -> None:
    """Use up what the client has pushed, once the person has decided (RFC 9126 section 7.3)."""
    pushed = pushed_uri(asked.given)
    if pushed is not None and not await asked.service.used_once.first_use(
        "pushed", asked.client.id, pushed, microseconds=USED_KEPT
    ):
        raise asked.refusal("invalid_request_uri", "the request_uri was used before")


def _tell_person(
    request: Request, text: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    return error_page(
        request,
        gettext("This sign-in can't go on"),
        gettext(
            "{cause} Nothing has been sent anywhere. Go back to the program that sent you here; if "
            "this happens again, tell those who run it."
        ).format(cause=text),
        status,
        headers,
    )
