"""What a client's metadata have to be, alone and together."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from carnet.errors import InvalidKey
from carnet.jose.algorithms import ALGORITHMS, ENCRYPTIONS
from carnet.server.clients.addresses import (
    BadAddress,
    check_private_address,
    check_web_address,
)
from carnet.server.clients.clients import (
    JWT_BEARER,
    TOKEN_EXCHANGE,
    ClientMetadata,
    ClientRefused,
    keys_of,
)
from carnet.server.clients.federated_credentials import BadCredential, check_credential
from carnet.server.clients.identity_policy import wrong_in_identity_policy
from carnet.server.clients.own_pages import PAGES
from carnet.server.clients.profiles import wrong_in_profile
from carnet.server.clients.subjects import hosts_of
from carnet.server.resource_urls import canonical_resource

__all__ = ["check_metadata"]

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")


def check_metadata(metadata: ClientMetadata) -> None:
    """Check that a client's metadata make sense together.

    Raises:
        ClientRefused: naming the member at fault and what was expected.
    """
    private = partial(check_private_address, plain_http=metadata.plain_http)
    web = partial(check_web_address, plain_http=metadata.plain_http)
    for address in metadata.redirect_uris:
        _check_address("redirect_uris", address, private, "invalid_redirect_uri")
    for address in metadata.post_logout_redirect_uris:
        _check_address("post_logout_redirect_uris", address, private)
    if metadata.backchannel_logout_uri is not None:
        _check_address("backchannel_logout_uri", metadata.backchannel_logout_uri, web)
    if metadata.scope and _SCOPE.fullmatch(metadata.scope) is None:
        raise ClientRefused(
            "scope must be a list of names, each separated by one space", member="scope"
        )
    if not metadata.grant_types:
        raise ClientRefused("grant_types must name at least one grant", member="grant_types")
    if "authorization_code" in metadata.grant_types and not metadata.redirect_uris:
        raise ClientRefused(
            "a client with the grant authorization_code needs at least one of redirect_uris",
            code="invalid_redirect_uri",
            member="redirect_uris",
        )
    if "client_credentials" in metadata.grant_types and metadata.is_public:
        raise ClientRefused(
            "the grant client_credentials needs a token_endpoint_auth_method other than none: "
            "a public client can't authenticate",
            member="token_endpoint_auth_method",
        )
    if metadata.introspects and metadata.is_public:
        raise ClientRefused(
            "introspects needs a token_endpoint_auth_method other than none", member="introspects"
        )
    for name in PAGES:
        address = getattr(metadata, name)
        if address is not None:
            _check_address(name, address, web)
    _check_code_protection(metadata)
    _check_subjects(metadata)
    _check_exchange(metadata)
    for member, text in wrong_in_identity_policy(metadata, (TOKEN_EXCHANGE, JWT_BEARER)):
        raise ClientRefused(text, member=member)
    _check_federation(metadata)
    _check_keys(metadata)
    for member, text in wrong_in_profile(metadata, keys_of(metadata)):
        code = "invalid_redirect_uri" if member == "redirect_uris" else None
        raise ClientRefused(text, code=code, member=member)


def _check_code_protection(metadata: ClientMetadata) -> None:
    if metadata.is_public and not metadata.require_pkce:
        raise ClientRefused(
            "require_pkce can't be false with the token_endpoint_auth_method none: whoever "
            "reads the code of a public client could use it",
            member="require_pkce",
        )
    if metadata.require_pkce and not metadata.require_nonce:
        raise ClientRefused(
            "require_nonce is for a client with require_pkce false", member="require_nonce"
        )


def _check_subjects(metadata: ClientMetadata) -> None:
    sector = metadata.sector_identifier_uri
    if sector is not None:
        if metadata.subject_type != "pairwise":
            raise ClientRefused(
                "sector_identifier_uri is for the subject_type pairwise",
                member="sector_identifier_uri",
            )
        if not sector.startswith("https://"):
            text = "sector_identifier_uri must be an https URL"
            raise ClientRefused(text, member="sector_identifier_uri")
        _check_address("sector_identifier_uri", sector, check_web_address)
    if metadata.subject_type != "pairwise":
        return
    if sector is None and len(hosts_of(metadata)) > 1:
        raise ClientRefused(
            "the subject_type pairwise with redirect_uris of several hosts needs a "
            "sector_identifier_uri, which says that they belong together",
            member="sector_identifier_uri",
        )
    # What such a client carries elsewhere names people by the ids of their accounts.
    beyond = [grant for grant in metadata.grant_types if grant in (TOKEN_EXCHANGE, JWT_BEARER)]
    if beyond:
        raise ClientRefused(
            f"the subject_type pairwise does not go with the grant {beyond[0]}",
            member="subject_type",
        )


def _check_exchange(metadata: ClientMetadata) -> None:
    exchanges = TOKEN_EXCHANGE in metadata.grant_types
    if exchanges and metadata.is_public:
        raise ClientRefused(
            "token exchange needs a token_endpoint_auth_method other than none: a public client "
            "can't prove who acts",
            member="token_endpoint_auth_method",
        )
    named_one = bool(metadata.exchange_from or metadata.exchange_to)
    acts = exchanges and (named_one or not metadata.identity_assertions)
    for name in ("exchange_from", "exchange_to"):
        if acts is not bool(getattr(metadata, name)):
            raise ClientRefused(
                f"with the grant {TOKEN_EXCHANGE}, and only with that, {name} names at least one "
                "audience",
                member=name,
            )
    named = set(map(canonical_resource, metadata.resources))
    beyond = [one for one in metadata.exchange_to if canonical_resource(one) not in named]
    if named and beyond:
        raise ClientRefused(
            f"exchange_to names {', '.join(beyond)}, which is not among resources",
            member="exchange_to",
        )


def _check_federation(metadata: ClientMetadata) -> None:
    given = metadata.federated_credentials
    if bool(given) is not (metadata.token_endpoint_auth_method == "federated_jwt"):
        raise ClientRefused(
            "federated_jwt, and only that, needs federated_credentials: the tokens with which "
            "the client authenticates",
            member="federated_credentials",
        )
    if JWT_BEARER in metadata.grant_types and not (given or metadata.identity_issuers):
        raise ClientRefused(
            f"the grant {JWT_BEARER} needs federated_credentials or identity_issuers",
            member="federated_credentials",
        )
    for number, credential in enumerate(given):
        try:
            check_credential(credential)
        except BadCredential as error:
            raise ClientRefused(
                f"federated_credentials[{number}]: {error}", member="federated_credentials"
            ) from None


def _check_address(
    name: str,
    address: str,
    check: Callable[[str], None],
    code: str = "invalid_client_metadata",
) -> None:
    try:
        check(address)
    except BadAddress as error:
        raise ClientRefused(f"{name} must be {error}", code=code, member=name) from None


def _check_keys(metadata: ClientMetadata) -> None:
    if metadata.jwks_uri is not None:
        _check_jwks_uri(metadata, metadata.jwks_uri)
    try:
        keys = keys_of(metadata)
    except InvalidKey as error:
        raise ClientRefused(f"jwks is a JWK Set: {error}", member="jwks") from None
    if metadata.jwks is not None and (keys.skipped or not len(keys)):
        reason = f": {keys.skipped[0].reason}" if keys.skipped else ""
        raise ClientRefused(f"jwks holds no key, or one that can't be used{reason}", member="jwks")
    signs = any(ALGORITHMS[key.alg].use == "sig" for key in keys)
    by_key = metadata.token_endpoint_auth_method == "private_key_jwt"
    if by_key and not signs and metadata.jwks_uri is None:
        raise ClientRefused(
            "private_key_jwt needs jwks with a public key that verifies signatures, or jwks_uri",
            member="jwks",
        )
    # Keys that are published are fetched for whoever has proved to be the client, and so for what
    # it pushes alone.
    published = metadata.jwks_uri is not None and metadata.require_pushed_authorization_requests
    if metadata.require_signed_request_object and not (signs or published):
        raise ClientRefused(
            "require_signed_request_object needs jwks with a public key that verifies signatures, "
            "or jwks_uri with require_pushed_authorization_requests",
            member="require_signed_request_object",
        )
    alg = metadata.id_token_encrypted_response_alg
    encrypts = any(key.alg == alg and ALGORITHMS[key.alg].use == "enc" for key in keys)
    if alg is not None and not encrypts:
        raise ClientRefused(
            "id_token_encrypted_response_alg needs jwks with an encryption key of the same alg",
            member="id_token_encrypted_response_alg",
        )
    if metadata.id_token_encrypted_response_enc not in ENCRYPTIONS:
        raise ClientRefused(
            f"id_token_encrypted_response_enc must be one of {', '.join(ENCRYPTIONS)}",
            member="id_token_encrypted_response_enc",
        )


def _check_jwks_uri(metadata: ClientMetadata, address: str) -> None:
    wanted = {
        "give jwks or jwks_uri, not both (RFC 7591 section 2)": metadata.jwks is None,
        "jwks_uri needs private_key_jwt": (
            metadata.token_endpoint_auth_method == "private_key_jwt"
        ),
        "jwks_uri is for keys that sign: the one that encrypts ID tokens belongs into jwks": (
            metadata.id_token_encrypted_response_alg is None
        ),
        "jwks_uri must be an https URL": address.startswith("https://"),
    }
    for text, holds in wanted.items():
        if not holds:
            raise ClientRefused(text, member="jwks_uri")
    _check_address("jwks_uri", address, check_web_address)
