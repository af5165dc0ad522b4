"""What the service publishes about itself (RFC 8414, RFC 7517)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.jwt.dpop import ALGORITHMS_ACCEPTED
from carnet.server.client_authentication import METHODS
from carnet.server.endpoints.token import GRANTS
from carnet.server.http import answer
from carnet.server.service import Service

__all__ = ["key_set", "metadata"]

PUBLIC = {"Cache-Control": "public, max-age=300"}


async def key_set(request: Request) -> Response:
    """Give the public keys."""
    service: Service = request.app.state.service
    return answer(service.keys.published.to_jwks(), headers=PUBLIC)


async def metadata(request: Request) -> Response:
    """Give the server metadata (RFC 8414 section 2)."""
    service: Service = request.app.state.service
    issuer = service.settings.own_url
    content = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "revocation_endpoint": f"{issuer}/revocation",
        "revocations_uri": f"{issuer}/revocations",
        "introspection_endpoint": f"{issuer}/introspection",
        "grant_types_supported": list(GRANTS),
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        "introspection_endpoint_auth_methods_supported": METHODS[1:],
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        "introspection_signing_alg_values_supported": service.settings.signing_algorithms[:1],
        "dpop_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
    }
    return answer(content, headers=PUBLIC)
