"""What the service publishes about itself (RFC 8414, RFC 7517)."""

from __future__ import annotations

from typing import Any, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.jose.algorithms import ALGORITHMS, ENCRYPTIONS
from carnet.jwt.dpop import ALGORITHMS_ACCEPTED
from carnet.server.endpoints.registration import registration_metadata
from carnet.server.endpoints.token.endpoint import GRANTS
from carnet.server.factors.levels import ACR_VALUES
from carnet.server.languages import offered
from carnet.server.oauth.parameter_checks import RESPONSE_MODES
from carnet.server.service import Service
from carnet.server.settings import Algorithm
from carnet.server.tokens.identity_assertions import IDENTITY_ASSERTION, IDENTITY_ASSERTION_PROFILE
from carnet.server.web.client_authentication import METHODS
from carnet.server.web.requests import answer

__all__ = ["key_set", "metadata", "passkey_endpoints", "related_origins"]

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
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "revocation_endpoint": f"{issuer}/revocation",
        "revocations_uri": f"{issuer}/revocations",
        "introspection_endpoint": f"{issuer}/introspection",
        "grant_types_supported": list(GRANTS),
        "identity_chaining_requested_token_types_supported": [IDENTITY_ASSERTION],
        "authorization_grant_profiles_supported": [IDENTITY_ASSERTION_PROFILE],
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        "introspection_endpoint_auth_methods_supported": METHODS[1:],
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        "introspection_signing_alg_values_supported": _signing_algorithms(service),
        "dpop_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        **_authorization(service),
        **registration_metadata(service.settings),
    }
    return answer(content, headers=PUBLIC)


async def passkey_endpoints(request: Request) -> Response:
    """Tell password managers where passkeys are added and seen to (W3C, passkey endpoints)."""
    service: Service = request.app.state.service
    if not service.factors.passkeys.available:
        raise HTTPException(404)
    home = f"{service.settings.own_url}/me/factors"
    return answer({"enroll": f"{home}/passkey", "manage": home}, headers=PUBLIC)


async def related_origins(request: Request) -> Response:
    """Tell browsers who may use passkeys of this host (Web Authentication 3, section 5.11)."""
    service: Service = request.app.state.service
    if not service.settings.related_origins:
        raise HTTPException(404)
    return answer({"origins": service.settings.related_origins}, headers=PUBLIC)


def _authorization(service: Service) -> dict[str, Any]:
    """Tell how people are signed in for clients (OpenID Connect Discovery section 3)."""
    issuer = service.settings.own_url
    return {
        "authorization_endpoint": f"{issuer}/authorize",
        "authorization_response_iss_parameter_supported": True,
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "authorization_signing_alg_values_supported": _signing_algorithms(service),
        "code_challenge_methods_supported": ["S256"],
        "userinfo_endpoint": f"{issuer}/userinfo",
        "end_session_endpoint": f"{issuer}/logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": _signing_algorithms(service),
        "userinfo_signing_alg_values_supported": _signing_algorithms(service),
        "id_token_encryption_alg_values_supported": [
            alg for alg in ALGORITHMS if alg.startswith(("ECDH-ES", "RSA-OAEP"))
        ],
        "id_token_encryption_enc_values_supported": list(ENCRYPTIONS),
        "scopes_supported": list(service.registry.scopes.names),
        "claims_supported": [
            *("sub", "auth_time", "acr", "amr", "sid"),
            *service.registry.scopes.claims,
        ],
        "acr_values_supported": list(ACR_VALUES),
        # Such a client can get something only while a resource is open to it.
        "client_id_metadata_document_supported": bool(service.registry.open_audiences),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_parameter_supported": True,
        "display_values_supported": ["page"],
        "ui_locales_supported": list(offered()),
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": ALGORITHMS_ACCEPTED,
        "request_uri_parameter_supported": False,
    }


def _signing_algorithms(service: Service) -> list[str]:
    """Give what is signed with: the default first; a client may have chosen any other."""
    return list(dict.fromkeys((service.settings.signing_algorithms[0], *get_args(Algorithm))))
