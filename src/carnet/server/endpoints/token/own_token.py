"""The token with which a program acts for itself, whatever it has proved that with."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from carnet.server.clients.clients import Client
from carnet.server.clients.resources import ANY_RESOURCE
from carnet.server.endpoints.token.grants.checks import (
    choose_audience,
    choose_scope,
    whole_seconds,
)
from carnet.server.service import Service
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof

__all__ = ["own_token"]


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
    lifetime = whole_seconds(form.get("expires_in"))

    audience = choose_audience(service, client, form.get("resource"))
    own, requested = client.metadata.scope, form.get("scope")
    if not own and requested is not None and client.metadata.resources:
        # Nobody is asked for consent here. So what a resource offers is only for a client whose
        # administrator has let it in to this one, or else has named the scopes.
        resource = service.registry.resource(audience) or ANY_RESOURCE
        own = " ".join(resource.metadata.scopes)
    scope = choose_scope(service, client, audience, own, requested)
    if proof is not None:
        await use_proof(service, proof)

    claims = {"sub": client.id, "client_id": client.id}
    if scope:
        claims["scope"] = scope
    token, span = service.access_tokens.sign(claims, audience, lifetime, thumbprint)
    content = {
        "access_token": token,
        "token_type": "DPoP" if thumbprint else "Bearer",
        "expires_in": span,
    }
    if scope:
        content["scope"] = scope
    return content
