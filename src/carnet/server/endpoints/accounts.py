"""One's own account, and other people's sessions for those who may manage them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.accounts import AccountRefused
from carnet.server.accounts.passwords import MAX_PASSWORD
from carnet.server.endpoints.sessions import session_document
from carnet.server.service import Service
from carnet.server.web import password_sign_in as signing_in
from carnet.server.web.bearer import administrator_claims, origin_of, session_claims
from carnet.server.web.own_data import own_data
from carnet.server.web.password_sign_in import SignInRefused
from carnet.server.web.requests import NO_STORE, RequestRefused, answer, read_json

__all__ = [
    "change_password",
    "end_session_of_account",
    "end_sessions_of_account",
    "list_sessions_of_account",
    "show_account",
    "show_own_data",
]

Password = Annotated[str, Meta(max_length=MAX_PASSWORD)]


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /account/password``.

    Attributes:
        current: the password until now.
        new: the password from now on.
    """

    current: Password
    new: Password


async def show_account(request: Request) -> Response:
    """Give the account of whoever asks."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    account = await service.accounts.by_id(claims["sub"])
    if account is None:
        raise RequestRefused("invalid_request", "there is no such account", 404)
    return answer(
        {
            "id": account.id,
            "username": account.username,
            "roles": account.roles,
            "claims": account.claims,
        }
    )


async def show_own_data(request: Request) -> Response:
    """Give everything that is known of whoever asks."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    account = await service.accounts.by_id(claims["sub"])
    if account is None:
        raise RequestRefused("invalid_request", "there is no such account", 404)
    return answer(await own_data(service, account))


async def change_password(request: Request) -> Response:
    """Change one's password; all other sessions end, and this one's next token comes by refresh."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    given = await read_json(request, PasswordChange)
    account = await service.accounts.by_id(claims["sub"])
    origin = origin_of(request, claims["sub"])
    if account is None:
        raise RequestRefused("invalid_request", "there is no such account", 404)
    try:
        passwords = given.current, given.new
        await signing_in.change_password(service, account, passwords, claims["sid"], origin)
    except AccountRefused as error:
        status = 409 if error.code == "account_changed" else 400
        raise RequestRefused("invalid_request", str(error), status) from None
    except SignInRefused as error:
        if error.code == "credentials_wrong":
            raise RequestRefused("invalid_grant", str(error), 403) from None
        headers = {"Retry-After": str(error.seconds)}
        raise RequestRefused("temporarily_unavailable", str(error), 429, headers) from None
    return Response(status_code=204, headers=NO_STORE)


async def list_sessions_of_account(request: Request) -> Response:
    """Give the sessions of an account, for an administrator."""
    service: Service = request.app.state.service
    await administrator_claims(request)
    sessions = await service.sessions.of_account(request.path_params["account_id"])
    return answer({"sessions": [session_document(session) for session in sessions]})


async def end_sessions_of_account(request: Request) -> Response:
    """End all sessions of an account, for an administrator."""
    service: Service = request.app.state.service
    claims = await administrator_claims(request)
    origin = origin_of(request, claims["sub"])
    account_id = request.path_params["account_id"]
    ended = await service.sessions.end_all(account_id, "ended_by_administrator", origin)
    return answer({"ended": ended})


async def end_session_of_account(request: Request) -> Response:
    """End one session of an account, for an administrator."""
    service: Service = request.app.state.service
    claims = await administrator_claims(request)
    account_id, session_id = request.path_params["account_id"], request.path_params["session_id"]
    origin = origin_of(request, claims["sub"])
    reason = "ended_by_administrator"
    if not await service.sessions.end_of_account(account_id, session_id, reason, origin):
        raise RequestRefused("invalid_request", "the account has no such session", 404)
    return Response(status_code=204, headers=NO_STORE)
