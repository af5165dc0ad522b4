"""One class per JWK ``kty``: JWK members in and out of what ``cryptography`` works with.

The *material* of a key is bytes for ``oct`` and a key object of ``cryptography`` for the others.
Every check that needs no algorithm is made here: lengths, curves, a private half that matches its
public half (RFC 7518 section 6, RFC 8037 section 2, RFC 9964 section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from carnet.errors import InvalidKey, InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.jose.rsa_numbers import (
    RSA_MAX_BITS,
    check_private_numbers,
    check_public_numbers,
    recover_private_numbers,
)

__all__ = [
    "CRYPTOGRAPHY_ERRORS",
    "KEY_TYPES",
    "PRIVATE_MEMBERS",
    "KeyType",
    "generate",
    "key_type_of",
]

Material = Any
"""Bytes, or a private or public key object of ``cryptography``."""

_MAX_MEMBER = 16 * 1024
"""Bytes that a secret in a JWK may have, the longest member that there is."""


def member(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    """Return the bytes of a base64url member of a JWK, of ``size`` bytes if given."""
    text = jwk.get(name)
    if not isinstance(text, str):
        raise InvalidKey(f"the JWK needs the member '{name}' as base64url text")
    longest = _MAX_MEMBER if size is None else size
    if len(text) > (longest * 4 + 2) // 3:
        raise InvalidKey(f"the JWK's '{name}' has more than {longest} bytes")
    try:
        data = b64url_decode(text)
    except InvalidToken:
        raise InvalidKey(f"the JWK's '{name}' is not canonical base64url") from None
    if size is not None and len(data) != size:
        raise InvalidKey(f"the JWK's '{name}' has {len(data)} bytes, expected {size}")
    return data


def _integer(jwk: Mapping[str, Any], name: str) -> int:
    data = member(jwk, name)
    if len(data) * 8 > RSA_MAX_BITS:
        raise InvalidKey(f"the JWK's '{name}' is longer than {RSA_MAX_BITS} bits")
    if not data or data[0] == 0:
        raise InvalidKey(f"the JWK's '{name}' is not an integer in its shortest form")
    return int.from_bytes(data, "big")


def _integer_text(value: int) -> str:
    return b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class KeyType:
    """What all key types share.

    Attributes:
        kty: the JWK ``kty``.
        thumbprint_members: the members that RFC 7638 section 3.2 hashes, sorted.
    """

    kty: ClassVar[str]
    thumbprint_members: ClassVar[tuple[str, ...]]
    private_members: ClassVar[tuple[str, ...]]

    @staticmethod
    def load(jwk: Mapping[str, Any]) -> Material:
        """Make the material from the members of a JWK."""
        raise NotImplementedError

    @staticmethod
    def check(material: Material) -> None:
        """Refuse material that is too weak, whatever it came from."""

    @staticmethod
    def dump(material: Material, private: bool) -> dict[str, str]:
        """Give the JWK members of the material."""
        raise NotImplementedError

    @classmethod
    def is_private(cls, material: Material) -> bool:
        """Tell whether the material can sign or decrypt."""
        return hasattr(material, "private_bytes")

    @classmethod
    def public(cls, material: Material) -> Material:
        """Give the public half."""
        return material.public_key() if cls.is_private(material) else material

    @staticmethod
    def curve(material: Material) -> str | None:
        """Give the curve's JOSE name, where there is one."""
        return None


class Octets(KeyType):
    """``oct``: a shared secret (RFC 7518 section 6.4)."""

    kty = "oct"
    thumbprint_members = ("k", "kty")
    private_members = ("k",)

    @staticmethod
    def load(jwk: Mapping[str, Any]) -> bytes:
        return member(jwk, "k")

    @staticmethod
    def dump(material: bytes, private: bool) -> dict[str, str]:
        return {"k": b64url_encode(material)}

    @classmethod
    def is_private(cls, material: Material) -> bool:
        return True

    @classmethod
    def public(cls, material: Material) -> Material:
        raise InvalidKey("a shared secret has no public half: whoever verifies with it can sign")


