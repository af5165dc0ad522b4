"""Which algorithm a key is for, and whether it is fit for it (RFC 7517, RFC 7518, RFC 8725)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from carnet.errors import InvalidKey, InvalidToken
from carnet.jose import pem
from carnet.jose.algorithms import ALGORITHM_OF_CURVE, ALGORITHMS, ENCRYPTIONS, Algorithm
from carnet.jose.arguments import BytesLike, bytes_of
from carnet.jose.certificates import chain_of, check_chain
from carnet.jose.encoding import json_decode
from carnet.jose.key_types import CRYPTOGRAPHY_ERRORS, KEY_TYPES, PRIVATE_MEMBERS

__all__ = [
    "MAX_KID",
    "algorithm_of_jwk",
    "allowed_actions",
    "check_fit",
    "check_kid",
    "find_algorithm",
    "jwk_members",
    "load_material",
    "usage_of_jwk",
]

MAX_JWK = 64 * 1024
MAX_KID = 256


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


# The registered members of a JWK (RFC 7517 section 4, RFC 7518 section 6, RFC 8037, RFC 9964, and
# the 'ext' of Web Cryptography). null is a value of none of them.
_MEMBERS: dict[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(
        [
            *("kty", "use", "alg", "kid", "x5u", "x5t", "x5t#S256", "crv", "x", "y", "d", "n", "e"),
            *("p", "q", "dp", "dq", "qi", "k", "pub", "priv"),
        ],
        (_is_text, "text"),
    ),
    "key_ops": (_is_list_of_texts, "a list of different names"),
    "x5c": (_is_list_of_texts, "a list of texts"),
    "ext": (_is_boolean, "true or false"),
}

_KEPT = ("use", "key_ops", "x5c", "x5t#S256")

_FOR_SIGNATURES = frozenset(("sign", "verify"))
_FOR_ENCRYPTION = frozenset(
    ("encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits")
)
_DERIVE = frozenset(("deriveKey", "deriveBits"))
_WRAP, _UNWRAP = frozenset(("wrapKey", "encrypt")), frozenset(("unwrapKey", "decrypt"))

# What 'key_ops' must name, one of each set, for a key of a family to be used to encrypt or decrypt.
_OPERATIONS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "RSA1_5": (_WRAP, _UNWRAP),
    "RSA-OAEP": (_WRAP, _UNWRAP),
    "AES-KW": (_WRAP, _UNWRAP),
    "AES-GCMKW": (_WRAP, _UNWRAP),
    "dir": (frozenset(("encrypt",)), frozenset(("decrypt",))),
    "ECDH-ES": (_DERIVE, _DERIVE),
    "PBES2": (_DERIVE | _WRAP, _DERIVE | _UNWRAP),
}


def allowed_actions(
    row: Algorithm, is_private: bool, operations: Collection[str] | None
) -> frozenset[str]:
    """Tell what a key may be used for: of ``sign``, ``verify``, ``encrypt`` and ``decrypt``.

    Args:
        row: the key's algorithm.
        is_private: whether it has its private half.
        operations: the JWK's ``key_ops`` (RFC 7517 section 4.3), or None.
    """
    if row.use == "sig":
        needed = {"verify": frozenset(("verify",)), "sign": frozenset(("sign",))}
    else:
        encrypting, decrypting = _OPERATIONS[row.family]
        needed = {"encrypt": encrypting, "decrypt": decrypting}
    if not is_private:
        # RFC 7517 section 4.3 has no name for what the public half of a key agreement does, and Web
        # Cryptography exports one with an empty list.
        if row.family == "ECDH-ES" and not operations:
            operations = None
        needed = {name: names for name, names in needed.items() if name in ("verify", "encrypt")}
    return frozenset(
        name
        for name, names in needed.items()
        if (operations is None or not names.isdisjoint(operations))
        and not (name == "encrypt" and row.decrypt_only)
    )


def find_algorithm(alg: object) -> tuple[Algorithm, str | None]:
    """Find an algorithm's row; an ``enc`` name means ``dir`` with that content encryption."""
    if isinstance(alg, str):
        if alg in ALGORITHMS:
            return ALGORITHMS[alg], None
        if alg in ENCRYPTIONS:
            return ALGORITHMS["dir"], alg
    raise InvalidKey(f"the algorithm is not known; expected one of {', '.join(ALGORITHMS)}")


