"""Packages that encrypt and decrypt, each brought to the same two calls over the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from carnet import Key
from carnet.jose import jwe

__all__ = ["ALGORITHMS", "ENCRYPTIONS", "PEERS", "Pair", "Peer", "Recipient"]

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
