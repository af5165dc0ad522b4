"""Signing in and out, and seeing to one's sessions: ``/sessions``."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import structlog
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.audit import Event, Origin, record
from carnet.server.authentication import origin_of, signed_in, verified
from carnet.server.clock import SECOND
from carnet.server.dpop import prove_at_token_endpoint
from carnet.server.endpoints.tokens import check_resource, token_answer
from carnet.server.http import NO_STORE, RequestRefused, answer, read_json
from carnet.server.metrics import SIGN_INS
from carnet.server.passwords import MAX_PASSWORD, TooBusy
from carnet.server.service import Service
from carnet.server.sessions import FIRST_PARTY, Session, Wanted
from carnet.server.store import Transaction

__all__ = [
    "begin_session",
    "end_current_session",
    "end_session",
    "end_sessions",
    "list_sessions",
    "session_document",
]

_log = structlog.get_logger()


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /sessions``.

    Attributes:
        username: as the account was made.
        password: the account's password.
        resource: the audience of the access token; by default the service's first.
        expires_in: seconds that the access token shall be good for, at most the setting.
    """

    username: Annotated[str, Meta(max_length=1024)]
    password: Annotated[str, Meta(max_length=MAX_PASSWORD)]
    resource: str | None = None
    expires_in: Annotated[int, Meta(ge=1)] | None = None


async def begin_session(request: Request) -> Response:
    """Sign in with a username and a password."""
    service: Service = request.app.state.service
    given = await read_json(request, SignIn)
    check_resource(service, given.resource)
    thumbprint = await prove_at_token_endpoint(request)
    origin = origin_of(request)
    wait = await service.throttle.seconds_to_wait(given.username, origin.address)
    if wait:
        raise _too_many("there were too many failed attempts; wait before the next one", wait)
    try:
        account = await service.accounts.authenticate(given.username, given.password)
    except TooBusy as error:
        raise _too_many(str(error), 2) from None
    if account is None:
        await _refuse(service, given.username, origin)
        raise RequestRefused("invalid_grant", "the username or the password is wrong", 401)
    audience = given.resource or service.settings.audiences[0]
    wanted = Wanted(FIRST_PARTY, audience, key_thumbprint=thumbprint)
    grant = await service.sessions.begin(account, wanted, origin)
    if grant is None:
        raise RequestRefused(
            "temporarily_unavailable",
            "the account is being changed at this moment; try again",
            503,
            {"Retry-After": "1"},
        )
    SIGN_INS.labels("accepted").inc()
    return answer(token_answer(service, grant, None, given.expires_in, thumbprint), 201)


async def list_sessions(request: Request) -> Response:
    """Give the sessions of whoever asks, the one used last first."""
    service: Service = request.app.state.service
    claims = await signed_in(request)
    sessions = await service.sessions.of_account(claims["sub"])
    return answer({"sessions": [session_document(one, claims["sid"]) for one in sessions]})


async def end_sessions(request: Request) -> Response:
    """End all sessions of whoever asks, or with ``?keep=current`` all others."""
    service: Service = request.app.state.service
    claims = await signed_in(request)
    wanted = request.query_params.multi_items()
    if wanted not in ([], [("keep", "current")]):
        raise RequestRefused("invalid_request", "the only parameter is keep=current")
    keep = claims["sid"] if wanted else ""
    origin = origin_of(request, claims["sub"])
    ended = await service.sessions.end_all(claims["sub"], "signed_out", origin, keep=keep)
    return answer({"ended": ended})


async def end_session(request: Request) -> Response:
    """End one session of whoever asks."""
    service: Service = request.app.state.service
    claims = await signed_in(request)
    origin, session_id = origin_of(request, claims["sub"]), request.path_params["session_id"]
    if not await service.sessions.end_of_account(claims["sub"], session_id, "signed_out", origin):
        raise RequestRefused("invalid_request", "you have no such session", 404)
    return Response(status_code=204, headers=NO_STORE)


async def end_current_session(request: Request) -> Response:
    """Sign out: end the session of the access token; a repeated request is answered alike."""
    service: Service = request.app.state.service
    claims = await verified(request)
    await service.sessions.end(claims["sid"], "signed_out", origin_of(request, claims["sub"]))
    return Response(status_code=204, headers=NO_STORE)


def session_document(session: Session, current: str = "") -> dict[str, Any]:
    """Write a session as JSON holds it; times in seconds since 1970."""
    return {
        "id": session.id,
        "current": session.id == current,
        "client_id": session.client_id,
        "user_agent": session.user_agent,
        "address": session.address,
        "created_at": session.created_at // SECOND,
        "used_at": session.rotated_at // SECOND,
        "expires_at": session.expires_at // SECOND,
    }


async def _refuse(service: Service, username: str, origin: Origin) -> None:
    """Count a failed sign-in and put it into the audit log."""
    SIGN_INS.labels("refused").inc()
    _log.info("sign_in_refused", address=origin.address)

    def work() -> Transaction[None]:
        yield from service.throttle.failed(username, origin.address)
        reason = "wrong_username_or_password"
        yield from record(service.clock(), Event.SIGN_IN_REFUSED, origin, reason=reason)

    await service.store.transact(work)


def _too_many(description: str, seconds: int) -> RequestRefused:
    SIGN_INS.labels("delayed").inc()
    headers = {"Retry-After": str(seconds)}
    return RequestRefused("temporarily_unavailable", description, 429, headers)
