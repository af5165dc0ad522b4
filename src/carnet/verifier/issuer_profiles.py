"""The issuers of the world: one row each of what a verifier has to know about their tokens.

A row is data. Names in braces are what ``Issuer``'s methods are given; double braces stay, as
claims of a template. ``as_of`` says when the row was last compared with what the provider
publishes; tests/verifier/test_issuers.py runs each against tokens of that shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from carnet.jose.algorithms import AlgorithmName
from carnet.jwt.policy import UNCHECKED

__all__ = ["PROFILES", "Profile"]

BOTH: Final = ("JWT", "at+jwt")
"""Types of access tokens where the older form has none of its own."""

SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of an issuer.

    Attributes:
        as_of: the month in which it was compared with what the provider publishes.
        names: what stands in ``iss``.
        type: the tokens' ``typ``.
        algorithms: what the keys are for.
        metadata: where the metadata is, or
        jwks_uri: where the keys are.
        options: any other option of an Issuer.
        names_client: whether a token without a client is refused, since an ID token of the same
            issuer has none.
    """

    as_of: str
    names: tuple[str, ...]
    type: str | tuple[str, ...] = "JWT"
    algorithms: tuple[AlgorithmName, ...] = ("RS256",)
    metadata: str | None = None
    jwks_uri: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    names_client: bool = False


PROFILES: Final[Mapping[str, Profile]] = {
    # learn.microsoft.com/entra/identity-platform/access-token-claims-reference. The keys name no
    # algorithm, and say of which tenant they are. Tokens of version 1.0 have the second name.
    "entra": Profile(
        as_of="2026-11",
        names=(
            "https://login.microsoftonline.com/{tenant}/v2.0",
            "https://sts.windows.net/{tenant}/",
        ),
        metadata=(
            "https://login.microsoftonline.com/{endpoint}/v2.0/.well-known/openid-configuration"
        ),
        options={"scope_claim": "scp", "client_id_claim": ["azp", "appid"]},
        names_client=True,
    ),
    # auth0.com/docs/secure/tokens/access-tokens/access-token-profiles. With a slash at the end.
    "auth0": Profile(
        as_of="2026-11",
        names=("https://{domain}/",),
        type=BOTH,
        metadata="https://{domain}/.well-known/openid-configuration",
        options={"roles_claim": "permissions", "client_id_claim": ["client_id", "azp"]},
        names_client=True,
    ),
    # developer.okta.com/docs/api/openapi/okta-oauth/guides/overview. An access token has no typ.
    "okta": Profile(
        as_of="2026-11",
        names=("https://{domain}/oauth2/{server}",),
        type=BOTH,
        metadata="https://{domain}/oauth2/{server}/.well-known/oauth-authorization-server",
        options={"roles_claim": "groups", "scope_claim": "scp", "client_id_claim": "cid"},
        names_client=True,
    ),
    # docs.aws.amazon.com/cognito: an access token has no aud, its client_id says whose it is.
    "cognito": Profile(
        as_of="2026-11",
        names=("https://cognito-idp.{region}.amazonaws.com/{pool}",),
        metadata=(
            "https://cognito-idp.{region}.amazonaws.com/{pool}/.well-known/openid-configuration"
        ),
        options={
            "audience": UNCHECKED,
            "roles_claim": "cognito:groups",
            "claims": {"token_use": "access"},
        },
    ),
    # keycloak.org/docs. The payload's own typ tells access tokens from ID and refresh tokens.
    "keycloak": Profile(
        as_of="2026-11",
        names=("{url}/realms/{realm}",),
        type=BOTH,
        metadata="{url}/realms/{realm}/.well-known/openid-configuration",
        options={
            "roles_claim": "realm_access.roles",
            "client_id_claim": ["client_id", "azp"],
            "claims": {"typ": ["Bearer", "DPoP"]},
        },
    ),
    # developers.google.com/identity/openid-connect: ID tokens, under either of two names.
    "google": Profile(
        as_of="2026-11",
        names=("https://accounts.google.com", "accounts.google.com"),
        metadata="https://accounts.google.com/.well-known/openid-configuration",
        options={"client_id_claim": "azp"},
    ),
    # firebase.google.com/docs/auth/admin/verify-id-tokens: certificates instead of a key set.
    "firebase": Profile(
        as_of="2026-11",
        names=("https://securetoken.google.com/{project}",),
        jwks_uri=(
            "https://www.googleapis.com/robot/v1/metadata/x509/"
            "securetoken@system.gserviceaccount.com"
        ),
        options={"required": ("sub", "auth_time")},
    ),
    # docs.github.com/actions/reference/security/oidc. Anyone's workflow gets a token for any
    # audience: what it is must be said with claims.
    "github_actions": Profile(
        as_of="2026-11",
        names=("https://token.actions.githubusercontent.com",),
        jwks_uri="https://token.actions.githubusercontent.com/.well-known/jwks",
        options={"client_id_claim": "workflow_ref"},
    ),
    # docs.gitlab.com/ci/secrets/id_token_authentication. The same holds.
    "gitlab": Profile(
        as_of="2026-11",
        names=("{url}",),
        metadata="{url}/.well-known/openid-configuration",
        options={"client_id_claim": "project_path"},
    ),
    # kubernetes.io/docs/tasks/configure-pod-container/configure-service-account: the API server
    # gives its keys to who shows a token of the cluster, under the cluster's own authority.
    "kubernetes": Profile(
        as_of="2026-11",
        names=("{issuer}",),
        algorithms=("RS256", "ES256"),
        jwks_uri="{server}/openid/v1/jwks",
        options={
            "bearer_file": f"{SERVICE_ACCOUNT}/token",
            "ca_file": f"{SERVICE_ACCOUNT}/ca.crt",
            "client_id_claim": ("kubernetes.io", "serviceaccount", "name"),
            "required": ("sub",),
        },
    ),
    # supabase.com/docs/guides/auth/jwt-fields: projects with signing keys, not the shared secret.
    "supabase": Profile(
        as_of="2026-11",
        names=("https://{ref}.supabase.co/auth/v1",),
        algorithms=("ES256", "RS256"),
        jwks_uri="https://{ref}.supabase.co/auth/v1/.well-known/jwks.json",
        options={"audience": "authenticated", "roles_claim": "role"},
    ),
    # clerk.com/docs/guides/sessions/session-tokens: no aud; azp is the origin that asked.
    "clerk": Profile(
        as_of="2026-11",
        names=("https://{domain}",),
        jwks_uri="https://{domain}/.well-known/jwks.json",
        options={
            "audience": UNCHECKED,
            "roles_claim": ["o.rol", "org_role"],
            "client_id_claim": "azp",
            "required": ("sub", "sid"),
        },
    ),
}