class Rsa(KeyType):
    """``RSA`` (RFC 7518 section 6.3)."""

    kty = "RSA"
    thumbprint_members = ("e", "kty", "n")
    private_members = ("d", "p", "q", "dp", "dq", "qi", "oth")

    @staticmethod
    def load(jwk: Mapping[str, Any]) -> Material:
        numbers = rsa.RSAPublicNumbers(_integer(jwk, "e"), _integer(jwk, "n"))
        check_public_numbers(numbers.n, numbers.e)
        if "oth" in jwk:
            raise InvalidKey("an RSA key of more than two primes ('oth') is not supported")
        crt = ("p", "q", "dp", "dq", "qi")
        given = [name for name in crt if name in jwk]
        if "d" not in jwk:
            if given:
                raise InvalidKey("the RSA JWK has primes but no 'd'")
            return numbers.public_key()
        if given and len(given) != len(crt):
            raise InvalidKey("an RSA JWK has all of 'p', 'q', 'dp', 'dq' and 'qi', or none of them")
        d = _integer(jwk, "d")
        if given:
            p, q, dp, dq, qi = (_integer(jwk, name) for name in crt)
            private = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, numbers)
        else:
            private = recover_private_numbers(numbers, d)
        check_private_numbers(private)
        return private.private_key()

    @staticmethod
    def check(material: Material) -> None:
        numbers = Rsa.public(material).public_numbers()
        check_public_numbers(numbers.n, numbers.e)

    @staticmethod
    def dump(material: Material, private: bool) -> dict[str, str]:
        if not private:
            numbers = Rsa.public(material).public_numbers()
            return {"n": _integer_text(numbers.n), "e": _integer_text(numbers.e)}
        secret = material.private_numbers()
        return {
            "n": _integer_text(secret.public_numbers.n),
            "e": _integer_text(secret.public_numbers.e),
            "d": _integer_text(secret.d),
            "p": _integer_text(secret.p),
            "q": _integer_text(secret.q),
            "dp": _integer_text(secret.dmp1),
            "dq": _integer_text(secret.dmq1),
            "qi": _integer_text(secret.iqmp),
        }


class EllipticCurve(KeyType):
    """``EC``: the NIST curves and secp256k1 (RFC 7518 section 6.2, RFC 8812 section 3.1)."""

    kty = "EC"
    thumbprint_members = ("crv", "kty", "x", "y")
    private_members = ("d",)

    curves: ClassVar[dict[str, tuple[ec.EllipticCurve, int]]] = {
        "P-256": (ec.SECP256R1(), 32),
        "P-384": (ec.SECP384R1(), 48),
        "P-521": (ec.SECP521R1(), 66),
        "secp256k1": (ec.SECP256K1(), 32),
    }

    @staticmethod
    def load(jwk: Mapping[str, Any]) -> Material:
        curve, size = _known(EllipticCurve.curves, jwk)
        point = b"\x04" + member(jwk, "x", size) + member(jwk, "y", size)
        # What is no point of the curve is refused here.
        public = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        if "d" not in jwk:
            return public
        d = int.from_bytes(member(jwk, "d", size), "big")
        # cryptography refuses a 'd' that does not belong to 'x' and 'y'.
        return ec.EllipticCurvePrivateNumbers(d, public.public_numbers()).private_key()

    @staticmethod
    def check(material: Material) -> None:
        EllipticCurve.curve(material)

    @staticmethod
    def dump(material: Material, private: bool) -> dict[str, str]:
        crv = EllipticCurve.curve(material)
        size = EllipticCurve.curves[crv][1]
        public = EllipticCurve.public(material).public_numbers()
        members = {
            "crv": crv,
            "x": b64url_encode(public.x.to_bytes(size, "big")),
            "y": b64url_encode(public.y.to_bytes(size, "big")),
        }
        if private:
            value = material.private_numbers().private_value
            members["d"] = b64url_encode(value.to_bytes(size, "big"))
        return members

    @staticmethod
    def curve(material: Material) -> str:
        for name, (curve, _) in EllipticCurve.curves.items():
            if material.curve.name == curve.name:
                return name
        raise InvalidKey(
            f"the curve {material.curve.name} is not supported; expected one of "
            + ", ".join(EllipticCurve.curves)
        )


class OctetKeyPair(KeyType):
    """``OKP``: Edwards and Montgomery curves (RFC 8037 section 2)."""

    kty = "OKP"
    thumbprint_members = ("crv", "kty", "x")
    private_members = ("d",)

    curves: ClassVar[dict[str, tuple[Any, Any, int]]] = {
        "Ed25519": (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey, 32),
        "Ed448": (ed448.Ed448PrivateKey, ed448.Ed448PublicKey, 57),
        "X25519": (x25519.X25519PrivateKey, x25519.X25519PublicKey, 32),
        "X448": (x448.X448PrivateKey, x448.X448PublicKey, 56),
    }

    @staticmethod
    def load(jwk: Mapping[str, Any]) -> Material:
        private_class, public_class, size = _known(OctetKeyPair.curves, jwk)
        public = public_class.from_public_bytes(member(jwk, "x", size))
        if "d" not in jwk:
            return public
        private = private_class.from_private_bytes(member(jwk, "d", size))
        if private.public_key().public_bytes_raw() != public.public_bytes_raw():
            raise InvalidKey("the OKP key's 'd' does not belong to its 'x'")
        return private

    @staticmethod
    def dump(material: Material, private: bool) -> dict[str, str]:
        public = OctetKeyPair.public(material)
        members = {
            "crv": OctetKeyPair.curve(material),
            "x": b64url_encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)),
        }
        if private:
            raw = material.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            members["d"] = b64url_encode(raw)
        return members

    @staticmethod
    def curve(material: Material) -> str:
        return next(
            name
            for name, (private_class, public_class, _) in OctetKeyPair.curves.items()
            if isinstance(material, private_class | public_class)
        )


