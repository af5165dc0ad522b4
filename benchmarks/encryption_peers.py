"""Packages that encrypt and decrypt, each brought to the same two calls over the same bytes."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

from carnet import Key
from carnet.jose import jwe

__all__ = ["ALGORITHMS", "ENCRYPTIONS", "PEERS", "Bare", "Pair", "Peer", "Recipient", "bare"]

ALGORITHMS = ("RSA-OAEP-256", "A256KW", "dir", "ECDH-ES", "ECDH-ES+A256KW")
ENCRYPTIONS = ("A256GCM", "A128CBC-HS256")
PLAINTEXT = b'{"iss":"https://auth.example.com","aud":"orders","sub":"1dfee8d8","role":"ADMIN"}'

_PARAMETERS: dict[str, dict[str, Any]] = {
    "RSA-OAEP-256": {"size": 2048},
    "ECDH-ES": {"crv": "P-256"},
    "ECDH-ES+A256KW": {"crv": "P-256"},
}


@dataclass(frozen=True)
class Recipient:
    """The key that all packages use for one pair of algorithms."""

    alg: str
    enc: str
    key: Key

    @classmethod
    def make(cls, alg: str, enc: str) -> Recipient:
        """Make a key: RSA keys have 2048 bits, ECDH keys are on P-256."""
        name = enc if alg == "dir" else alg
        return cls(alg, enc, Key.generate(name, **_PARAMETERS.get(alg, {})))

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": self.alg, "enc": self.enc, "kid": self.key.kid}

    @property
    def jwk(self) -> dict[str, Any]:
        """The private key or secret as a JWK that leaves the algorithm open."""
        return {
            name: value
            for name, value in self.key.to_jwk(private=True).items()
            if name not in ("alg", "use")
        }


@dataclass(frozen=True)
class Pair:
    """A package's two calls; ``decrypt`` gives the plaintext."""

    encrypt: Callable[[], Any]
    decrypt: Callable[[str], bytes]


@dataclass(frozen=True)
class Peer:
    """A package: the module to import, how to prepare it, and the algorithms that it knows."""

    name: str
    module: str
    prepare: Callable[[Recipient], Pair]
    algorithms: Collection[str] = ALGORITHMS

    @property
    def installed(self) -> bool:
        try:
            import_module(self.module)
        except ImportError:
            return False
        return True


def _carnet(recipient: Recipient) -> Pair:
    private = recipient.key
    public = private if private.kty == "oct" else private.public
    return Pair(
        partial(jwe.encrypt, PLAINTEXT, public, recipient.enc),
        lambda token: jwe.decrypt(token, private).plaintext,
    )


def _joserfc(recipient: Recipient) -> Pair:
    from joserfc import jwe as joserfc_jwe
    from joserfc import jwk

    key = jwk.import_key(recipient.jwk)
    header, names = recipient.header, [recipient.alg, recipient.enc]
    return Pair(
        lambda: joserfc_jwe.encrypt_compact(header, PLAINTEXT, key, names),
        lambda token: joserfc_jwe.decrypt_compact(token, key, names).plaintext or b"",
    )


def _jwcrypto(recipient: Recipient) -> Pair:
    from jwcrypto import jwe as jwcrypto_jwe
    from jwcrypto import jwk
    from jwcrypto.common import json_encode

    key = jwk.JWK(**recipient.jwk)
    header, names = recipient.header, [recipient.alg, recipient.enc]

    def encrypt() -> Any:
        token = jwcrypto_jwe.JWE(PLAINTEXT, json_encode(header), algs=names)
        token.add_recipient(key)
        return token.serialize(compact=True)

    def decrypt(token: str) -> bytes:
        opened = jwcrypto_jwe.JWE(algs=names)
        opened.deserialize(token, key)
        return opened.payload  # type: ignore[no-any-return]

    return Pair(encrypt, decrypt)