def jwk_members(jwk: Mapping[str, Any] | str | BytesLike, public: bool) -> Mapping[str, Any]:
    """Give the members of a JWK, decoded where it is text of at most 64 KiB.

    Args:
        jwk: the JWK, decoded or as JSON text.
        public: refuse private members, before anything is made of them.

    Raises:
        InvalidKey: if it is no JSON object of the strict kind, or a member has the wrong type.
    """
    members = _decoded(jwk)
    for name, (is_right, expected) in _MEMBERS.items():
        if name in members and not is_right(members[name]):
            raise InvalidKey(f"the JWK's '{name}' must be {expected}")
    check_kid(members.get("kid"))
    if public and not PRIVATE_MEMBERS.isdisjoint(members):
        raise InvalidKey(
            "this would reveal a private key or a secret: only the public half is for others"
        )
    return members


def check_kid(kid: object) -> None:
    """Check a key's identifier: None, or 1 to 256 characters."""
    if kid is None:
        return
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID:
        raise InvalidKey(f"a 'kid' must be text of 1 to {MAX_KID} characters")
    try:
        kid.encode()
    except UnicodeEncodeError:
        raise InvalidKey("a 'kid' must be text that UTF-8 can encode") from None


def _decoded(jwk: object) -> Mapping[str, Any]:
    if isinstance(jwk, Mapping):
        return jwk
    given = jwk if isinstance(jwk, str) else bytes_of(jwk)
    if given is None:
        raise InvalidKey("a JWK must be a mapping or JSON text")
    if len(given) > MAX_JWK:
        raise InvalidKey(f"the JWK is longer than {MAX_JWK} bytes")
    try:
        return json_decode(given.encode() if isinstance(given, str) else given, "the JWK")
    except (InvalidToken, UnicodeEncodeError):
        raise InvalidKey("the JWK is not a JSON object in strict form") from None


def load_material(members: Mapping[str, Any]) -> Any:
    """Make what ``cryptography`` works with from the members of a JWK."""
    kty = members.get("kty")
    if kty not in KEY_TYPES:
        raise InvalidKey(f"the JWK's 'kty' must be one of {', '.join(KEY_TYPES)}")
    try:
        material = KEY_TYPES[kty].load(members)
    except CRYPTOGRAPHY_ERRORS:
        raise InvalidKey(f"the {kty} JWK is not a consistent key") from None
    if "x5c" in members:
        check_chain(chain_of(members["x5c"], "'x5c'"), material, members.get("x5t#S256"))
    return material


def algorithm_of_jwk(members: Mapping[str, Any], alg: str | None) -> tuple[Algorithm, str | None]:
    """Find the one algorithm that a JWK is for.

    Args:
        members: the JWK, of which ``alg``, ``crv`` and ``use`` count.
        alg: the algorithm that the caller names, or None; it must agree with the JWK.

    Raises:
        InvalidKey: if they disagree, or both leave it open.
    """
    named: str | None = members.get("alg")
    if alg is not None:
        find_algorithm(alg)
    if alg is not None and named is not None and alg != named:
        row, _ = find_algorithm(alg)
        if named not in row.also_verifies or row.curves != (members.get("crv"),):
            raise InvalidKey(f"the JWK is for {_known_name(named)}, not for {alg}")
    name = alg or named
    if name is None and members.get("use") != "enc":
        name = ALGORITHM_OF_CURVE.get(members.get("crv", ""))
    if name is None:
        raise InvalidKey(
            "the JWK names no 'alg' and its type leaves it open: pass alg= for one key; for a set, "
            "give the verifier algorithms=['RS256'], or KeySet.from_jwks"
        )
    return find_algorithm(name)


def usage_of_jwk(members: Mapping[str, Any], row: Algorithm) -> dict[str, Any]:
    """Give what a JWK says of its use and its certificates (RFC 7517 sections 4.2 to 4.9).

    Raises:
        InvalidKey: if that is not what its algorithm is for, or contradicts itself.
    """
    usage = {name: members[name] for name in _KEPT if name in members}
    if usage.get("use", row.use) != row.use:
        raise InvalidKey(f"the JWK's 'use' must be '{row.use}' for a key of {row.name}")
    operations = usage.get("key_ops", [])
    if len(set(operations)) != len(operations):
        raise InvalidKey("the JWK's 'key_ops' must be a list of different names")
    others = _FOR_ENCRYPTION if row.use == "sig" else _FOR_SIGNATURES
    if "use" in usage and not others.isdisjoint(operations):
        raise InvalidKey("the JWK's 'use' and 'key_ops' contradict each other")
    return usage


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
        raise InvalidKey(f"this key is on {kind.curve(material)}, not on {name}")
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
        raise InvalidKey("a 'dir' secret must have 16, 24, 32, 48 or 64 bytes")
    if size == 0:
        raise InvalidKey(f"{name} needs a secret that is not empty")
    if pem.looks_like_a_key(secret):
        raise InvalidKey(
            "this is the text of a key or certificate, not a secret: use Key.from_pem or "
            "Key.from_jwk with an asymmetric algorithm"
        )
