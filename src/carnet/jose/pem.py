"""PEM, DER and OpenSSH's form, in and out; the recognition of key texts passed off as secrets."""

from __future__ import annotations

from binascii import a2b_base64, a2b_hex
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from carnet.errors import InvalidKey
from carnet.jose.arguments import BytesLike, bytes_of
from carnet.jose.key_types import CRYPTOGRAPHY_ERRORS
from carnet.jose.rsa_numbers import check_private_numbers

__all__ = ["dump", "load_der", "load_openssh", "load_pem", "looks_like_a_key"]

MAX_PEM = 64 * 1024
MAX_PASSWORD = 1023

_BEGIN = b"-----BEGIN "
_EC_PARAMETERS = b"-----BEGIN EC PARAMETERS-----"

_OPENSSH_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_END = b"-----END OPENSSH PRIVATE KEY-----"

_SUBJECT_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
_PKCS8 = serialization.PrivateFormat.PKCS8
_FORMS: dict[str, tuple[tuple[Any, Any], tuple[Any, Any]]] = {
    "PEM": (
        (serialization.Encoding.PEM, _SUBJECT_PUBLIC),
        (serialization.Encoding.PEM, _PKCS8),
    ),
    "DER": (
        (serialization.Encoding.DER, _SUBJECT_PUBLIC),
        (serialization.Encoding.DER, _PKCS8),
    ),
    "OpenSSH": (
        (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
        (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH),
    ),
}

_SSH = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")
_SPELLED_OVER = 2
_FROM_URL = bytes.maketrans(b"-_", b"+/")


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


def load_pem(data: str | BytesLike, password: str | BytesLike | None) -> Any:
    """Load the one key or certificate of a PEM text (RFC 7468).

    Text before and after it doesn't count, nor do the parameters that OpenSSL writes before an EC
    key.

    Raises:
        InvalidKey: if there is none, there are several, or the password is wrong.
    """
    raw = _bytes(data)
    blocks = raw.count(_BEGIN) - raw.count(_EC_PARAMETERS)
    if blocks > 1:
        raise InvalidKey(f"the PEM text holds {blocks} keys or certificates: give exactly one")
    if b"PRIVATE KEY-----" in raw:
        return _private(serialization.load_pem_private_key, raw, password)
    if b"-----BEGIN CERTIFICATE-----" in raw:
        return _public(_pem_certificate, raw)
    if b"PUBLIC KEY-----" in raw:
        return _public(serialization.load_pem_public_key, raw)
    raise InvalidKey("no PEM key found: expected a block that begins with -----BEGIN")


def load_der(data: BytesLike, password: str | BytesLike | None) -> Any:
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


def load_openssh(data: str | BytesLike) -> Any:
    """Load a key from the forms of its own that OpenSSH has.

    Raises:
        InvalidKey: if it holds none, several, or one that is encrypted.
    """
    raw = _bytes(data)
    if b"PRIVATE KEY-----" not in raw:
        return _public(serialization.load_ssh_public_key, raw.strip())
    body, end, rest = raw.partition(_OPENSSH_BEGIN)[2].partition(_OPENSSH_END)
    if not end or _BEGIN in rest or raw.count(_BEGIN) != 1:
        raise InvalidKey("no OpenSSH private key found: expected one, from BEGIN to END, alone")
    # The package looks for it with an expression that takes long where there is much white space.
    plain = b"\n".join((_OPENSSH_BEGIN, b"".join(body.split()), _OPENSSH_END, b""))
    try:
        found = serialization.load_ssh_private_key(plain, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise InvalidKey(
            "the OpenSSH key is encrypted: 'ssh-keygen -p -m PKCS8' writes it in a form that "
            "Key.from_pem reads with its password"
        ) from None
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey("the OpenSSH key can't be read") from None
    return _within_bounds(found)


def dump(material: Any, form: str, private: bool, password: str | BytesLike | None) -> bytes:
    """Give a key object of ``cryptography`` as ``PEM``, ``DER`` or ``OpenSSH``.

    Raises:
        InvalidKey: if it has no such form.
    """
    public_form, private_form = _FORMS[form]
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if private and password is not None:
        protection = serialization.BestAvailableEncryption(_password(password) or b"")
    try:
        data: bytes = (
            material.private_bytes(*private_form, protection)
            if private
            else material.public_bytes(*public_form)
        )
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey(f"a key of this kind has no {form} form") from None
    return data


def looks_like_a_key(secret: bytes) -> bool:
    """Tell whether bytes are the text of an asymmetric key, a certificate, a JWK or a JWK Set.

    Such bytes given as an HMAC secret are how a published public key becomes a signing key
    (CVE-2015-9235, CVE-2022-29217 and many since): in PEM, DER, OpenSSH or JSON, or one of these
    in UTF-16, UTF-32, hexadecimal digits or base64, also one in another.
    """
    spellings = {secret}
    for _ in range(_SPELLED_OVER):
        spellings.update(other for text in tuple(spellings) for other in _respell(text))
    return any(map(_is_key, spellings))


def _respell(text: bytes) -> Iterator[bytes]:
    """Give what a text says where it is UTF-16 or UTF-32, hexadecimal digits or base64."""
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        with suppress(UnicodeError):
            yield text.decode(encoding).lstrip("\ufeff").encode()
    compact = b"".join(text.removeprefix(b"\xef\xbb\xbf").split())
    with suppress(ValueError):
        yield a2b_hex(compact.replace(b":", b""))
    compact = compact.translate(_FROM_URL).rstrip(b"=")
    with suppress(ValueError):
        yield a2b_base64(compact + b"=" * (-len(compact) % 4), strict_mode=True)


def _is_key(data: bytes) -> bool:
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return (
        any(mark in text for mark in (b"-----BEGIN", b"---- BEGIN SSH2"))
        or text.startswith(_SSH)
        or (text.startswith(b"\0\0\0") and text[4:].startswith(_SSH))
        or _is_jwk(text)
        or _is_der(data)
        or _is_der(data.strip())
    )


def _is_jwk(text: bytes) -> bool:
    """Tell whether a text is a JWK, or an array or a set of such."""
    if not text.startswith((b"{", b"[")):
        return False
    if b'"kty"' in text:
        return True
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    listed = document
    if isinstance(document, dict):
        listed = [document, document.get("keys")]
    entries = [*listed, *(one for many in listed if isinstance(many, list) for one in many)]
    return any(isinstance(entry, dict) and "kty" in entry for entry in entries)


def _is_der(data: bytes) -> bool:
    if data[:1] != b"\x30":
        return False
    loaders: tuple[Callable[[bytes], Any], ...] = (
        *_PUBLIC_DER,
        lambda raw: serialization.load_der_private_key(
            raw, None, unsafe_skip_rsa_key_validation=True
        ),
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


def _private(load: Callable[..., Any], raw: bytes, password: str | BytesLike | None) -> Any:
    try:
        # Our own bounds come first: OpenSSL looks for primes in numbers of any length.
        found = load(raw, _password(password), unsafe_skip_rsa_key_validation=True)
        return _within_bounds(found)
    except TypeError:
        raise InvalidKey(
            "the private key is encrypted: pass its password"
            if password is None
            else "the private key is not encrypted: leave out the password"
        ) from None
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey("the private key can't be read, or its password is wrong") from None


def _within_bounds(found: Any) -> Any:
    if not isinstance(found, rsa.RSAPrivateKey):
        return found
    numbers = found.private_numbers()
    check_private_numbers(numbers)
    return numbers.private_key()


def _public(load: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return load(raw)
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey("the public key or certificate can't be read") from None


def _password(password: str | BytesLike | None) -> bytes | None:
    if password is None:
        return None
    raw = password.encode("utf-8", "replace") if isinstance(password, str) else bytes_of(password)
    if raw is None or not 0 < len(raw) <= MAX_PASSWORD:
        raise InvalidKey(f"a password must have from 1 to {MAX_PASSWORD} bytes")
    return raw


def _bytes(data: object) -> bytes:
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    raw = bytes_of(data)
    if raw is None:
        raise InvalidKey("a PEM or DER key must be bytes or text")
    if len(raw) > MAX_PEM:
        raise InvalidKey(f"the key is longer than {MAX_PEM} bytes")
    return raw
