"""Clients: the programs that ask for tokens, and what each of them may ask for."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from carnet.errors import CarnetError
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.server.clients.addresses import (
    LOOPBACK_HOST,
)
from carnet.server.clients.federated_credentials import (
    MOST_CREDENTIALS,
    FederatedCredential,
    keys_of_credential,
)
from carnet.server.clients.identity_policy import IdentityAssertionRule
from carnet.server.clients.profiles import PROFILES, ProfileName, switched_by
from carnet.server.clock import SECOND
from carnet.server.sessions.sessions import FIRST_PARTY
from carnet.server.settings import Algorithm

__all__ = [
    "DEVICE_CODE",
    "FIRST_PARTY_CLIENT",
    "JWT_BEARER",
    "LOOPBACK_HOST",
    "RESERVED_PREFIX",
    "TOKEN_EXCHANGE",
    "AuthenticationMethod",
    "Client",
    "ClientMetadata",
    "ClientRefused",
    "GrantType",
    "Secrets",
    "check_client_id",
    "client_of",
    "hash_secret",
    "keys_of",
]

AuthenticationMethod = Literal[
    "none", "client_secret_basic", "client_secret_post", "private_key_jwt", "federated_jwt"
]
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
]
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
"""The grant of devices without a browser (RFC 8628)."""
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
"""The grant of programs that act for somebody (RFC 8693)."""
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
"""The grant of what has a token of another issuer (RFC 7523 section 2.1)."""
Name = Annotated[str, Meta(max_length=256)]
Address = Annotated[str, Meta(min_length=1, max_length=2048)]
Addresses = Annotated[tuple[Address, ...], Meta(max_length=64)]
Names = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=512)], ...], Meta(max_length=64)
]

RESERVED_PREFIX: Final = "dynamic."
"""With this begin the ids of clients that have registered themselves, and no others."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9._~][A-Za-z0-9._~:\-]{0,127}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")


class ClientRefused(CarnetError):
    """A client or a resource can't be made or changed as asked; the code says why.

    Codes: ``invalid_client_metadata``, ``invalid_redirect_uri`` (RFC 7591 section 3.2.2),
    ``id_taken``, ``id_reserved``, ``unknown_client``, ``unknown_resource``, ``no_secret``.

    Args:
        message: what was expected.
        code: the code.
        member: the member of the metadata that is at fault, or ``client_id`` or ``audience``; ""
            where it is none of them alone.
    """

    code = "invalid_client_metadata"

    def __init__(self, message: str, *, code: str | None = None, member: str = "") -> None:
        super().__init__(message, code=code)
        self.member = member


class ClientMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a client; the names are those of RFC 7591 where it has one.

    Attributes:
        client_name: what people are shown.
        redirect_uris: where the answers of the authorization endpoint may go.
        grant_types: what it may ask tokens with.
        scope: the scopes that it may ask for, with spaces between them.
        token_endpoint_auth_method: how it proves who it is.
        jwks: its public keys: those that sign its assertions and requests, and with ``use``
            ``enc`` the one that its ID tokens are encrypted to.
        jwks_uri: where it publishes those that sign its assertions, instead of ``jwks``.
        federated_credentials: the tokens of other issuers that prove who it is, with
            ``federated_jwt``.
        post_logout_redirect_uris: where people may be sent after they have signed out.
        backchannel_logout_uri: where it is told that a session has ended.
        plain_http: whether those addresses may be http on any machine, for clients inside a private
            network: whoever can read along there reads codes and logout tokens.
        dpop_bound_access_tokens: whether it gets only tokens that are bound to its key (RFC 9449).
        required_acr: what a sign-in for it has to amount to: ``aal2`` is two factors.
        require_pushed_authorization_requests: whether it gets codes only for requests that it has
            pushed (RFC 9126 section 6).
        require_signed_request_object: whether it gets codes only for requests that it has signed
            (RFC 9101 section 10.5).
        require_pkce: whether its authorization requests need PKCE (RFC 7636); a confidential client
            that can't do it sends a ``nonce`` instead, and compares it (RFC 9700 section 2.1.1).
        require_nonce: whether a request without PKCE needs that ``nonce``.
        first_party: whether people are not asked for consent, and access tokens carry roles and
            claims whatever their scope.
        resources: the audiences that it may ask tokens for; the first is its default. The issuer
            may be among them, for the service's own API. Empty is all, for a first-party client
            the issuer, too.
        introspects: the audiences that it serves itself, and whose tokens it may ask about
            (RFC 7662).
        exchange_from: the audiences whose tokens of people it may exchange (RFC 8693): usually the
            service that it is itself.
        exchange_to: the audiences that it may get tokens for so.
        identity_assertions: the authorization servers, by their issuers, to which it may carry the
            identity of people who have signed in to it here (ID-JAG), and what it may ask for
            there.
        identity_issuers: the issuers of which it may present such assertions here, for its
            ``resources``.
        id_token_signed_response_alg: what its ID tokens and logout tokens are signed with; None is
            the first of the setting ``signing_algorithms``.
        id_token_encrypted_response_alg: encrypts its ID tokens, to its key of this algorithm.
        id_token_encrypted_response_enc: the content encryption for that.
        authorization_signed_response_alg: what answers of the authorization endpoint are signed
            with, where it asks for signed ones (JARM); None is what its ID tokens are.
        introspection_signed_response_alg: what signed answers about tokens are signed with
            (RFC 9701); None is the first of the setting ``signing_algorithms``.
        userinfo_signed_response_alg: signs the answers of UserInfo; None for plain JSON.
        subject_type: whether people are called the same there as everywhere, or so that no other
            sector can tell that it is them (``subjects``).
        sector_identifier_uri: where the redirect addresses of all clients of its sector are listed.
        client_uri: its home page.
        logo_uri: its picture, which is shown to nobody.
        policy_uri: what it says of how it uses what it is told.
        tos_uri: its terms of service.
        profile: the profile of FAPI 2.0 that it is held to: it switches other members, and is
            checked against all (``profiles``).
    """

    client_name: Name = ""
    redirect_uris: Addresses = ()
    grant_types: tuple[GrantType, ...] = ("authorization_code", "refresh_token")
    scope: Annotated[str, Meta(max_length=2048)] = ""
    token_endpoint_auth_method: AuthenticationMethod = "client_secret_basic"
    jwks: dict[str, Any] | None = None
    jwks_uri: Address | None = None
    federated_credentials: Annotated[
        tuple[FederatedCredential, ...], Meta(max_length=MOST_CREDENTIALS)
    ] = ()
    post_logout_redirect_uris: Addresses = ()
    backchannel_logout_uri: Address | None = None
    plain_http: bool = False
    dpop_bound_access_tokens: bool = False
    required_acr: Literal["aal1", "aal2"] = "aal1"
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    require_pkce: bool = True
    require_nonce: bool = True
    first_party: bool = False
    resources: Names = ()
    introspects: Names = ()
    exchange_from: Names = ()
    exchange_to: Names = ()
    identity_assertions: Annotated[dict[Address, IdentityAssertionRule], Meta(max_length=64)] = {}
    identity_issuers: Annotated[tuple[Address, ...], Meta(max_length=8)] = ()
    id_token_signed_response_alg: Algorithm | None = None
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str = "A128CBC-HS256"
    authorization_signed_response_alg: Algorithm | None = None
    introspection_signed_response_alg: Algorithm | None = None
    userinfo_signed_response_alg: Algorithm | None = None
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: Address | None = None
    client_uri: Address | None = None
    logo_uri: Address | None = None
    policy_uri: Address | None = None
    tos_uri: Address | None = None
    profile: ProfileName | None = None

    def __post_init__(self) -> None:
        for name, value in switched_by(self).items():
            msgspec.structs.force_setattr(self, name, value)

    @property
    def is_public(self) -> bool:
        """Whether the client can't keep a secret, and so proves nothing about itself."""
        return self.token_endpoint_auth_method == "none"

    @property
    def has_secret(self) -> bool:
        """Whether the client proves who it is with a secret."""
        return self.token_endpoint_auth_method.startswith("client_secret_")

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the client may ask for."""
        return frozenset(self.scope.split())

    @property
    def needs_signed_answers(self) -> bool:
        """Whether it is answered by signed JWTs alone (JARM)."""
        return self.profile is not None and PROFILES[self.profile].signs_answers


class Secrets(NamedTuple):
    """The hashes of a client's secrets: two of them while the secret is changed.

    Attributes:
        current: of its secret, or None where it has none.
        previous: of the one before, as long as that works on, or None.
        previous_until: when it stops, in microseconds since 1970, or None for not by itself.
    """

    current: bytes | None = None
    previous: bytes | None = None
    previous_until: int | None = None

    def at(self, moment: int) -> Secrets:
        """Give those that work at a moment, in microseconds since 1970."""
        ended = self.previous_until is not None and self.previous_until <= moment
        return Secrets(self.current) if ended else self

    @property
    def previous_expires_at(self) -> int | None:
        """When the previous one stops, in seconds since 1970, or 0; None where there is none."""
        if self.previous is None:
            return None
        return 0 if self.previous_until is None else self.previous_until // SECOND


class Client(NamedTuple):
    """A program that asks for tokens.

    Attributes:
        id: its ``client_id``.
        secrets: the hashes of its secrets.
        metadata: what is known of it.
        created_at: when it was made, in microseconds since 1970.
        keys: its public keys that are given.
        credential_keys: of each of its federated credentials the keys that are given with it.
        unregistered: whether no administrator has registered it: what is known of it is what it
            says of itself.
    """

    id: str
    secrets: Secrets
    metadata: ClientMetadata
    created_at: int = 0
    keys: KeySet = KeySet()
    credential_keys: tuple[KeySet, ...] = ()
    unregistered: bool = False

    @property
    def encryption_key(self) -> Key | None:
        """The key that its ID tokens are encrypted to, or None."""
        alg = self.metadata.id_token_encrypted_response_alg
        return next((key for key in self.keys if key.alg == alg), None) if alg else None


FIRST_PARTY_CLIENT: Final = Client(
    FIRST_PARTY,
    Secrets(),
    ClientMetadata(
        grant_types=("refresh_token",),
        token_endpoint_auth_method="none",  # noqa: S106  # no password
        first_party=True,
    ),
)
"""Whoever asks without a ``client_id``, for a session that began with a password."""


def client_of(
    client_id: str,
    current: bytes | None,
    previous: bytes | None,
    previous_until: int | None,
    metadata: str,
    created_at: int,
) -> Client:
    """Make a client of the columns of its row in the database."""
    known = msgspec.json.decode(metadata, type=ClientMetadata)
    secrets = Secrets(current, previous, previous_until)
    of_credentials = tuple(map(keys_of_credential, known.federated_credentials))
    return Client(client_id, secrets, known, created_at, keys_of(known), of_credentials)


def hash_secret(secret: str) -> bytes:
    """Give what the database holds of a secret; it is random, so one pass of a hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def check_client_id(client_id: str) -> None:
    """Check an identifier that somebody has chosen for a client.

    Raises:
        ClientRefused: if it has another form, or is the service's own.
    """
    if _CLIENT_ID.fullmatch(client_id) is None:
        raise ClientRefused(
            "a client_id must have at most 128 of the characters A-Z a-z 0-9 . _ ~ : - and does "
            "not "
            "begin with - or :",
            member="client_id",
        )
    if client_id == FIRST_PARTY or client_id.startswith(f"{FIRST_PARTY}:"):
        raise ClientRefused(
            f"the id {FIRST_PARTY}, and all that begin with {FIRST_PARTY}:, are reserved for the "
            "service itself",
            code="id_reserved",
            member="client_id",
        )
    if client_id.startswith(RESERVED_PREFIX):
        raise ClientRefused(
            f"ids that begin with {RESERVED_PREFIX} are reserved for clients that register "
            "themselves",
            code="id_reserved",
            member="client_id",
        )


def keys_of(metadata: ClientMetadata) -> KeySet:
    """Give the public keys that stand in a client's metadata.

    Raises:
        InvalidKey: if they are no JWK Set.
    """
    return KeySet() if metadata.jwks is None else KeySet.from_jwks(metadata.jwks, public=True)
