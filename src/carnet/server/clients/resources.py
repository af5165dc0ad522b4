"""Resources: the services that tokens are for, besides the audiences of the settings."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from carnet.errors import ConfigurationError, InvalidKey
from carnet.jose import jwe
from carnet.jose.key import Key
from carnet.server.claim_names import unreleasable
from carnet.server.clients.clients import ClientRefused
from carnet.server.resource_urls import canonical_resource
from carnet.server.settings import Algorithm, ClaimName, Settings

__all__ = [
    "ADMINISTRATION",
    "ANY_RESOURCE",
    "Resource",
    "ResourceMetadata",
    "check_resource_metadata",
    "own_api",
    "resource_of",
]

_AUDIENCE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,512}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")

ScopeName = Annotated[str, Meta(max_length=256)]
ClaimNames = Annotated[tuple[ClaimName, ...], Meta(max_length=64)]


ADMINISTRATION: Final = "carnet:admin"
"""The scope with which a client may do what the account may that granted it."""


class ResourceMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a resource.

    Attributes:
        scopes: the scopes that mean something to it; empty is any.
        scope_claims: the claims of an account that a scope releases into its access tokens, by the
            scope's name, besides those that the scope releases anyway.
        claims: the claims of an account, ``roles`` among them, that access tokens of first-party
            clients for it carry whatever their scope; None is the roles and every claim.
        signing_alg: the algorithm of its tokens; None is the service's first.
        encryption_key: a public JWK that its tokens are encrypted to, or None.
        encryption_enc: the content encryption for that.
        unregistered_clients: whether clients that no administrator has registered may ask for
            tokens for it.
    """

    scopes: Annotated[tuple[ScopeName, ...], Meta(max_length=64)] = ()
    scope_claims: Annotated[dict[ScopeName, ClaimNames], Meta(max_length=64)] = {}
    claims: ClaimNames | None = None
    signing_alg: Algorithm | None = None
    encryption_key: dict[str, Any] | None = None
    encryption_enc: str = "A256GCM"
    unregistered_clients: bool = False


class Resource(NamedTuple):
    """A service that tokens are for.

    Attributes:
        audience: the ``aud`` of its tokens.
        metadata: what is known of it.
        created_at: when it was made, in microseconds since 1970.
        key: what its tokens are encrypted to, or None.
    """

    audience: str
    metadata: ResourceMetadata = ResourceMetadata()
    created_at: int = 0
    key: Key | None = None


ANY_RESOURCE: Final = Resource("")
"""A resource of which nothing is known."""


def own_api(issuer: str) -> Resource:
    """Give the resource that the service itself is: its API.

    A token for it says no more of an account than the API asks.
    """
    roles = ("roles",)
    metadata = ResourceMetadata(
        scopes=(ADMINISTRATION,), scope_claims={ADMINISTRATION: roles}, claims=roles
    )
    return Resource(issuer, metadata)


def resource_of(audience: str, metadata: str, created_at: int) -> Resource:
    """Make a resource of the columns of its row in the database."""
    _check_audience(audience)
    known = msgspec.json.decode(metadata, type=ResourceMetadata)
    jwk = known.encryption_key
    return Resource(audience, known, created_at, None if jwk is None else Key.from_jwk(jwk))


def check_resource_metadata(audience: str, metadata: ResourceMetadata, settings: Settings) -> None:
    """Check what a resource is to be.

    Args:
        audience: the ``aud`` of its tokens.
        metadata: the rest.
        settings: the issuer, and the algorithms that the service has keys of.

    Raises:
        ClientRefused: naming what is at fault and what was expected.
    """
    _check_audience(audience)
    if "://" in audience and "#" in audience:
        raise ClientRefused(
            "an audience that is a URL can't have a fragment (RFC 8707 section 2)",
            member="audience",
        )
    if canonical_resource(audience) == canonical_resource(settings.own_url):
        raise ClientRefused(
            "the audience is the issuer: its tokens are for the service's own API",
            code="id_reserved",
            member="audience",
        )
    scopes = {"scopes": metadata.scopes, "scope_claims": tuple(metadata.scope_claims)}
    for member, names in scopes.items():
        if not all(_SCOPE.fullmatch(name) for name in names):
            raise ClientRefused("scopes must be names without spaces or quotes", member=member)
    released = tuple(name for names in metadata.scope_claims.values() for name in names)
    for member, names in {"scope_claims": released, "claims": metadata.claims or ()}.items():
        if wrong := unreleasable(names, into_access_tokens=True):
            raise ClientRefused(
                f"claims of an account can't be {', '.join(wrong)}: the service itself sets these",
                member=member,
            )
    algorithms = settings.signing_algorithms
    if metadata.signing_alg is not None and metadata.signing_alg not in algorithms:
        raise ClientRefused(
            f"signing_alg must be one of the setting signing_algorithms: {', '.join(algorithms)}",
            member="signing_alg",
        )
    if metadata.encryption_key is None:
        return
    try:
        key = Key.from_jwk(metadata.encryption_key, public=True)
        jwe.encrypt(b"", key, metadata.encryption_enc)  # type: ignore[arg-type]  # it checks
    except (InvalidKey, ConfigurationError) as error:
        raise ClientRefused(
            f"encryption_key must be a public JWK with alg, such as ECDH-ES+A256KW: {error}",
            member="encryption_key",
        ) from None


def _check_audience(audience: str) -> None:
    if _AUDIENCE.fullmatch(audience) is None:
        raise ClientRefused(
            "an audience must be a name or a URL of printable ASCII without spaces, commas or "
            "quotes",
            member="audience",
        )