class AlgorithmKeyPair(KeyType):
    """``AKP``: keys that belong to the algorithm they name, ML-DSA (RFC 9964 section 3)."""

    kty = "AKP"
    thumbprint_members = ("alg", "kty", "pub")
    private_members = ("priv",)

    algorithms: ClassVar[dict[str, tuple[Any, Any, int]]] = {
        "ML-DSA-44": (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey, 1312),
        "ML-DSA-65": (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey, 1952),
        "ML-DSA-87": (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey, 2592),
    }

    @staticmethod
    def load(jwk: Mapping[str, Any]) -> Material:
        name = jwk.get("alg")
        if not isinstance(name, str) or name not in AlgorithmKeyPair.algorithms:
            raise InvalidKey(
                "an AKP key names its 'alg', one of " + ", ".join(AlgorithmKeyPair.algorithms)
            )
        private_class, public_class, size = AlgorithmKeyPair.algorithms[name]
        public = public_class.from_public_bytes(member(jwk, "pub", size))
        if "priv" not in jwk:
            return public
        private = private_class.from_seed_bytes(member(jwk, "priv", 32))
        if private.public_key().public_bytes_raw() != public.public_bytes_raw():
            raise InvalidKey("the AKP key's 'priv' does not belong to its 'pub'")
        return private

    @staticmethod
    def dump(material: Material, private: bool) -> dict[str, str]:
        public = AlgorithmKeyPair.public(material)
        members = {"pub": b64url_encode(public.public_bytes_raw())}
        if private:
            members["priv"] = b64url_encode(material.private_bytes_raw())
        return members

    @staticmethod
    def curve(material: Material) -> str:
        return next(
            name
            for name, (private_class, public_class, _) in AlgorithmKeyPair.algorithms.items()
            if isinstance(material, private_class | public_class)
        )


KEY_TYPES: dict[str, type[KeyType]] = {
    row.kty: row for row in (Octets, Rsa, EllipticCurve, OctetKeyPair, AlgorithmKeyPair)
}

PRIVATE_MEMBERS = frozenset(name for row in KEY_TYPES.values() for name in row.private_members)
"""Members that no JWK has which may be shown to others."""


def key_type_of(material: Material) -> type[KeyType]:
    """Find the key type that a piece of material belongs to."""
    if isinstance(material, bytes):
        return Octets
    if isinstance(material, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return Rsa
    if isinstance(material, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return EllipticCurve
    for row in (OctetKeyPair, AlgorithmKeyPair):
        try:
            row.curve(material)
        except StopIteration:
            continue
        return row
    raise InvalidKey("this kind of key has no JOSE algorithm; expected RSA, EC, OKP or ML-DSA")


def generate(kty: str, curve: str | None, size: int) -> Material:
    """Make new private material: ``size`` is bits for RSA, bytes for ``oct``."""
    return _GENERATORS[kty](curve or "", size)


def _octets(_curve: str, size: int) -> bytes:
    import secrets

    return secrets.token_bytes(size)


_GENERATORS: dict[str, Callable[[str, int], Material]] = {
    "oct": _octets,
    "RSA": lambda _, size: rsa.generate_private_key(65537, size),
    "EC": lambda curve, _: ec.generate_private_key(EllipticCurve.curves[curve][0]),
    "OKP": lambda curve, _: OctetKeyPair.curves[curve][0].generate(),
    "AKP": lambda name, _: AlgorithmKeyPair.algorithms[name][0].generate(),
}


def _known(curves: Mapping[str, Any], jwk: Mapping[str, Any]) -> Any:
    crv = jwk.get("crv")
    if not isinstance(crv, str) or crv not in curves:
        raise InvalidKey(f"the JWK's 'crv' must be one of {', '.join(curves)}")
    return curves[crv]


CRYPTOGRAPHY_ERRORS = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, InternalError)
