"""Verifying a JWT: one call that checks the signature and every claim, or raises.

How it is fast: a header text that a key has signed before is not read again, so a further token of
the same key costs its signature, one base64 decoding, one JSON decoding and a flat run through the
policy. What a header text leads to is remembered only once a signature under it held, so nobody
without a key can fill the memory.

The verified-token cache goes further: the whole text of a token that was accepted leads to its
claims. The dates are checked again at every hit, by the same clock.
"""

from __future__ import annotations

import time
from binascii import a2b_base64
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

import msgspec

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jose import jwe
from carnet.jose.encoding import (
    CANONICAL_END,
    MAX_DEPTH,
    PADDING,
    TO_STANDARD,
    b64url_decode,
    json_decode,
)
from carnet.jose.header import check_crit, invalid, read_header
from carnet.jose.jws import MAX_CANDIDATES, candidates, segments, token_bytes
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jwt.claims import Claims
from carnet.jwt.policy import Names, Policy

__all__ = ["Verifier"]

T = TypeVar("T")

MAX_TOKEN = 64 * 1024
"""Characters that a JWT may have unless the caller says otherwise."""

MAX_JUDGED = 256
CACHE_ENTRY = 2048
CACHE_FACTOR = 8

Check = Callable[[bytes, bytes], bool]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Verifier(Generic[T]):
    """Checks tokens against keys and a policy; may be shared by threads.

    Args:
        keys: a key, or a set in which the token's ``kid`` and ``alg`` choose.
        issuer: the accepted issuer or issuers, compared exactly; UNCHECKED accepts any.
        audience: the audience or audiences of which the token must name one; UNCHECKED accepts
            any, and none.
        type: the token's ``typ`` (RFC 8725 section 3.11). ``JWT`` takes tokens without one too;
            ``at+jwt`` is for access tokens (RFC 9068).
        leeway: seconds, or a timedelta, by which clocks may differ.
        max_age: seconds, or a timedelta, since ``iat`` that a token may live.
        required: names of claims that must be there, besides ``exp``.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims are decoded into;
            by default they are Claims.
        clock: gives the seconds since 1970.
        cache: bytes that the verified-token cache may use; 0 is off.
        max_size: characters that a token may have.
        decryption: private keys or secrets with which encrypted tokens are opened. What comes out
            is checked like any other token: decryption alone proves nothing (RFC 8725 section
            3.11). Without them, encrypted tokens are refused.

    Raises:
        ConfigurationError: if an argument is not of its kind.
        InvalidKey: if a single key is given that can't verify.
    """

    @overload
    def __init__(
        self: Verifier[Claims],
        keys: Key | KeySet,
        *,
        issuer: Names,
        audience: Names,
        type: str = ...,
        leeway: float | timedelta = ...,
        max_age: float | timedelta | None = ...,
        required: Collection[str] = ...,
        claims_type: None = ...,
        clock: Callable[[], float] = ...,
        cache: int = ...,
        max_size: int = ...,
        decryption: Key | KeySet | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: Verifier[T],
        keys: Key | KeySet,
        *,
        issuer: Names,
        audience: Names,
        type: str = ...,
        leeway: float | timedelta = ...,
        max_age: float | timedelta | None = ...,
        required: Collection[str] = ...,
        claims_type: type[T],
        clock: Callable[[], float] = ...,
        cache: int = ...,
        max_size: int = ...,
        decryption: Key | KeySet | None = ...,
    ) -> None: ...

    def __init__(
        self,
        keys: Key | KeySet,
        *,
        issuer: Names,
        audience: Names,
        type: str = "JWT",
        leeway: float | timedelta = 0,
        max_age: float | timedelta | None = None,
        required: Collection[str] = (),
        claims_type: Any = None,
        clock: Callable[[], float] = time.time,
        cache: int = 0,
        max_size: int = MAX_TOKEN,
        decryption: Key | KeySet | None = None,
    ) -> None:
        if isinstance(keys, Key):
            keys.verifying()
            keys = KeySet((keys,))
        if not isinstance(keys, KeySet):
            raise ConfigurationError("keys is a Key or a KeySet")
        if not isinstance(type, str) or not type:
            raise ConfigurationError("type is the token's 'typ', such as 'JWT' or 'at+jwt'")
        if cache.__class__ is not int or cache < 0:
            raise ConfigurationError("cache is a number of bytes, 0 for none")
        self.keys = keys
        self._type = media_type(type)
        self._policy = Policy(
            issuer=issuer,
            audience=audience,
            access_token=self._type == "at+jwt",
            leeway=leeway,
            max_age=max_age,
            required=required,
        )
        self._check = self._policy.check
        self._clock = clock
        self._max_size = max_size
        self._decryption = decryption
        self._typed = None if claims_type is None else msgspec.json.Decoder(claims_type).decode
        self._judged: dict[bytes, Check] = {}
        self._cache: dict[str, tuple[Any, float, float]] = {}
        self._cache_bytes = cache
        self._cache_used = 0

    def verify(self, token: str | bytes) -> T:
        """Check a token and give its claims (RFC 7519 section 7.2).

        Args:
            token: a compact JWS, or one nested in a compact JWE.

        Raises:
            InvalidToken: saying which check failed and what was expected.
        """
        if token.__class__ not in (str, bytes) or len(token) > self._max_size:
            token_bytes(token, self._max_size)
        if self._cache_bytes:
            entry = self._cache.get(token)  # type: ignore[arg-type]
            if entry is not None and entry[1] <= self._clock() < entry[2]:
                found = entry[0]
                return found if self._typed is None else self._type_claims(found)  # type: ignore[no-any-return]
        try:
            raw: bytes = token.encode() if token.__class__ is str else token  # type: ignore[assignment]
            data, _, signature = raw.rpartition(b".")
            head, _, body = data.partition(b".")
            check = self._judged[head]
        except (KeyError, UnicodeEncodeError):
            data, signature, check = self._judge(token)
            body = data.partition(b".")[2]
        if not check(data, signature):
            raise InvalidToken(
                "the signature does not belong to this header, payload and key",
                code="signature_invalid",
                expected="a signature by a key of the set",
            )
        try:
            over = len(body) & 3
            payload = a2b_base64(body.translate(TO_STANDARD) + PADDING[over], strict_mode=True)
            claims = _decode(payload)
            strict = (
                claims.__class__ is dict
                and _encode(claims) == payload
                and body[-1] in CANONICAL_END[over]
                and payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH
            )
        except (ValueError, IndexError, RecursionError, msgspec.MsgspecError):
            strict = False
        if not strict:
            payload = b64url_decode(body, "the payload")
            claims = json_decode(payload, "the payload")
        self._check(claims, self._clock())
        result: Any = Claims(claims) if self._typed is None else self._type_claims(payload)
        if self._cache_bytes and token.__class__ is str:
            self._remember(token, payload if self._typed else result, claims)
        return result  # type: ignore[no-any-return]

    def _judge(self, token: str | bytes) -> tuple[bytes, bytes, Check]:
        """Read a header text not seen before; give signing input, signature text and check."""
        raw = token_bytes(token, self._max_size)
        if self._decryption is not None and raw.count(b".") == 4:
            raw = self._open(raw, self._decryption)
        head, body, signature = segments(raw)
        header = read_header(head)
        self._check_header(header)
        check = _first_of(candidates(self.keys, header))

        def check_and_remember(data: bytes, signature: bytes) -> bool:
            holds = check(data, signature)
            if holds:
                if len(self._judged) >= MAX_JUDGED:
                    self._judged.clear()
                self._judged[head] = check
            return holds

        return raw[: len(head) + 1 + len(body)], signature, check_and_remember

    def _open(self, raw: bytes, keys: Key | KeySet) -> bytes:
        """Decrypt the outer half of a nested token (RFC 7519 section 7.2)."""
        opened = jwe.decrypt(raw, keys, max_size=self._max_size)
        content_type = opened.header.get("cty")
        if content_type is None or media_type(content_type) != "jwt":
            raise InvalidToken(
                "the encrypted token does not hold a signed one",
                code="type_mismatch",
                claim="cty",
                expected="JWT",
            )
        return opened.plaintext

    def _check_header(self, header: dict[str, Any]) -> None:
        check_crit(header, ())
        if header.get("b64", True) is not True:
            raise invalid("b64", "no 'b64': a JWT's payload is always encoded (RFC 7797 section 7)")
        given = header.get("typ")
        if given is None:
            accepted = self._type == "jwt"
        else:
            accepted = media_type(given) == self._type
        if not accepted:
            raise InvalidToken(
                "the token is of another type",
                code="type_mismatch",
                claim="typ",
                expected=self._type.upper() if self._type == "jwt" else self._type,
            )

    def _type_claims(self, payload: bytes) -> Any:
        try:
            return self._typed(payload)  # type: ignore[misc]
        except (msgspec.MsgspecError, ValueError, TypeError):
            raise InvalidToken(
                "the claims don't fit the type that this service expects",
                code="claim_invalid",
                expected="claims of the verifier's claims_type",
            ) from None

    def _remember(self, token: str, result: Any, claims: dict[str, Any]) -> None:
        cost = len(token) * CACHE_FACTOR + CACHE_ENTRY
        if cost > self._cache_bytes:
            return
        cache = self._cache
        if token not in cache:
            self._cache_used += cost
        cache[token] = (result, *self._policy.period(claims))
        while self._cache_used > self._cache_bytes:
            try:
                oldest = next(iter(cache))
                del cache[oldest]
            except (StopIteration, RuntimeError, KeyError):
                return  # another thread is evicting too
            self._cache_used -= len(oldest) * CACHE_FACTOR + CACHE_ENTRY


def media_type(value: str) -> str:
    """Give a ``typ`` without case and without ``application/`` (RFC 7515 section 4.1.9)."""
    return value.lower().removeprefix("application/")


def _first_of(keys: tuple[Key, ...]) -> Check:
    checks = [key.verifying().check for key in keys[:MAX_CANDIDATES]]
    if len(checks) == 1:
        return checks[0]
    return lambda data, signature: any(check(data, signature) for check in checks)
