"""The grant of programs that act for themselves (RFC 6749 section 4.4)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from carnet.server.clients.resources import ANY_RESOURCE
from carnet.server.endpoints.token.grants.checks import (
    check_grant,
    choose_audience,
    choose_scope,
    whole_seconds,
)
from carnet.server.service import Service
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof

__all__ = ["grant_client_credentials"]


async def grant_client_credentials(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Give a client a token of its own, and no refresh token (RFC 6749 section 4.4.3)."""
    service: Service = request.app.state.service
    client = await authenticate(request, form)
    check_grant(client, "client_credentials")
    proof = prove_at_token_endpoint(request, required=client.metadata.dpop_bound_access_tokens)
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
