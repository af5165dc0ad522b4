"""DPoP proofs: that whoever sends a request holds a key (RFC 9449 section 4).

Here a proof is made, and read and checked by itself. That it is used once, and that its nonce is
right, is for the caller, who remembers: no clock and no I/O here.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from carnet.errors import InvalidKey, InvalidToken
from carnet.jose import jws
from carnet.jose.algorithms import ALGORITHMS, AlgorithmName
from carnet.jose.encoding import b64url_encode, json_decode, json_encode
from carnet.jose.header import media_type
from carnet.jose.key import Key
from carnet.jose.key_types import PRIVATE_MEMBERS
from carnet.jose.serialization import read_header, segments, token_bytes
from carnet.jwt.claims import Claims
from carnet.jwt.policy import number

__all__ = ["ALGORITHMS_ACCEPTED", "WINDOW", "Proof", "bound_key", "make_proof", "read_proof"]

MAX_PROOF: Final = 16 * 1024
MAX_ID: Final = 256

WINDOW: Final = 60
"""Seconds by which the ``iat`` of a proof may lie in the past or in the future."""

ALGORITHMS_ACCEPTED: Final = tuple(
    row.name for row in ALGORITHMS.values() if row.use == "sig" and row.kty != "oct"
)

# What a public key is made of; a name of it, or what it is for, says nothing here.
_SHOWN = frozenset({"kty", "crv", "x", "y", "n", "e", "alg", "pub"})

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Proof(NamedTuple):
    """A proof whose signature holds, for this request and this moment.

    Attributes:
        thumbprint: of the key that signed it (RFC 7638, SHA-256).
        token_id: its ``jti``; the caller takes it once.
        nonce: the ``nonce`` in it, or None.
    """

    thumbprint: str
    token_id: str
    nonce: str | None


def make_proof(
    key: Key,
    method: str,
    url: str,
    now: float,
    access_token: str | None = None,
    nonce: str | None = None,
) -> str:
    """Make the DPoP header of a request (RFC 9449 section 4.2).

    Args:
        key: the private key that is proved.
        method: the request's method.
        url: the address that it is sent to.
        now: seconds since 1970.
        access_token: the token that goes with it, where one does.
        nonce: the latest that this server has given, where it has given one.
    """
    claims: dict[str, object] = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": int(now),
    }
    if access_token is not None:
        claims["ath"] = _hash(access_token)
    if nonce is not None:
        claims["nonce"] = nonce
    shown = {name: value for name, value in key.public.to_jwk().items() if name in _SHOWN}
    return jws.sign(json_encode(claims), key, {"typ": "dpop+jwt", "jwk": shown})


def read_proof(
    values: Sequence[str],
    method: str,
    url: str,
    now: float,
    access_token: str | None = None,
    accepts: Callable[[Key], bool] | None = None,
) -> Proof:
    """Check the DPoP header of a request (RFC 9449 section 4.3).

    Args:
        values: the header's values, one for each time that it stands in the request.
        method: the request's method.
        url: the address that it was sent to; query and fragment don't count.
        now: seconds since 1970.
        access_token: the token that comes with it, where one does.
        accepts: tells whether a key may sign proofs, where not all may.

    Raises:
        InvalidToken: saying what is wrong with the proof.
    """
    if len(values) != 1:
        raise _refuse("a request must have exactly one DPoP header", None, "one DPoP header")
    raw = token_bytes(values[0], MAX_PROOF)
    header = read_header(segments(raw)[0])
    if media_type(header.get("typ", "")) != "dpop+jwt":
        raise _refuse("the proof's type is wrong", "typ", "dpop+jwt")
    key = _key_of(header)
    if accepts is not None and not accepts(key):
        raise _refuse(
            f"a proof by a key for {key.alg} is not accepted", "jwk", "a key for another alg"
        )
    verified = jws.verify(raw, key, max_size=MAX_PROOF)
    claims = json_decode(verified.payload, "the payload")
    _check(claims, method, url, now)
    if access_token is not None:
        expected = _hash(access_token)
        given = claims.get("ath")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
            raise _refuse("the proof is for another token", "ath", "the hash of the access token")
    token_id, nonce = claims.get("jti"), claims.get("nonce")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= MAX_ID:
        raise _refuse("the proof has no usable jti", "jti", f"a text of up to {MAX_ID} characters")
    if nonce is not None and not isinstance(nonce, str):
        raise _refuse(
            "the proof's nonce is not a string", "nonce", "the nonce that the server gave"
        )
    return Proof(verified.key.thumbprint(), token_id, nonce)


def bound_key(claims: Claims) -> str | None:
    """Give the thumbprint of the key that an access token is bound to, or None.

    Raises:
        InvalidToken: if the token is bound in an unknown way.
    """
    confirmation = claims.get("cnf")
    if confirmation is None:
        return None
    thumbprint = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    if not isinstance(thumbprint, str) or not thumbprint:
        raise InvalidToken(
            "the token is bound in an unknown way",
            code="claim_invalid",
            claim="cnf",
            expected="a token without cnf, or one with the thumbprint jkt",
        )
    return thumbprint


def _hash(access_token: str) -> str:
    return b64url_encode(hashlib.sha256(access_token.encode("utf-8")).digest())


def _key_of(header: dict[str, object]) -> Key:
    """Take the public key out of the header: here, and only here, it is what is asked about."""
    jwk, alg = header.get("jwk"), header.get("alg")
    if not isinstance(jwk, dict) or not isinstance(alg, str) or alg not in ALGORITHMS_ACCEPTED:
        raise _refuse("the proof has no usable key", "jwk", "a public key, and its signature alg")
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise _refuse("the proof contains a private key", "jwk", "the public half alone")
    shown = {name: value for name, value in jwk.items() if name != "kid"}
    try:
        return Key.from_jwk(shown, cast("AlgorithmName", alg), public=True)
    except InvalidKey:
        raise _refuse("the proof has no usable key", "jwk", "a public key for its alg") from None


def _check(claims: dict[str, object], method: str, url: str, now: float) -> None:
    if claims.get("htm") != method:
        raise _refuse("the proof is for another method", "htm", method)
    htu = claims.get("htu")
    expected = _plain(url)
    if not isinstance(htu, str) or expected is None or _plain(htu) != expected:
        raise _refuse("the proof is for another address", "htu", url)
    if abs(now - number(claims, "iat", needed=True)) > WINDOW:
        raise _refuse("the proof is too old, or from the future", "iat", f"within {WINDOW} seconds")


def _plain(url: str) -> tuple[str, str, int | None, str] | None:
    """Normalize a URL for comparison: case, default port, empty path; no query (RFC 9449 4.3)."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if "@" in parts.netloc or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port, parts.path or "/"


def _refuse(message: str, claim: str | None, expected: str) -> InvalidToken:
    return InvalidToken(message, code="proof_invalid", claim=claim, expected=expected)
