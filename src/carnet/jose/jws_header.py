"""The header of a JWS: what it says of the key that signs, and which keys it may mean.

RFC 7515 sections 4 and 6, RFC 7797 section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.errors import InvalidKey, InvalidToken
from carnet.jose.arguments import check_header_argument
from carnet.jose.encoding import b64url_encode_bytes, json_encode
from carnet.jose.header import check_header, invalid
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jose.serialization import encode_header

__all__ = ["MAX_CANDIDATES", "UNDERSTOOD", "candidates", "check_b64", "signed_header"]

MAX_CANDIDATES = 16
"""Keys that are tried on one signature at most."""

UNDERSTOOD = frozenset({"b64"})
"""Extensions that ``crit`` may name."""


def signed_header(
    key: Key, header: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], bytes]:
    """Join the key's header parameters with more; give them, and as they stand in a token.

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
    protected, head = encode_header(protected, UNDERSTOOD)
    check_header(protected)
    check_b64(protected)
    return protected, head


def candidates(keys: Key | KeySet, header: Mapping[str, Any]) -> tuple[Key, ...]:
    """Give the keys that may verify a token with this header, at least one."""
    named = KeySet((keys,)) if isinstance(keys, Key) else keys
    if not isinstance(named, KeySet):
        raise InvalidKey("keys are a Key or a KeySet")
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
