"""The options of ``carnet client``: one for each member of a client's metadata."""

from __future__ import annotations

from typing import IO, Any, Final, get_args

import click
import msgspec

from carnet.cli.members import Members, read_json_file
from carnet.jose.algorithms import ENCRYPTIONS
from carnet.server.clients.clients import DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE, ClientMetadata
from carnet.server.clients.profiles import PROFILES
from carnet.server.factors.levels import ACR_VALUES
from carnet.server.settings import Algorithm

__all__ = ["CODE", "MEMBERS", "members_of"]

GRANTS: Final = {
    "authorization_code": "authorization_code",
    "refresh_token": "refresh_token",
    "client_credentials": "client_credentials",
    "device_code": DEVICE_CODE,
    "token-exchange": TOKEN_EXCHANGE,
    "jwt-bearer": JWT_BEARER,
}
CODE: Final = ("authorization_code", "refresh_token")
METHODS: Final = {
    "none": "none",
    "basic": "client_secret_basic",
    "post": "client_secret_post",
    "key": "private_key_jwt",
    "federated": "federated_jwt",
}

# The option that each member of the metadata is given with, and what else `click` is told of it.
OPTIONS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "redirect_uris": (
        "--redirect-uri",
        {"multiple": True, "metavar": "URL", "help": "Repeatable."},
    ),
    "post_logout_redirect_uris": (
        "--post-logout-redirect-uri",
        {"multiple": True, "metavar": "URL", "help": "Repeatable."},
    ),
    "backchannel_logout_uri": (
        "--backchannel-logout-uri",
        {"metavar": "URL", "help": "The address that is notified when a session ends."},
    ),
    "grant_types": (
        "--grant",
        {
            "multiple": True,
            "type": click.Choice(tuple(GRANTS)),
            "help": "Repeatable; a new client gets authorization_code and refresh_token if it "
            "has a redirect URI, and otherwise client_credentials.",
        },
    ),
    "scope": (
        "--scope",
        {"metavar": "SCOPES", "help": "The scopes it may request, separated by spaces."},
    ),
    "token_endpoint_auth_method": (
        "--auth",
        {
            "type": click.Choice(tuple(METHODS)),
            "help": "How it authenticates; basic by default. none is for apps in browsers and "
            "on phones.",
        },
    ),
    "jwks": (
        "--jwks",
        {"type": click.File("rb"), "metavar": "FILE", "help": "Its public keys, a JWK Set."},
    ),
    "jwks_uri": (
        "--jwks-uri",
        {"metavar": "URL", "help": "The address of its public keys; with --auth key."},
    ),
    "federated_credentials": (
        "--federated-credential",
        {
            "multiple": True,
            "metavar": "JSON",
            "help": "With --auth federated: tokens of this issuer with these claims prove that it "
            'is the client, {"issuer": "https://…", "claims": {"sub": "…"}}. Repeatable.',
        },
    ),
    "id_token_signed_response_alg": (
        "--id-token-alg",
        {
            "type": click.Choice(get_args(Algorithm)),
            "metavar": "ALG",
            "help": "The algorithm that signs its ID tokens, such as RS256; by default the "
            "first in the setting signing_algorithms.",
        },
    ),
    "userinfo_signed_response_alg": (
        "--userinfo-alg",
        {
            "type": click.Choice(get_args(Algorithm)),
            "metavar": "ALG",
            "help": "Sign UserInfo answers with this algorithm; they are plain JSON by default.",
        },
    ),
    "subject_type": (
        "--subject-type",
        {
            "type": click.Choice(("public", "pairwise")),
            "help": "pairwise: each person has a sub of their own for this client, so that "
            "clients can't link what they know. People who have signed in before keep "
            "theirs.",
        },
    ),
    "sector_identifier_uri": (
        "--sector-identifier-uri",
        {
            "metavar": "URL",
            "help": "With --subject-type pairwise: clients whose redirect URIs are listed at "
            "this address share one sub. It is fetched now.",
        },
    ),
    "client_uri": ("--client-uri", {"metavar": "URL", "help": "Its home page."}),
    "logo_uri": (
        "--logo-uri",
        {"metavar": "URL", "help": "Its logo. It is stored, but not shown."},
    ),
    "policy_uri": (
        "--policy-uri",
        {"metavar": "URL", "help": "Its privacy policy, linked from the consent page."},
    ),
    "tos_uri": (
        "--tos-uri",
        {"metavar": "URL", "help": "Its terms of service, linked from the consent page."},
    ),
    "authorization_signed_response_alg": (
        "--answer-alg",
        {
            "type": click.Choice(get_args(Algorithm)),
            "metavar": "ALG",
            "help": "The algorithm that signs authorization responses if it requests that "
            "(JARM); by default that of its ID tokens.",
        },
    ),
    "introspection_signed_response_alg": (
        "--introspection-alg",
        {
            "type": click.Choice(get_args(Algorithm)),
            "metavar": "ALG",
            "help": "The algorithm that signs introspection responses if it requests that (RFC "
            "9701).",
        },
    ),
    "id_token_encrypted_response_alg": (
        "--encrypt-id-tokens",
        {
            "metavar": "ALG",
            "help": "Encrypt its ID tokens to its key for this algorithm in --jwks.",
        },
    ),
    "id_token_encrypted_response_enc": (
        "--encryption-enc",
        {
            "type": click.Choice(tuple(ENCRYPTIONS)),
            "metavar": "ENC",
            "help": "The content encryption, such as A256GCM; A128CBC-HS256 by default.",
        },
    ),
    "resources": (
        "--resource",
        {"multiple": True, "metavar": "AUDIENCE", "help": "Repeatable."},
    ),
    "introspects": (
        "--introspects",
        {
            "multiple": True,
            "metavar": "AUDIENCE",
            "help": "It serves this audience and may introspect its tokens. Repeatable.",
        },
    ),
    "exchange_from": (
        "--exchange-from",
        {
            "multiple": True,
            "metavar": "AUDIENCE",
            "help": "With --grant token-exchange: the client may exchange people's tokens for this "
            "audience. Repeatable.",
        },
    ),
    "exchange_to": (
        "--exchange-to",
        {
            "multiple": True,
            "metavar": "AUDIENCE",
            "help": "With --grant token-exchange: the client may get tokens for this audience "
            "in exchange. Repeatable.",
        },
    ),
    "identity_assertions": (
        "--identity-assertions",
        {
            "type": click.File("rb"),
            "metavar": "FILE",
            "help": "With --grant token-exchange: the authorization servers to which it may "
            "pass on the identity of people who have signed in to it, as JSON: "
            "{issuer: {client_id, "
            "resources, scopes, roles}}.",
        },
    ),
    "identity_issuers": (
        "--identity-issuer",
        {
            "multiple": True,
            "metavar": "URL",
            "help": "With --grant jwt-bearer: it may present assertions of this issuer about "
            "people. Repeatable.",
        },
    ),
    "first_party": (
        "--first-party/--no-first-party",
        {
            "default": None,
            "help": "It is your own: people are not asked for consent, and its tokens carry "
            "roles and claims.",
        },
    ),
    "plain_http": (
        "--plain-http/--no-plain-http",
        {
            "default": None,
            "help": "Allow http:// addresses on any machine, for a private network.",
        },
    ),
    "required_acr": (
        "--required-acr",
        {
            "type": click.Choice(ACR_VALUES),
            "help": "The level that a sign-in must reach; aal2 means two factors.",
        },
    ),
    "profile": (
        "--profile",
        {
            "type": click.Choice(tuple(PROFILES)),
            "help": "Require a FAPI 2.0 profile: it signs with its own key, pushes its requests "
            "and gets only key-bound tokens.",
        },
    ),
    "dpop_bound_access_tokens": (
        "--dpop/--no-dpop",
        {"default": None, "help": "It gets only key-bound tokens (RFC 9449)."},
    ),
    "require_pushed_authorization_requests": (
        "--require-pushed-requests/--no-require-pushed-requests",
        {
            "default": None,
            "help": "It must push its authorization requests (RFC 9126).",
        },
    ),
    "require_signed_request_object": (
        "--require-signed-requests/--no-require-signed-requests",
        {
            "default": None,
            "help": "It must sign its authorization requests with a key in --jwks (RFC 9101).",
        },
    ),
    "require_pkce": (
        "--require-pkce/--no-require-pkce",
        {
            "default": None,
            "help": "Without PKCE, a confidential client has to send a nonce, and only the "
            "client knows whether it checks it. Updating the client is better.",
        },
    ),
    "require_nonce": (
        "--require-nonce/--no-require-nonce",
        {
            "default": None,
            "help": "With neither PKCE nor a nonce, a stolen code can be used in another "
            "browser. Only for conformance suites.",
        },
    ),
}
MEMBERS: Final = Members(OPTIONS, ClientMetadata)


def members_of(given: dict[str, Any]) -> dict[str, Any]:
    """Give the members of the metadata that were given as options, as JSON holds them."""
    members = MEMBERS.given(given)
    if "grant_types" in members:
        members["grant_types"] = tuple(GRANTS[name] for name in members["grant_types"])
    method: str | None = members.get("token_endpoint_auth_method")
    if method is not None:
        members["token_endpoint_auth_method"] = METHODS[method]
    keys: IO[bytes] | None = members.get("jwks")
    if keys is not None:
        members["jwks"] = read_json_file(keys, "--jwks", "a JWK Set")
    rules: IO[bytes] | None = members.get("identity_assertions")
    if rules is not None:
        members["identity_assertions"] = read_json_file(
            rules, "--identity-assertions", "what it may carry where"
        )
    if "federated_credentials" in members:
        try:
            members["federated_credentials"] = [
                msgspec.json.decode(text) for text in members["federated_credentials"]
            ]
        except msgspec.DecodeError:
            raise click.UsageError(
                "--federated-credential is a JSON object with issuer and claims"
            ) from None
    return members
