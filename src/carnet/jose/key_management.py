"""How a content key reaches its recipient: one class per family (RFC 7518 section 4, RFC 8037).

``wrap`` takes a content key and gives the encrypted key with the header parameters that the
recipient needs; ``unwrap`` gives the content key back. Two families agree on the content key
instead of carrying it (``dir``, ``ECDH-ES`` without wrapping): their ``agree`` makes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from carnet.errors import InvalidKey, InvalidToken
from carnet.jose.algorithms import Algorithm, Encryption
from carnet.jose.content_encryption import DecryptionFailed
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.jose.header import invalid
from carnet.jose.key import Key, material_of
from carnet.jose.key_types import CRYPTOGRAPHY_ERRORS, KEY_TYPES, PRIVATE_MEMBERS, generate
from carnet.jose.signatures import HASHES

__all__ = ["FAMILIES", "MAX_ITERATIONS", "KeyManagement"]

MIN_ITERATIONS = 1000
MAX_ITERATIONS = 600_000
"""How often a password may be hashed for one token, over all its recipients and keys."""
MIN_SALT = 8
MAX_PARTY_INFO = 256

_SCHEMES: dict[str, padding.AsymmetricPadding] = {
    "": padding.PKCS1v15(),
    **{name: padding.OAEP(padding.MGF1(hash), hash, None) for name, hash in HASHES.items()},
}
"""The schemes of RSA, by the hash of the algorithm; RSA1_5 has none."""

Header = Mapping[str, Any]


class KeyManagement:
    """What a family does; ``agrees`` tells whether it makes the content key itself."""

    def agrees(self, algorithm: Algorithm) -> bool:
        """Tell whether the content key comes out of the agreement itself."""
        return False

    def agree(self, key: Key, encryption: Encryption, header: Header) -> tuple[bytes, Header]:
        """Give the content key, and what the header must say for the recipient to find it."""
        raise NotImplementedError

    def wrap(self, key: Key, cek: bytes, header: Header) -> tuple[bytes, Header]:
        """Encrypt the content key, and give what the header must say of it."""
        raise NotImplementedError

    def unwrap(self, key: Key, encryption: Encryption, header: Header, wrapped: bytes) -> bytes:
        """Give the content key of a token."""
        raise NotImplementedError

    def iterations(self, header: Header) -> int:
        """Tell how often a password is hashed for it."""
        return 0


class _Rsa(KeyManagement):
    """RSAES-OAEP (RFC 7518 section 4.3), and RSAES-PKCS1-v1_5 for reading (section 4.2)."""

    def wrap(self, key: Key, cek: bytes, header: Header) -> tuple[bytes, Header]:
        return material_of(key.public).encrypt(cek, _SCHEMES[key.algorithm.hash]), {}

    def unwrap(self, key: Key, encryption: Encryption, header: Header, wrapped: bytes) -> bytes:
        # A failure here must not be told from one of the content (RFC 7516 section 11.5): go on
        # with a random key, as OpenSSL itself does for PKCS #1 v1.5.
        spare = os.urandom(encryption.size)
        try:
            cek: bytes = material_of(key).decrypt(wrapped, _SCHEMES[key.algorithm.hash])
        except CRYPTOGRAPHY_ERRORS:
            return spare
        return cek if len(cek) == encryption.size else spare


class _AesKeyWrap(KeyManagement):
    """AES Key Wrap (RFC 7518 section 4.4)."""

    def wrap(self, key: Key, cek: bytes, header: Header) -> tuple[bytes, Header]:
        return aes_key_wrap(material_of(key), cek), {}

    def unwrap(self, key: Key, encryption: Encryption, header: Header, wrapped: bytes) -> bytes:
        return _unwrap(material_of(key), wrapped)


class _AesGcmKeyWrap(KeyManagement):
    """AES-GCM key encryption (RFC 7518 section 4.7)."""

    def wrap(self, key: Key, cek: bytes, header: Header) -> tuple[bytes, Header]:
        iv = os.urandom(12)
        sealed = AESGCM(material_of(key)).encrypt(iv, cek, None)
        return sealed[:-16], {"iv": b64url_encode(iv), "tag": b64url_encode(sealed[-16:])}

    def unwrap(self, key: Key, encryption: Encryption, header: Header, wrapped: bytes) -> bytes:
        iv, tag = _parameter(header, "iv", 12), _parameter(header, "tag", 16)
        try:
            return AESGCM(material_of(key)).decrypt(iv, wrapped + tag, None)
        except (InvalidTag, *CRYPTOGRAPHY_ERRORS):
            raise DecryptionFailed from None


class _Direct(KeyManagement):
    """The shared secret is the content key (RFC 7518 section 4.5)."""

    def agrees(self, algorithm: Algorithm) -> bool:
        return True

    def agree(self, key: Key, encryption: Encryption, header: Header) -> tuple[bytes, Header]:
        return self._secret(key, encryption), {}

    def unwrap(self, key: Key, encryption: Encryption, header: Header, wrapped: bytes) -> bytes:
        if wrapped:
            raise DecryptionFailed
        return self._secret(key, encryption)

    def _secret(self, key: Key, encryption: Encryption) -> bytes:
        secret: bytes = material_of(key)
        bound = key.encryption
        if len(secret) != encryption.size or bound not in (None, encryption.name):
            raise InvalidKey(
                f"a 'dir' key of {len(secret)} bytes, {bound or 'unbound'}, can't be used with "
                f"{encryption.name}"
            )
        return secret


class _EcdhEs(KeyManagement):
    """ECDH-ES, used directly or with AES Key Wrap (RFC 7518 section 4.6, RFC 8037 section 3.2)."""

    def agrees(self, algorithm: Algorithm) -> bool:
        return algorithm.size == 0

    def agree(self, key: Key, encryption: Encryption, header: Header) -> tuple[bytes, Header]:
        public = material_of(key.public)
        kind = KEY_TYPES[key.kty]
        ephemeral = generate(key.kty, kind.curve(public), 0)
        epk = {"kty": key.kty, **kind.dump(ephemeral, False)}
        secret = _exchange(ephemeral, public)
        return _derive(secret, key.algorithm, encryption, header), {"epk": epk}

    def wrap(self, key: Key, cek: bytes, header: Header) -> tuple[bytes, Header]:
        shared, more = self.agree(key, Encryption("", 0, ""), header)
        return aes_key_wrap(shared, cek), more

    def unwrap(self, key: Key, encryption: Encryption, header: Header, wrapped: bytes) -> bytes:
        algorithm = key.algorithm
        secret = _exchange(material_of(key), self._ephemeral(key, header))
        shared = _derive(secret, algorithm, encryption, header)
        if algorithm.size:
            return _unwrap(shared, wrapped)
        if wrapped:
            raise DecryptionFailed
        return shared

    def _ephemeral(self, key: Key, header: Header) -> Any:
        epk = header.get("epk")
        curve = KEY_TYPES[key.kty].curve(material_of(key))
        expected = f"a public {key.kty} JWK on {curve}"
        if not isinstance(epk, Mapping) or not PRIVATE_MEMBERS.isdisjoint(epk):
            raise invalid("epk", expected)
        if epk.get("kty") != key.kty or epk.get("crv") != curve:
            raise invalid("epk", expected)
        try:
            return KEY_TYPES[key.kty].load(epk)
        except (InvalidKey, *CRYPTOGRAPHY_ERRORS):
            raise invalid("epk", expected) from None


class _Pbes2(KeyManagement):
    """Passwords, for reading only (RFC 7518 section 4.8, RFC 8725 section 3.2)."""

    def unwrap(self, key: Key, encryption: Encryption, header: Header, wrapped: bytes) -> bytes:
        algorithm = key.algorithm
        salt = _parameter(header, "p2s", None)
        if len(salt) < MIN_SALT:
            raise invalid("p2s", f"at least {MIN_SALT} bytes")
        full_salt = algorithm.name.encode() + b"\0" + salt
        count = self.iterations(header)
        derive = PBKDF2HMAC(HASHES[algorithm.hash], algorithm.size, full_salt, count)
        return _unwrap(derive.derive(material_of(key)), wrapped)

    def iterations(self, header: Header) -> int:
        count = header.get("p2c")
        if not isinstance(count, int) or isinstance(count, bool):
            count = 0
        if not MIN_ITERATIONS <= count <= MAX_ITERATIONS:
            raise invalid("p2c", f"a number from {MIN_ITERATIONS} to {MAX_ITERATIONS}")
        return count


FAMILIES: dict[str, KeyManagement] = {
    "RSA1_5": _Rsa(),
    "RSA-OAEP": _Rsa(),
    "AES-KW": _AesKeyWrap(),
    "AES-GCMKW": _AesGcmKeyWrap(),
    "dir": _Direct(),
    "ECDH-ES": _EcdhEs(),
    "PBES2": _Pbes2(),
}


def _exchange(private: Any, public: Any) -> bytes:
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            shared: bytes = private.exchange(ec.ECDH(), public)
        else:
            shared = private.exchange(public)
    except CRYPTOGRAPHY_ERRORS:
        raise invalid("epk", "a point that a secret can be agreed with") from None
    return shared


def _derive(secret: bytes, algorithm: Algorithm, encryption: Encryption, header: Header) -> bytes:
    """Concat KDF (RFC 7518 section 4.6.2)."""
    name = algorithm.name if algorithm.size else encryption.name
    size = algorithm.size or encryption.size
    info = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (name.encode(), _party(header, "apu"), _party(header, "apv"))
    )
    info += (size * 8).to_bytes(4, "big")
    return ConcatKDFHash(HASHES["sha256"], size, info).derive(secret)


def _party(header: Header, name: str) -> bytes:
    return _parameter(header, name, None) if name in header else b""


def _parameter(header: Header, name: str, size: int | None) -> bytes:
    text = header.get(name)
    expected = "base64url" if size is None else f"base64url of {size} bytes"
    if not isinstance(text, str) or len(text) > MAX_PARTY_INFO * 2:
        raise invalid(name, expected)
    try:
        data = b64url_decode(text)
    except InvalidToken:
        raise invalid(name, expected) from None
    if size is not None and len(data) != size:
        raise invalid(name, expected)
    return data


def _unwrap(key: bytes, wrapped: bytes) -> bytes:
    try:
        return aes_key_unwrap(key, wrapped)
    except (InvalidUnwrap, *CRYPTOGRAPHY_ERRORS):
        raise DecryptionFailed from None
