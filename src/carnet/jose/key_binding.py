"""Which algorithm a key is for, and whether it is fit for it (RFC 7517, RFC 7518, RFC 8725)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.errors import InvalidKey, InvalidToken
from carnet.jose import pem
from carnet.jose.algorithms import ALGORITHM_OF_CURVE, ALGORITHMS, ENCRYPTIONS, Algorithm
from carnet.jose.encoding import json_decode
from carnet.jose.key_types import KEY_TYPES

__all__ = ["algorithm_of_jwk", "check_fit", "find_algorithm", "jwk_members"]

MAX_JWK = 64 * 1024


def find_algorithm(alg: object) -> tuple[Algorithm, str | None]:
    """Find an algorithm's row; an ``enc`` name means ``dir`` with that content encryption."""
    if isinstance(alg, str):
        if alg in ALGORITHMS:
            return ALGORITHMS[alg], None
        if alg in ENCRYPTIONS:
            return ALGORITHMS["dir"], alg
    raise InvalidKey(f"the algorithm is not known; expected one of {', '.join(ALGORITHMS)}")


def jwk_members(jwk: Mapping[str, Any] | str | bytes) -> Mapping[str, Any]:
    """Give the members of a JWK, decoded where it is text of at most 64 KiB.

    Raises:
        InvalidKey: if it is no JSON object of the strict kind.
    """
    if isinstance(jwk, Mapping):
        return jwk
    if not isinstance(jwk, str | bytes):
        raise InvalidKey("a JWK is a mapping or JSON text")
    if len(jwk) > MAX_JWK:
        raise InvalidKey(f"the JWK is longer than {MAX_JWK} bytes")
    try:
        return json_decode(jwk.encode() if isinstance(jwk, str) else jwk, "the JWK")
    except (InvalidToken, UnicodeEncodeError):
        raise InvalidKey("the JWK is not a JSON object of the strict kind") from None


def algorithm_of_jwk(members: Mapping[str, Any], alg: str | None) -> tuple[Algorithm, str | None]:
    """Find the one algorithm that a JWK is for.

    Args:
        members: the JWK, of which ``alg``, ``crv`` and ``use`` count.
        alg: the algorithm that the caller names, or None; it must agree with the JWK.

    Raises:
        InvalidKey: if they disagree, or both leave it open.
    """
    named = members.get("alg")
    if named is not None and not isinstance(named, str):
        raise InvalidKey("the JWK's 'alg' must be text")
    if alg is not None and named is not None and alg != named:
        row, _ = find_algorithm(alg)
        if named not in row.also_verifies or row.curves != (members.get("crv"),):
            raise InvalidKey(f"the JWK is for {_known_name(named)}, not for {alg}")
    name = alg or named
    if name is None and members.get("use") != "enc":
        curve = members.get("crv")
        name = ALGORITHM_OF_CURVE.get(curve) if isinstance(curve, str) else None
    if name is None:
        raise InvalidKey("the JWK names no 'alg' and its type leaves it open: pass alg=")
    return find_algorithm(name)


def _known_name(alg: str) -> str:
    return alg if alg in ALGORITHMS or alg in ENCRYPTIONS else "another algorithm"


def check_fit(row: Algorithm, kty: str, material: Any, encryption: str | None) -> None:
    """Check that a key's type, curve and length are those of its algorithm.

    Raises:
        InvalidKey: saying what the algorithm needs.
    """
    name = encryption or row.name
    kind = KEY_TYPES[kty]
    if row.kty not in (kty, "*") or (row.kty == "*" and kty not in ("EC", "OKP")):
        raise InvalidKey(f"{name} needs a {row.kty.replace('*', 'EC or OKP')} key, not {kty}")
    if row.curves and kind.curve(material) not in row.curves:
        raise InvalidKey(f"{name} needs a key on {' or '.join(row.curves)}")
    if kty == "AKP" and kind.curve(material) != name:
        raise InvalidKey(f"this is a key of {kind.curve(material)}, not of {name}")
    if kty == "oct":
        _check_secret(row, material, encryption)


def _check_secret(row: Algorithm, secret: bytes, encryption: str | None) -> None:
    name, size = encryption or row.name, len(secret)
    if encryption is not None and size != ENCRYPTIONS[encryption].size:
        raise InvalidKey(f"{name} needs {ENCRYPTIONS[encryption].size} bytes, not {size}")
    if row.family in ("AES-KW", "AES-GCMKW") and size != row.size:
        raise InvalidKey(f"{name} needs exactly {row.size} bytes, not {size}")
    if row.family == "HMAC" and size < row.size:
        raise InvalidKey(
            f"{name} needs a secret of at least {row.size} bytes, not {size}; "
            "Key.generate makes one"
        )
    if row.family == "dir" and size not in {other.size for other in ENCRYPTIONS.values()}:
        raise InvalidKey("a 'dir' secret has 16, 24, 32, 48 or 64 bytes")
    if size == 0:
        raise InvalidKey(f"{name} needs a secret that is not empty")
    if pem.looks_like_a_key(secret):
        raise InvalidKey(
            "this is the text of a key or certificate, not a secret: use Key.from_pem or "
            "Key.from_jwk with an asymmetric algorithm"
        )
