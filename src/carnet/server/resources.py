"""Resources: the services that tokens are for, besides the audiences of the settings."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from carnet.errors import ConfigurationError, InvalidKey
from carnet.jose import jwe
from carnet.jose.key import Key
from carnet.server.clients import ClientRefused
from carnet.server.settings import Algorithm

__all__ = ["Resource", "ResourceMetadata", "check_resource_metadata", "resource_of"]

_AUDIENCE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,512}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class ResourceMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a resource.

    Attributes:
        scopes: the scopes that mean something to it; empty is any.
        signing_alg: the algorithm of its tokens; None is the service's first.
        encryption_key: a public JWK that its tokens are encrypted to, or None.
        encryption_enc: the content encryption for that.
    """

    scopes: Annotated[tuple[Annotated[str, Meta(max_length=256)], ...], Meta(max_length=64)] = ()
    signing_alg: Algorithm | None = None
    encryption_key: dict[str, Any] | None = None
    encryption_enc: str = "A256GCM"


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


def resource_of(row: tuple[Any, ...]) -> Resource:
    """Make a resource of its row in the database."""
    audience, text, created_at = row
    metadata = msgspec.json.decode(text, type=ResourceMetadata)
    jwk = metadata.encryption_key
    return Resource(audience, metadata, created_at, None if jwk is None else Key.from_jwk(jwk))


def check_resource_metadata(
    audience: str, metadata: ResourceMetadata, algorithms: tuple[str, ...]
) -> None:
    """Check what a resource is to be.

    Args:
        audience: the ``aud`` of its tokens.
        metadata: the rest.
        algorithms: those that the service has keys of.

    Raises:
        ClientRefused: naming what is at fault and what was expected.
    """
    if _AUDIENCE.fullmatch(audience) is None:
        raise ClientRefused(
            "an audience is a name or a URL of printable ASCII without spaces, commas and quotes"
        )
    if not all(_SCOPE.fullmatch(scope) for scope in metadata.scopes):
        raise ClientRefused("scopes are names without spaces and quotes")
    if metadata.signing_alg is not None and metadata.signing_alg not in algorithms:
        raise ClientRefused(
            f"signing_alg is one of the setting signing_algorithms: {', '.join(algorithms)}"
        )
    if metadata.encryption_key is None:
        return
    try:
        key = Key.from_jwk(metadata.encryption_key, public=True)
        jwe.encrypt(b"", key, metadata.encryption_enc)
    except (InvalidKey, ConfigurationError) as error:
        raise ClientRefused(
            f"encryption_key is a public JWK with alg, such as ECDH-ES+A256KW: {error}"
        ) from None
