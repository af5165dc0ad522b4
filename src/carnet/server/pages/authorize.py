"""The authorization endpoint: where a person lets a client in (RFC 6749 section 3.1).

The answer names the issuer (RFC 9207), so that a client of several servers can't be led to take the
code of one to another.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.server.clients.clients import Client
from carnet.server.clock import SECOND
from carnet.server.oauth.authorization_request import (
    MARK,
    AuthorizationRefused,
    AuthorizationRequest,
    NotTheClient,
    read_authorization_request,
    read_query,
    with_parameters,
)
from carnet.server.pages.error_page import error_page
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession, current
from carnet.server.web.requests import read_form

__all__ = ["authorize", "decide", "forward_authorize"]

MARK_SECONDS: Final = 3600
FRAMES: Final = frozenset(("iframe", "frame", "fencedframe", "embed", "object"))
SIGN_IN_AGAIN: Final = frozenset(("login", "select_account"))
ANSWERED: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


async def authorize(request: Request) -> Response:
    """Sign the person in where needed, ask for consent where needed, and answer the client."""
    try:
        asked, client = _read(request, request.url.query)
        return await _proceed(request, asked, client)
    except NotTheClient as error:
        return _told(request, error)
    except AuthorizationRefused as error:
        return _refused(request, error)


async def forward_authorize(request: Request) -> Response:
    """Take a request in a form to where it is one in a query.

    A browser does not send the cookie with another site's form, and would look signed out.
    """
    return redirect(request, f"/authorize?{urlencode(await read_form(request))}")


async def decide(request: Request) -> Response:
    """Take what the person has answered on the page that asks for consent."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    try:
        asked, client = _read(request, form["request"])
        session = await current(request)
        is_same = session is not None and session.account.id == form["account"]
        if session is None or not is_same or not _is_recent(request, asked, session):
            # Somebody else has signed in since the page was shown, or it was not shown at all.
            return _sign_in(request, asked, form["request"])
        if form["decision"] != "allow":
            raise _refusal(asked, "access_denied", "the person did not allow it")
        await service.consents.grant(
            *(session.account.id, client.id, asked.audience, asked.scope),
            origin_of(request, session.account.id),
        )
        return await _answer(request, asked, session)
    except NotTheClient as error:
        return _told(request, error)
    except AuthorizationRefused as error:
        return _refused(request, error)


def _read(request: Request, query: str) -> tuple[AuthorizationRequest, Client]:
    service: Service = request.app.state.service
    registry = service.registry
    asked = read_authorization_request(
        read_query(query), registry.client, registry.audiences_of, registry.permitted
    )
    client = registry.client(asked.client_id)
    if client is None:
        raise NotTheClient("the client that sent you here is not known", code="invalid_client")
    return asked, client


async def _proceed(request: Request, asked: AuthorizationRequest, client: Client) -> Response:
    silent = "none" in asked.prompts
    session = None if _is_framed(request) else await current(request)
    if session is None or not _is_recent(request, asked, session):
        if silent:
            raise _refusal(asked, "login_required", "nobody is signed in, or not recently enough")
        return _sign_in(request, asked, request.url.query)
    if await _needs_consent(request, asked, client, session):
        if silent:
            raise _refusal(asked, "consent_required", "the person has not agreed to this yet")
        return _ask(request, asked, client, session)
    return await _answer(request, asked, session)


def _is_framed(request: Request) -> bool:
    """Tell whether the answer goes into a frame, where nobody counts as signed in.

    Otherwise a script that was injected into a client's page could get tokens of its own by a frame
    that nobody sees (RFC 10017 section 5.1.3).
    """
    return request.headers.get("sec-fetch-dest") in FRAMES


def _is_recent(request: Request, asked: AuthorizationRequest, session: BrowserSession) -> bool:
    """Tell whether the right person has signed in, and recently enough for the request."""
    service: Service = request.app.state.service
    signed_in_at, since = session.authenticated_at, _since(service, asked)
    is_new = since is not None and signed_in_at >= since
    if asked.id_token_hint is not None:
        try:
            expected = service.id_tokens.read_hint(asked.id_token_hint).subject
        except InvalidToken:
            raise _refusal(asked, "invalid_request", "the id_token_hint is not good") from None
        if expected != session.account.id:
            if is_new:
                raise _refusal(asked, "login_required", "somebody else has signed in")
            return False
    if is_new:
        return True
    if asked.prompts & SIGN_IN_AGAIN or since is not None:
        return False
    return asked.max_age is None or signed_in_at + asked.max_age * SECOND >= service.clock()


