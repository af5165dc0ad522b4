"""PEM and DER in and out, and the recognition of key texts passed off as secrets."""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization

from carnet.errors import InvalidKey
from carnet.jose.key_types import CRYPTOGRAPHY_ERRORS

__all__ = ["dump", "load_der", "load_pem", "looks_like_a_key"]

MAX_PEM = 64 * 1024
MAX_PASSWORD = 1023


def _pem_certificate(data: bytes) -> Any:
    from cryptography import x509  # a third of the time that importing carnet would take

    return x509.load_pem_x509_certificate(data).public_key()


def _der_certificate(data: bytes) -> Any:
    from cryptography import x509

    return x509.load_der_x509_certificate(data).public_key()


_PUBLIC_DER: tuple[Callable[[bytes], Any], ...] = (
    serialization.load_der_public_key,
    _der_certificate,
)


def load_pem(data: str | bytes, password: str | bytes | None) -> Any:
    """Load the one key or certificate of a PEM text.

    Raises:
        InvalidKey: if there is none, more than one kind, or the password is wrong.
    """
    raw = _bytes(data)
    if b"PRIVATE KEY-----" in raw:
        return _private(serialization.load_pem_private_key, raw, password)
    if b"-----BEGIN CERTIFICATE-----" in raw:
        return _public(_pem_certificate, raw)
    if b"PUBLIC KEY-----" in raw:
        return _public(serialization.load_pem_public_key, raw)
    raise InvalidKey("no PEM key found: expected a block that begins with -----BEGIN")


def load_der(data: bytes, password: str | bytes | None) -> Any:
    """Load a key or certificate from DER.

    Raises:
        InvalidKey: if it holds none, or the password is wrong.
    """
    raw = _bytes(data)
    for load in _PUBLIC_DER:
        try:
            return load(raw)
        except CRYPTOGRAPHY_ERRORS:
            continue
    return _private(serialization.load_der_private_key, raw, password)


def dump(material: Any, private: bool, password: str | bytes | None) -> bytes:
    """Give PEM of a key object of ``cryptography``."""
    if not private:
        data: bytes = material.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return data
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        protection = serialization.BestAvailableEncryption(_password(password) or b"")
    secret: bytes = material.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )
    return secret


def looks_like_a_key(secret: bytes) -> bool:
    """Tell whether bytes are the text of an asymmetric key, a certificate or a JWK.

    Such bytes given as an HMAC secret are how a published public key becomes a signing key
    (CVE-2015-9235, CVE-2022-29217 and many since): in PEM, DER, OpenSSH, JWK or base64 of these.
    """
    text = secret.lstrip(b"\xef\xbb\xbf \t\r\n")
    if any(mark in text for mark in (b"-----BEGIN", b"---- BEGIN SSH2")):
        return True
    if text.startswith((b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")):
        return True
    if text.startswith(b"{") and b'"kty"' in text:
        return True
    if _is_der(secret) or _is_der(secret.strip()):
        return True
    compact = re.sub(rb"\s+", b"", text).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        decoded = a2b_base64(compact + b"=" * (-len(compact) % 4), strict_mode=True)
    except ValueError:
        return False
    return _is_der(decoded) or decoded.lstrip().startswith(
        (b"-----BEGIN", b'{"', b"\0\0\0\x07ssh-")
    )


def _is_der(data: bytes) -> bool:
    if data[:1] != b"\x30":
        return False
    loaders: tuple[Callable[[bytes], Any], ...] = (
        *_PUBLIC_DER,
        lambda raw: serialization.load_der_private_key(raw, None),
    )
    for load in loaders:
        try:
            load(data)
        except TypeError:
            return True  # an encrypted private key: it only wants its password
        except CRYPTOGRAPHY_ERRORS:
            continue
        return True
    return False


def _private(load: Callable[..., Any], raw: bytes, password: str | bytes | None) -> Any:
    try:
        return load(raw, _password(password))
    except TypeError:
        raise InvalidKey(
            "the private key is encrypted: pass its password"
            if password is None
            else "the private key is not encrypted: pass no password"
        ) from None
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey("the private key can't be read, or its password is wrong") from None


def _public(load: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return load(raw)
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey("the public key or certificate can't be read") from None


def _password(password: str | bytes | None) -> bytes | None:
    raw = password.encode("utf-8", "replace") if isinstance(password, str) else password
    if raw is not None and not (isinstance(raw, bytes) and 0 < len(raw) <= MAX_PASSWORD):
        raise InvalidKey(f"a password has from 1 to {MAX_PASSWORD} bytes")
    return raw


def _bytes(data: object) -> bytes:
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    if not isinstance(data, bytes):
        raise InvalidKey("a PEM or DER key is bytes or text")
    if len(data) > MAX_PEM:
        raise InvalidKey(f"the key is longer than {MAX_PEM} bytes")
    return data
