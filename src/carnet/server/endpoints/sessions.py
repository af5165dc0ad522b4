"""Signing in and out: ``/sessions``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from carnet.errors import InvalidToken
from carnet.server.endpoints.tokens import check_resource, token_answer
from carnet.server.http import NO_STORE, RequestRefused, answer, read_bearer, read_json
from carnet.server.passwords import MAX_PASSWORD, TooBusy
from carnet.server.service import Service

__all__ = ["begin_session", "end_current_session"]

FIRST_PARTY = "carnet"
"""The ``client_id`` of sessions that people begin with their password."""


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
    try:
        account = await service.accounts.authenticate(given.username, given.password)
    except TooBusy as error:
        raise RequestRefused(
            "temporarily_unavailable", str(error), 429, {"Retry-After": "2"}
        ) from None
    if account is None:
        raise RequestRefused("invalid_grant", "the username or the password is wrong", 401)
    audience = given.resource or service.settings.audiences[0]
    grant = await service.sessions.begin(account, FIRST_PARTY, audience)
    return answer(token_answer(service, grant, None, given.expires_in), 201)


async def end_current_session(request: Request) -> Response:
    """Sign out: end the session of the access token; a repeated request is answered alike."""
    service: Service = request.app.state.service
    try:
        claims = service.access_tokens.verify(read_bearer(request))
    except InvalidToken as error:
        raise RequestRefused(
            "invalid_token",
            str(error).replace('"', "'"),
            401,
            {"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None
    await service.sessions.end(claims["sid"], "signed_out")
    return Response(status_code=204, headers=NO_STORE)
