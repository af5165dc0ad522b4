"""The grant of what has a token of another issuer (RFC 7523 section 2.1).

What that token is, its header says, and so what comes of it:

    typ                 it is                       and gives
    ──────────────────  ──────────────────────────  ────────────────────────────────────────────
    none, JWT, JOSE     a workload's, of a trusted  what client_credentials gives the client whose
                        issuer                      credentials it meets

Nothing else is taken: no access token, and no logout token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import structlog
from starlette.requests import Request

from carnet.jose.header import media_type
from carnet.jwt.inspection import Inspection, inspect
from carnet.server.clients.clients import JWT_BEARER, Client
from carnet.server.clients.federated_credentials import issuers_named
from carnet.server.endpoints.token.grants.accept_identity_assertion import (
    accept_identity_assertion,
)
from carnet.server.endpoints.token.grants.checks import check_grant, required
from carnet.server.endpoints.token.own_token import own_token
from carnet.server.service import Service
from carnet.server.tokens.identity_assertions import IDENTITY_ASSERTION_TYPE
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_assertions import NotProved, client_of_workload
from carnet.server.web.requests import RequestRefused, header_values

__all__ = ["grant_jwt_bearer"]

_Taking: TypeAlias = Callable[[Request, dict[str, str], Inspection], Awaitable[dict[str, Any]]]

_log = structlog.get_logger()


async def grant_jwt_bearer(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Give a token for a token of another issuer."""
    said = inspect(required(form, "assertion"))
    named = said.header.get("typ", "JWT")
    take = _BY_TYPE.get(media_type(named)) if isinstance(named, str) else None
    if take is None:
        raise RequestRefused("invalid_grant", "this type of assertion is not accepted here")
    return await take(request, form, said)


async def _of_workload(request: Request, form: dict[str, str], said: Inspection) -> dict[str, Any]:
    """Give the client whose credentials a workload meets a token of its own."""
    service: Service = request.app.state.service
    others = {"client_secret", "client_assertion", "client_assertion_type"}
    if header_values(request, b"authorization") or not others.isdisjoint(form):
        raise RequestRefused(
            "invalid_request", "the assertion proves who the client is: send no other proof"
        )
    try:
        client = await client_of_workload(
            service, form["assertion"], said, _clients(service, form.get("client_id"), said)
        )
    except NotProved as error:
        _log.info(
            "assertion_refused",
            reason=error.reason,
            client=None if error.client is None else error.client.id,
            address=origin_of(request).address,
        )
        raise RequestRefused(
            "invalid_grant",
            "the assertion matches no credentials, or those of several clients",
        ) from None
    check_grant(client, JWT_BEARER)
    return await own_token(request, form, client)


def _clients(service: Service, client_id: str | None, said: Inspection) -> tuple[Client, ...]:
    """Give the clients that an assertion may be of: the one that is named, or who trusts it."""
    if client_id is not None:
        client = service.registry.client(client_id)
        return () if client is None else (client,)
    trusting = (
        client
        for issuer in issuers_named(said.claims or {})
        for client in service.registry.trusting(issuer)
        if JWT_BEARER in client.metadata.grant_types
    )
    return tuple({client.id: client for client in trusting}.values())


_BY_TYPE: Final[dict[str, _Taking]] = {
    **dict.fromkeys(("jwt", "jose"), _of_workload),
    IDENTITY_ASSERTION_TYPE: accept_identity_assertion,
}
