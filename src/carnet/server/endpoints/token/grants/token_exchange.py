"""The grant of token exchange (RFC 8693): who may ask at all, and the table of what is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from starlette.requests import Request

from carnet.jwt.dpop import Proof
from carnet.server.clients.clients import TOKEN_EXCHANGE, Client
from carnet.server.endpoints.token.grants.checks import check_grant
from carnet.server.endpoints.token.grants.exchange_to_act import ACCESS_TOKEN, exchange_to_act
from carnet.server.endpoints.token.grants.issue_identity_assertion import issue_identity_assertion
from carnet.server.tokens.identity_assertions import IDENTITY_ASSERTION
from carnet.server.web.client_authentication import authenticate_confidential
from carnet.server.web.dpop import prove_at_token_endpoint
from carnet.server.web.requests import RequestRefused

__all__ = ["grant_token_exchange"]

_Exchange: TypeAlias = Callable[
    [Request, dict[str, str], Client, Proof | None], Awaitable[dict[str, Any]]
]

_EXCHANGES: Final[dict[str, _Exchange]] = {
    ACCESS_TOKEN: exchange_to_act,
    IDENTITY_ASSERTION: issue_identity_assertion,
}
"""By ``requested_token_type``."""


async def grant_token_exchange(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Give a registered confidential client a token in exchange for one that it presents."""
    client = await authenticate_confidential(request, form)
    check_grant(client, TOKEN_EXCHANGE)
    proof = prove_at_token_endpoint(request, client)
    exchange = _EXCHANGES.get(form.get("requested_token_type", ACCESS_TOKEN))
    if exchange is None:
        raise RequestRefused(
            "invalid_request", f"the requested_token_type must be one of: {', '.join(_EXCHANGES)}"
        )
    return await exchange(request, form, client, proof)
