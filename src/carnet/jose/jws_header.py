"""The header of a JWS: what it says of the key that signs, and which keys it may mean.

RFC 7515 sections 4 and 6, RFC 7797 section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from carnet.errors import CarnetError, ConfigurationError, InvalidKey, InvalidToken
from carnet.jose.arguments import check_header_argument
from carnet.jose.encoding import b64url_encode_bytes, json_encode
from carnet.jose.header import check_header, invalid
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jose.serialization import Budget, encode_header

__all__ = [
    "MAX_CANDIDATES",
    "UNDERSTOOD",
    "Keys",
    "candidates",
    "check_b64",
    "signed_header",
    "verify_with",
]

Keys = Key | KeySet | Callable[[Mapping[str, Any]], Key | KeySet | Sequence[Key] | None]
"""What verifies: a key, a set, or a function of a header that nobody has verified yet."""

MAX_CANDIDATES = 16
"""Keys that are tried on one signature at most."""

UNDERSTOOD = frozenset({"b64"})
"""Extensions that ``crit`` may name."""


def signed_header(
    key: Key, header: Mapping[str, Any] | None = None, extensions: Collection[str] = ()
) -> tuple[dict[str, Any], bytes]:
    """Join the key's header parameters with more; give them, and as they stand in a token.

    Args:
        key: the key that signs.
        header: more parameters.
        extensions: what ``crit`` may name besides what is understood here.

    Raises:
        InvalidToken: if they contradict the key, or ``verify`` would refuse them.
    """
    protected: dict[str, Any] = {"alg": key.alg}
    if key.kid is not None:
        protected["kid"] = key.kid
    for name, value in check_header_argument(header, "header").items():
        if name == "alg" and value != key.alg:
            raise invalid("alg", "the key's own algorithm")
        protected[name] = value
    if header is None:
        return protected, b64url_encode_bytes(json_encode(protected))
    protected, head = encode_header(protected, UNDERSTOOD.union(extensions))
    check_header(protected)
    check_b64(protected)
    return protected, head


def candidates(keys: Keys, header: Mapping[str, Any]) -> tuple[Key, ...]:
    """Give the keys that may verify a token with this header, at least one.

    Whoever chose the keys, a key verifies only what names its own algorithm and no other ``kid``.
    """
    named = KeySet((keys,)) if isinstance(keys, Key) else keys
    if not isinstance(named, KeySet):
        named = _resolve(named, header)
    kid, alg = header.get("kid"), header["alg"]
    found = tuple(key for key in named.candidates(kid, alg) if key.can_verify)
    if found:
        return found[:MAX_CANDIDATES]
    if kid is None or any(key.kid in (kid, None) for key in named):
        raise InvalidToken(
            "the header's 'alg' is not the algorithm of any key that could have signed",
            code="algorithm_mismatch" if len(named) else "key_not_found",
            claim="alg",
            expected=", ".join(sorted({key.alg for key in named})) or "a key",
        )
    raise InvalidToken(
        "no key of the set has the header's 'kid'",
        code="key_not_found",
        claim="kid",
        expected="the kid of a key of the set",
    )


def verify_with(
    keys: Keys,
    header: Mapping[str, Any],
    data: bytes,
    signature: bytes,
    budget: Budget,
) -> Key:
    """Find the key of a header and verify with it.

    Raises:
        InvalidToken: ``algorithm_mismatch``, ``key_not_found``, ``signature_invalid`` or
            ``too_costly``.
    """
    for key in candidates(keys, header):
        budget.spend()
        if key.verifying().check(data, signature):
            return key
    raise InvalidToken(
        "the signature does not belong to this header, payload and key",
        code="signature_invalid",
        expected="a signature by a key of the set",
    )


def _resolve(resolver: object, header: Mapping[str, Any]) -> KeySet:
    """Have a caller's function choose the keys for a header.

    Raises:
        InvalidToken: ``key_not_found``, where it gives None or fails.
        ConfigurationError: where it gives something else.
    """
    if not callable(resolver):
        raise InvalidKey(
            "keys must be a Key, a KeySet, or a function of the header that gives keys"
        )
    cause = None
    try:
        found = resolver(MappingProxyType(header))
    except Exception as error:
        # A key that can't be made of what the header says is the token's fault.
        if isinstance(error, CarnetError) and not isinstance(error, InvalidKey):
            raise
        found, cause = None, error
    if found is None:
        raise InvalidToken(
            "no key was found for the header",
            code="key_not_found",
            expected="a header for which this service has a key",
        ) from cause
    if isinstance(found, Key):
        return KeySet((found,))
    if isinstance(found, list | tuple) and all(isinstance(key, Key) for key in found):
        return KeySet(found)
    if not isinstance(found, KeySet):
        raise ConfigurationError(
            "keys must be a function that returns a Key, a KeySet, a list of keys, or None; "
            "this one returned something else"
        )
    return found


def check_b64(header: Mapping[str, Any]) -> bool:
    """Tell whether the payload is encoded (RFC 7797 section 3).

    Raises:
        InvalidToken: ``header_invalid`` where ``b64`` is no boolean, or is not named in ``crit``.
    """
    b64 = header.get("b64", True)
    if not isinstance(b64, bool):
        raise invalid("b64", "true or false")
    if not b64 and "b64" not in header.get("crit", ()):
        raise invalid("b64", "to be named in 'crit' (RFC 7797 section 6)")
    return b64
