"""The token with which a program acts for itself, whatever it has proved that with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from starlette.requests import Request

from carnet.server.clients.clients import Client, ClientMetadata
from carnet.server.clients.resources import ANY_RESOURCE
from carnet.server.endpoints.token.grants.checks import (
    choose_audience,
    choose_scope,
    whole_seconds,
)
from carnet.server.service import Service
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof

__all__ = ["own_token"]

MOST_DECISIONS: Final = 4096
MOST_ASKED: Final = 512
"""How many decisions are remembered, and how many characters the words have that led to them."""


class _Decision(NamedTuple):
    """What a client is given for what it has asked.

    Attributes:
        metadata: those of the client that it was decided by.
        sign: makes a token.
        told: what the answer says of it.
    """

    metadata: ClientMetadata
    sign: Callable[[], str]
    told: dict[str, Any]


async def own_token(request: Request, form: dict[str, str], client: Client) -> dict[str, Any]:
    """Give a client a token of its own, and no refresh token (RFC 6749 section 4.4.3).

    Args:
        request: of which the DPoP proof counts.
        form: the request's parameters.
        client: who asks; it has proved itself.

    Raises:
        RequestRefused: if it may not have that.
    """
    service: Service = request.app.state.service
    proof = prove_at_token_endpoint(request, client)
    thumbprint = "" if proof is None else proof.thumbprint
    asked = form.get("resource"), form.get("scope"), form.get("expires_in")
    known = service.access_tokens.prepared
    decision: _Decision | None = known.get((client.id, thumbprint, *asked))
    # The record of a client that nobody has registered changes without the registry.
    if decision is None or decision.metadata is not client.metadata:
        decision = _decide(service, client, thumbprint, *asked)
        if len(known) >= MOST_DECISIONS:
            known.clear()
        if len("".join(filter(None, asked))) <= MOST_ASKED:
            known[client.id, thumbprint, *asked] = decision
    if proof is not None:
        await use_proof(service, proof)
    return {"access_token": decision.sign(), **decision.told}


def _decide(
    service: Service,
    client: Client,
    thumbprint: str,
    resource: str | None,
    requested: str | None,
    expires_in: str | None,
) -> _Decision:
    lifetime = whole_seconds(expires_in)
    audience = choose_audience(service, client, resource)
    own = client.metadata.scope
    if not own and requested is not None and client.metadata.resources:
        # Nobody is asked for consent here. So what a resource offers is only for a client whose
        # administrator has let it in to this one, or else has named the scopes.
        known = service.registry.resource(audience) or ANY_RESOURCE
        own = " ".join(known.metadata.scopes)
    scope = choose_scope(service, client, audience, own, requested)

    claims = {"sub": client.id, "client_id": client.id}
    if scope:
        claims["scope"] = scope
    sign, span = service.access_tokens.prepare(claims, audience, lifetime, thumbprint)
    told = {"token_type": "DPoP" if thumbprint else "Bearer", "expires_in": span}
    return _Decision(client.metadata, sign, {**told, "scope": scope} if scope else told)