def _since(service: Service, asked: AuthorizationRequest) -> int | None:
    """Read the moment at which this service sent this very request to the sign-in page.

    Anybody can write into an address: without the MAC, whoever finds a browser signed in could say
    that the password is new enough.
    """
    text, _, mac = asked.mark.partition(".")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    moment = int(text)
    if not moment <= service.clock() <= moment + MARK_SECONDS * SECOND:
        return None
    known = any(
        hmac.compare_digest(_mac(service, asked, moment, pepper_id).encode(), mac.encode())
        for pepper_id in service.keys.peppers
    )
    return moment if known else None


def _mac(service: Service, asked: AuthorizationRequest, moment: int, pepper_id: int) -> str:
    key = hmac.digest(service.keys.peppers[pepper_id], b"carnet sign-in mark", "sha256")
    said = json_encode([moment, asked.client_id, asked.challenge])
    return b64url_encode(hmac.digest(key, said, "sha256")[:16])


async def _needs_consent(
    request: Request, asked: AuthorizationRequest, client: Client, session: BrowserSession
) -> bool:
    service: Service = request.app.state.service
    if "consent" in asked.prompts:
        return True
    return await service.consents.is_needed(
        session.account.id, client, asked.redirect_uri, asked.audience, asked.scope
    )


def _sign_in(request: Request, asked: AuthorizationRequest, query: str) -> Response:
    """Lead to the sign-in page, and from there back to the same request."""
    service: Service = request.app.state.service
    one = {name: values[0] for name, values in read_query(query).items()}
    now = service.clock()
    one[MARK] = f"{now}.{_mac(service, asked, now, service.keys.pepper_id)}"
    following = f"/authorize?{urlencode(one)}"
    given = {"continue": following}
    if asked.login_hint is not None:
        given["login_hint"] = asked.login_hint
    return redirect(request, f"/sign-in?{urlencode(given)}")


def _ask(
    request: Request, asked: AuthorizationRequest, client: Client, session: BrowserSession
) -> Response:
    service: Service = request.app.state.service
    registry, parts = service.registry, urlsplit(asked.redirect_uri)
    return render(
        request,
        "consent.html",
        session=session,
        client_name=client.metadata.client_name or client.id,
        goes_to=parts.netloc or f"an app on this device ({parts.scheme})",
        audience=asked.audience,
        scopes=registry.scopes.describe(asked.scopes, registry.resource(asked.audience)),
        query=request.url.query,
    )


async def _answer(
    request: Request, asked: AuthorizationRequest, session: BrowserSession
) -> Response:
    service: Service = request.app.state.service
    code = await service.codes.issue(
        asked, session.account.id, session.session_id, session.authenticated_at
    )
    return _back(request, asked.redirect_uri, {"code": code, "state": asked.state})


def _refusal(asked: AuthorizationRequest, error: str, description: str) -> AuthorizationRefused:
    return AuthorizationRefused(error, description, asked.redirect_uri, asked.state)


def _refused(request: Request, error: AuthorizationRefused) -> Response:
    content = {"error": error.code, "error_description": str(error), "state": error.state}
    return _back(request, error.redirect_uri, content)


def _back(request: Request, address: str, parameters: dict[str, str | None]) -> Response:
    """Send the browser back to the client, which learns who answers (RFC 9207)."""
    service: Service = request.app.state.service
    location = with_parameters(address, {**parameters, "iss": service.settings.own_url})
    # 303: what was typed here never goes on to the client (RFC 9700 section 4.12).
    response = RedirectResponse(location, 303, ANSWERED)
    # Starlette would encode it again; the client gets its address as it has registered it.
    response.headers["location"] = location
    return response


def _told(request: Request, error: NotTheClient) -> Response:
    text = str(error)
    return error_page(
        request,
        "This sign-in can't go on",
        f"{text[:1].upper()}{text[1:]}. Nothing has been sent anywhere. Go back to the program "
        "that sent you here; if this happens again, tell those who run it.",
        400,
    )
