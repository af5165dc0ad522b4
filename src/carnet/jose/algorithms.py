"""One row per algorithm: all that the rest of the code needs to know about it.

Registered in RFC 7518, 8037, 8812, 9864 (Ed25519, Ed448) and 9964 (ML-DSA). ``none`` has no row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "ALGORITHMS",
    "ALGORITHM_OF_CURVE",
    "ENCRYPTIONS",
    "Algorithm",
    "AlgorithmName",
    "Encryption",
    "EncryptionName",
]

EncryptionName = Literal[
    "A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"
]
"""What a text may be encrypted with: an ``enc``."""

AlgorithmName = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "Ed25519",
    "Ed448",
    "EdDSA",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "RSA-OAEP-384",
    "RSA-OAEP-512",
    "A128KW",
    "A192KW",
    "A256KW",
    "A128GCMKW",
    "A192GCMKW",
    "A256GCMKW",
    "dir",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "PBES2-HS256+A128KW",
    "PBES2-HS384+A192KW",
    "PBES2-HS512+A256KW",
    EncryptionName,
]
"""What a key may be for: an ``alg``, or an ``enc`` for a ``dir`` key that is bound to it."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What an ``alg`` value means.

    Attributes:
        name: the ``alg`` value.
        kty: the key type it needs.
        use: ``sig`` or ``enc``.
        family: which operation it is, e.g. ``HMAC``, ``ECDSA``, ``AES-KW``.
        hash: name of the hash, where it has one.
        curves: JWK curves that it works on, where it needs one.
        size: bytes: the least length of an HMAC secret, or the exact length of a wrapping key.
        also_verifies: older ``alg`` values that mean the same operation with the same key.
        decrypt_only: too weak to make new messages with; read only where it is asked for.
    """

    name: str
    kty: str
    use: str
    family: str
    hash: str = ""
    curves: tuple[str, ...] = ()
    size: int = 0
    also_verifies: tuple[str, ...] = ()
    decrypt_only: bool = False


@dataclass(frozen=True, slots=True)
class Encryption:
    """What an ``enc`` value means: ``size`` is the content key's length in bytes."""

    name: str
    size: int
    family: str
    hash: str = ""
    tag_size: int = field(default=16)


_ECDH_CURVES = ("P-256", "P-384", "P-521", "X25519", "X448")

ALGORITHMS: dict[str, Algorithm] = {
    row.name: row
    for row in (
        # name       kty    use    family
        Algorithm("HS256", "oct", "sig", "HMAC", "sha256", size=32),
        Algorithm("HS384", "oct", "sig", "HMAC", "sha384", size=48),
        Algorithm("HS512", "oct", "sig", "HMAC", "sha512", size=64),
        Algorithm("RS256", "RSA", "sig", "RSA-PKCS1", "sha256"),
        Algorithm("RS384", "RSA", "sig", "RSA-PKCS1", "sha384"),
        Algorithm("RS512", "RSA", "sig", "RSA-PKCS1", "sha512"),
        Algorithm("PS256", "RSA", "sig", "RSA-PSS", "sha256"),
        Algorithm("PS384", "RSA", "sig", "RSA-PSS", "sha384"),
        Algorithm("PS512", "RSA", "sig", "RSA-PSS", "sha512"),
        Algorithm("ES256", "EC", "sig", "ECDSA", "sha256", ("P-256",), size=32),
        Algorithm("ES384", "EC", "sig", "ECDSA", "sha384", ("P-384",), size=48),
        Algorithm("ES512", "EC", "sig", "ECDSA", "sha512", ("P-521",), size=66),
        Algorithm("ES256K", "EC", "sig", "ECDSA", "sha256", ("secp256k1",), size=32),
        Algorithm("Ed25519", "OKP", "sig", "EdDSA", "", ("Ed25519",), 64, ("EdDSA",)),
        Algorithm("Ed448", "OKP", "sig", "EdDSA", "", ("Ed448",), 114, ("EdDSA",)),
        Algorithm("EdDSA", "OKP", "sig", "EdDSA", "", ("Ed25519", "Ed448")),
        Algorithm("ML-DSA-44", "AKP", "sig", "ML-DSA", size=1312),
        Algorithm("ML-DSA-65", "AKP", "sig", "ML-DSA", size=1952),
        Algorithm("ML-DSA-87", "AKP", "sig", "ML-DSA", size=2592),
        Algorithm("RSA1_5", "RSA", "enc", "RSA1_5", decrypt_only=True),
        Algorithm("RSA-OAEP", "RSA", "enc", "RSA-OAEP", "sha1"),
        Algorithm("RSA-OAEP-256", "RSA", "enc", "RSA-OAEP", "sha256"),
        Algorithm("RSA-OAEP-384", "RSA", "enc", "RSA-OAEP", "sha384"),
        Algorithm("RSA-OAEP-512", "RSA", "enc", "RSA-OAEP", "sha512"),
        Algorithm("A128KW", "oct", "enc", "AES-KW", size=16),
        Algorithm("A192KW", "oct", "enc", "AES-KW", size=24),
        Algorithm("A256KW", "oct", "enc", "AES-KW", size=32),
        Algorithm("A128GCMKW", "oct", "enc", "AES-GCMKW", size=16),
        Algorithm("A192GCMKW", "oct", "enc", "AES-GCMKW", size=24),
        Algorithm("A256GCMKW", "oct", "enc", "AES-GCMKW", size=32),
        Algorithm("dir", "oct", "enc", "dir"),
        Algorithm("ECDH-ES", "*", "enc", "ECDH-ES", curves=_ECDH_CURVES),
        Algorithm("ECDH-ES+A128KW", "*", "enc", "ECDH-ES", curves=_ECDH_CURVES, size=16),
        Algorithm("ECDH-ES+A192KW", "*", "enc", "ECDH-ES", curves=_ECDH_CURVES, size=24),
        Algorithm("ECDH-ES+A256KW", "*", "enc", "ECDH-ES", curves=_ECDH_CURVES, size=32),
        Algorithm("PBES2-HS256+A128KW", "oct", "enc", "PBES2", "sha256", (), 16, (), True),
        Algorithm("PBES2-HS384+A192KW", "oct", "enc", "PBES2", "sha384", (), 24, (), True),
        Algorithm("PBES2-HS512+A256KW", "oct", "enc", "PBES2", "sha512", (), 32, (), True),
    )
}

ENCRYPTIONS: dict[str, Encryption] = {
    row.name: row
    for row in (
        Encryption("A128GCM", 16, "GCM"),
        Encryption("A192GCM", 24, "GCM"),
        Encryption("A256GCM", 32, "GCM"),
        Encryption("A128CBC-HS256", 32, "CBC-HS", "sha256", 16),
        Encryption("A192CBC-HS384", 48, "CBC-HS", "sha384", 24),
        Encryption("A256CBC-HS512", 64, "CBC-HS", "sha512", 32),
    )
}

# A key of one of these curves or types that names no algorithm can only mean this one.
ALGORITHM_OF_CURVE = {
    "P-256": "ES256",
    "P-384": "ES384",
    "P-521": "ES512",
    "secp256k1": "ES256K",
    "Ed25519": "Ed25519",
    "Ed448": "Ed448",
}
