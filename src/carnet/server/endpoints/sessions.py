"""Signing in and out, and seeing to one's sessions: ``/sessions``."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.passwords import MAX_PASSWORD
from carnet.server.clients.clients import FIRST_PARTY_CLIENT
from carnet.server.clock import SECOND
from carnet.server.endpoints.token.answer import first_audience, token_answer
from carnet.server.metrics import SIGN_INS
from carnet.server.service import Service
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession, Session
from carnet.server.web.bearer import origin_of, session_claims, token_claims
from carnet.server.web.cookie_mode import (
    cookie_mode,
    forget_tokens,
    held_refresh_token,
    tokens_in_cookies,
)
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof
from carnet.server.web.known_devices import known_device
from carnet.server.web.password_sign_in import SecondFactorNeeded, SignInRefused, sign_in
from carnet.server.web.requests import NO_STORE, RequestRefused, answer, read_json
from carnet.server.web.session_begin import begin_session_of

__all__ = [
    "begin_session",
    "end_current_session",
    "end_session",
    "end_sessions",
    "list_sessions",
    "session_document",
]


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /sessions``.

    Attributes:
        username: the account's, or an address that it has proved; case, width and white space
            around it make no difference.
        password: the account's password.
        code: of the account's second factor, where it has one: what an authenticator app shows, or
            a recovery code.
        resource: the audience of the access token, the issuer for this API; by default the first
            of the setting audiences.
        expires_in: seconds that the access token shall be good for, at most the setting.
    """

    username: Annotated[str, Meta(max_length=1024)]
    password: Annotated[str, Meta(max_length=MAX_PASSWORD)]
    code: Annotated[str, Meta(max_length=64)] = ""
    resource: str | None = None
    expires_in: Annotated[int, Meta(ge=1)] | None = None


async def begin_session(request: Request) -> Response:
    """Sign in with a username and a password, and with a code where there is a second factor."""
    service: Service = request.app.state.service
    in_cookies = cookie_mode(request)
    given = await read_json(request, SignIn)
    audience = first_audience(service, given.resource)
    proof = prove_at_token_endpoint(request, FIRST_PARTY_CLIENT)
    origin = origin_of(request)
    name = await service.addresses.username_of(given.username)
    device = known_device(request, name)
    is_new = service.outbox.is_open and not (
        device or await service.throttle.is_familiar(name, origin.address)
    )
    thumbprint = "" if proof is None else proof.thumbprint
    new_session = NewSession(FIRST_PARTY, audience, key_thumbprint=thumbprint)
    signing_in = sign_in(service, name, given.password, origin, device, given.code)
    try:
        async with signing_in as signed_in:
            if proof is not None:
                await use_proof(service, proof)
            grant = await begin_session_of(
                service, signed_in, new_session, origin, is_new_device=is_new
            )
    except SecondFactorNeeded as error:
        raise RequestRefused(error.code, str(error), 401) from None
    except SignInRefused as error:
        raise _refused(error) from None
    SIGN_INS.labels("accepted").inc()
    if in_cookies and (held := held_refresh_token(request)) is not None:
        # Its cookies are overwritten: nobody could end that session any more.
        await service.sessions.end_by_refresh_token(held, "signed_in_again", origin)
    content = token_answer(service, grant, None, given.expires_in, thumbprint)
    return tokens_in_cookies(request, content, 201) if in_cookies else answer(content, 201)


async def list_sessions(request: Request) -> Response:
    """Give the sessions of whoever asks, the one used last first."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    sessions = await service.sessions.of_account(claims["sub"])
    return answer({"sessions": [session_document(one, claims["sid"]) for one in sessions]})


async def end_sessions(request: Request) -> Response:
    """End all sessions of whoever asks, or with ``?keep=current`` all others."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    parameters = request.query_params.multi_items()
    if parameters not in ([], [("keep", "current")]):
        raise RequestRefused("invalid_request", "the only parameter is keep=current")
    keep = claims["sid"] if parameters else ""
    origin = origin_of(request, claims["sub"])
    ended = await service.sessions.end_all(claims["sub"], "signed_out", origin, keep=keep)
    return answer({"ended": ended})


async def end_session(request: Request) -> Response:
    """End one session of whoever asks."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    origin, session_id = origin_of(request, claims["sub"]), request.path_params["session_id"]
    if not await service.sessions.end_of_account(claims["sub"], session_id, "signed_out", origin):
        raise RequestRefused("invalid_request", "you have no such session", 404)
    return Response(status_code=204, headers=NO_STORE)


async def end_current_session(request: Request) -> Response:
    """Sign out: end the session of the access token; a repeated request is answered alike."""
    service: Service = request.app.state.service
    if cookie_mode(request):
        held = held_refresh_token(request)
        if held is not None:
            await service.sessions.end_by_refresh_token(held, "signed_out", origin_of(request))
        return forget_tokens(request, Response(status_code=204, headers=NO_STORE))
    # Whichever service the token is for: it can end nothing but its own session, and who signs out
    # does it with the token at hand.
    claims = await token_claims(request, any_audience=True)
    about = claims["sid"], claims["sub_ver"], claims["jti"]
    actor = await service.sessions.account_of_token(*about) or claims["sub"]
    await service.sessions.end(claims["sid"], "signed_out", origin_of(request, actor))
    return Response(status_code=204, headers=NO_STORE)


def session_document(session: Session, current: str = "") -> dict[str, Any]:
    """Write a session as JSON holds it; times in seconds since 1970."""
    document = {
        "id": session.id,
        "current": session.id == current,
        "client_id": session.client_id,
        "user_agent": session.user_agent,
        "address": session.address,
        "created_at": session.created_at // SECOND,
        "used_at": session.rotated_at // SECOND,
        "expires_at": session.expires_at // SECOND,
    }
    if session.identity_issuer is not None:
        document["identity_issuer"] = session.identity_issuer
    return document


def _refused(error: SignInRefused) -> RequestRefused:
    if error.code == "code_wrong":
        return RequestRefused(SecondFactorNeeded.code, f"{error}: send another one", 401)
    if error.code == "credentials_wrong":
        return RequestRefused("invalid_grant", str(error), 401)
    if error.code == "not_let_in":
        return RequestRefused("access_denied", str(error), 403)
    status = 503 if error.code in ("account_changing", "directory_unavailable") else 429
    headers = {"Retry-After": str(error.seconds)}
    return RequestRefused("temporarily_unavailable", str(error), status, headers)
