"""Certificate chains of keys: ``x5c`` and ``x5t#S256`` (RFC 7517 sections 4.7 and 4.9).

A chain that comes with a key says nothing by itself: it is kept, once its first certificate is
found to be the key's. Only ``validate`` tells whether somebody who is trusted stands behind it. The
path is found and checked by ``cryptography`` (RFC 5280 section 6); what is asked of the first
certificate is asked here.
"""

from __future__ import annotations

import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from carnet.errors import ConfigurationError, InvalidKey
from carnet.jose.arguments import BytesLike, bytes_of
from carnet.jose.encoding import b64url_encode
from carnet.jose.key_types import CRYPTOGRAPHY_ERRORS, key_type_of

__all__ = ["Chain", "certificate_members", "chain_of", "check_chain", "leaf_key", "validate"]

Chain = str | BytesLike | Sequence[str | BytesLike]
"""Certificates, the key's own first: PEM text, or a list of DER or of what ``x5c`` holds."""

MAX_CHAIN: Final = 10
MAX_CERTIFICATE: Final = 16 * 1024
MAX_PEM: Final = 256 * 1024

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def chain_of(given: Chain, what: str = "the chain") -> tuple[bytes, ...]:
    """Give certificates as DER.

    Args:
        given: PEM text, or a list whose members are DER or base64 text.
        what: what they are, for the error.

    Raises:
        InvalidKey: if there are none, too many, or one is no certificate's text.
    """
    if isinstance(given, str | bytes | bytearray | memoryview):
        members: Sequence[Any] = _pem_blocks(given, what)
    elif isinstance(given, list | tuple):
        members = given
    else:
        raise InvalidKey(f"{what} must be PEM text, or a list of certificates in DER or base64")
    if not 0 < len(members) <= MAX_CHAIN:
        raise InvalidKey(f"{what} must have from 1 to {MAX_CHAIN} certificates")
    return tuple(_der(member, what) for member in members)


def _pem_blocks(given: str | BytesLike, what: str) -> list[bytes]:
    raw = given.encode("utf-8", "replace") if isinstance(given, str) else bytes_of(given) or b""
    if len(raw) > MAX_PEM:
        raise InvalidKey(f"{what} is longer than {MAX_PEM} bytes")
    blocks = raw.split(_BEGIN)[1:]
    if len(blocks) > MAX_CHAIN or not all(_END in block for block in blocks):
        raise InvalidKey(f"{what} must have from 1 to {MAX_CHAIN} whole certificates")
    return [_decoded(b"".join(block.partition(_END)[0].split()), what) for block in blocks]


def _der(member: object, what: str) -> bytes:
    der = None
    if isinstance(member, str):
        der = _decoded(member.encode("utf-8", "replace"), what)
    else:
        der = bytes_of(member)
    if not der or len(der) > MAX_CERTIFICATE:
        raise InvalidKey(f"a certificate in {what} must have from 1 to {MAX_CERTIFICATE} bytes")
    return der


def _decoded(text: bytes, what: str) -> bytes:
    """Decode base64 with padding, which ``x5c`` has unlike all else in a JWK."""
    try:
        if len(text) > MAX_CERTIFICATE * 2:
            raise ValueError
        return a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        raise InvalidKey(f"a certificate in {what} is not base64") from None


def leaf_key(chain: Sequence[bytes]) -> Any:
    """Give the public key of a chain's first certificate.

    Raises:
        InvalidKey: if it is no certificate, or of a kind that has no key.
    """
    return _public_key(_load(chain[0]))


def check_chain(chain: Sequence[bytes], material: Any, thumbprint: str | None = None) -> None:
    """Check that a chain's first certificate is a key's own.

    Args:
        chain: the certificates, as DER.
        material: the key, private or public.
        thumbprint: the ``x5t#S256`` that stands beside them, if one does.

    Raises:
        InvalidKey: if it is another key's (RFC 7517 section 4.7), or the thumbprint another
            certificate's.
    """
    kind = key_type_of(material)
    if kind.kty == "oct":
        raise InvalidKey("a shared secret has no certificate")
    if _spki(leaf_key(chain)) != _spki(kind.public(material)):
        raise InvalidKey("the first certificate of 'x5c' is not this key's (RFC 7517 section 4.7)")
    if thumbprint not in (None, _thumbprint(chain[0])):
        raise InvalidKey("the 'x5t#S256' is not that of the first certificate of 'x5c'")


def certificate_members(chain: Sequence[bytes]) -> dict[str, Any]:
    """Give the members of a JWK that say a chain."""
    return {
        "x5c": [b2a_base64(der, newline=False).decode() for der in chain],
        "x5t#S256": _thumbprint(chain[0]),
    }


def validate(chain: Sequence[bytes], roots: Sequence[bytes], at: datetime, use: str) -> None:
    """Check that a chain leads to a root, at a moment (RFC 5280 section 6).

    Args:
        chain: the certificates, the key's own first.
        roots: the certificates that are trusted.
        at: the moment, with a time zone.
        use: ``sig`` or ``enc``: what the key is for.

    Raises:
        ConfigurationError: if ``at`` is no such moment.
        InvalidKey: if it does not lead there.
    """
    from cryptography.x509 import BasicConstraints, KeyUsage, verification

    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ConfigurationError(
            "at must be a datetime with a time zone, such as datetime.now(UTC)"
        )
    leaf, *rest = map(_load, chain)
    anchors = [_load(der) for der in roots]

    def no_authority(_policy: object, _certificate: object, basic: Any) -> None:
        if basic is not None and basic.ca:
            raise ValueError

    def for_this_use(_policy: object, _certificate: object, usage: Any) -> None:
        if usage is not None and not any(getattr(usage, name) for name in _USAGES[use]):
            raise ValueError

    agnostic = verification.Criticality.AGNOSTIC
    own = verification.ExtensionPolicy.permit_all()
    own = own.may_be_present(BasicConstraints, agnostic, no_authority)
    own = own.may_be_present(KeyUsage, agnostic, for_this_use)
    authorities = verification.ExtensionPolicy.webpki_defaults_ca()
    try:
        # It is the verifier for TLS clients that asks for no host name; what it asks of a client's
        # certificate besides is replaced.
        builder = verification.PolicyBuilder().store(verification.Store(anchors)).time(at)
        builder = builder.extension_policies(ee_policy=own, ca_policy=authorities)
        builder.build_client_verifier().verify(leaf, rest)
    except (verification.VerificationError, *CRYPTOGRAPHY_ERRORS):
        raise InvalidKey(
            "the certificates do not lead to a root that is trusted here, or one has expired or is "
            "not for this use (RFC 5280 section 6)"
        ) from None


_USAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "sig": ("digital_signature", "content_commitment"),
    "enc": ("key_encipherment", "key_agreement", "data_encipherment"),
}


def _load(der: bytes) -> Any:
    from cryptography import x509  # a third of the time that importing carnet would take

    try:
        return x509.load_der_x509_certificate(der)
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey("a certificate can't be read") from None


def _public_key(certificate: Any) -> Any:
    try:
        return certificate.public_key()
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey("the certificate's key can't be read") from None


def _spki(public: Any) -> bytes:
    data: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data


def _thumbprint(der: bytes) -> str:
    return b64url_encode(hashlib.sha256(der).digest())