PEERS: tuple[Peer, ...] = (
    Peer("carnet", "carnet", _carnet),
    Peer("joserfc", "joserfc", _joserfc),
    Peer("jwcrypto", "jwcrypto", _jwcrypto),
)


@dataclass(frozen=True)
class Bare:
    """The operations of ``cryptography`` and ``hmac`` alone, over bytes and keys that are ready."""

    encrypt: Callable[[], Any]
    decrypt: Callable[[], Any]


def bare(recipient: Recipient) -> Bare:
    """Give what can't be left out: for each token a new content key, or a new key to agree with."""
    cek, iv, aad = os.urandom(32), os.urandom(16), os.urandom(100)
    carry, fetch = _CARRYING[recipient.alg](recipient.key, cek)
    seal, opened = (_gcm if recipient.enc == "A256GCM" else _cbc)(cek, iv, aad)

    def encrypt() -> None:
        carry()
        os.urandom(16)
        seal()

    def decrypt() -> None:
        fetch()
        opened()

    return Bare(encrypt, decrypt)


Two = tuple[Callable[[], Any], Callable[[], Any]]


def _gcm(cek: bytes, iv: bytes, aad: bytes) -> Two:
    sealed = AESGCM(cek).encrypt(iv[:12], PLAINTEXT, aad)
    return (
        lambda: AESGCM(cek).encrypt(iv[:12], PLAINTEXT, aad),
        lambda: AESGCM(cek).decrypt(iv[:12], sealed, aad),
    )


def _cbc(cek: bytes, iv: bytes, aad: bytes) -> Two:
    padded = PLAINTEXT + bytes(-len(PLAINTEXT) % 16)
    encrypted = Cipher(AES(cek[16:]), CBC(iv)).encryptor().update(padded)
    data = aad + iv + encrypted + bytes(8)

    def seal() -> None:
        Cipher(AES(cek[16:]), CBC(iv)).encryptor().update(padded)
        hmac.digest(cek[:16], data, "sha256")

    def opened() -> None:
        hmac.digest(cek[:16], data, "sha256")
        Cipher(AES(cek[16:]), CBC(iv)).decryptor().update(encrypted)

    return seal, opened


def _rsa(key: Key, cek: bytes) -> Two:
    private = serialization.load_pem_private_key(key.to_pem(private=True), None)
    public: Any = private.public_key()
    scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = public.encrypt(cek, scheme)
    return partial(_new_key, public.encrypt, scheme), partial(private.decrypt, wrapped, scheme)  # type: ignore[union-attr]


def _new_key(encrypt: Callable[..., Any], scheme: Any) -> None:
    encrypt(os.urandom(32), scheme)


def _key_wrap(secret: bytes, cek: bytes) -> Two:
    wrapped = aes_key_wrap(secret, cek)
    return (
        lambda: aes_key_wrap(secret, os.urandom(32)),
        lambda: aes_key_unwrap(secret, wrapped),
    )


def _ecdh(wrapping: Two | None, _key: Key, _cek: bytes) -> Two:
    curve = ec.SECP256R1()
    private = ec.generate_private_key(curve)
    public = private.public_key()
    form = serialization.PublicFormat.UncompressedPoint
    point = public.public_bytes(serialization.Encoding.X962, form)
    wrap, unwrap = wrapping or (_nothing, _nothing)

    def carry() -> None:
        ec.generate_private_key(curve).exchange(ec.ECDH(), public)
        wrap()

    def fetch() -> None:
        private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, point))
        unwrap()

    return carry, fetch


def _nothing() -> None:
    pass


_CARRYING: dict[str, Callable[[Key, bytes], Two]] = {
    "RSA-OAEP-256": _rsa,
    "A256KW": lambda _key, cek: _key_wrap(os.urandom(32), cek),
    "dir": lambda _key, _cek: (_nothing, _nothing),
    "ECDH-ES": partial(_ecdh, None),
    "ECDH-ES+A256KW": partial(_ecdh, _key_wrap(os.urandom(32), os.urandom(32))),
}
