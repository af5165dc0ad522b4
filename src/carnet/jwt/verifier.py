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
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, overload

from carnet.errors import ConfigurationError, InvalidKey, InvalidToken
from carnet.jose.arguments import BytesLike, check_count, check_flag
from carnet.jose.encoding import decode_claims
from carnet.jose.header import (
    Extensions,
    check_crit,
    check_extensions,
    handle_extensions,
    invalid,
    media_type,
)
from carnet.jose.jws_header import MAX_CANDIDATES, Keys, candidates, verify_with
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jose.serialization import Budget, read_header, segments, token_bytes
from carnet.jwt.claim_rules import Path, Rule, exact
from carnet.jwt.claims import Claims
from carnet.jwt.policy import Duration, Leeway, Names, Policy, names, wrong_clock
from carnet.jwt.token_cache import ENDING, TokenCache
from carnet.jwt.typed_claims import typed

__all__ = ["MAX_TOKEN", "VerifiedToken", "Verifier"]

T = TypeVar("T")

MAX_TOKEN = 64 * 1024
"""Characters that a JWT may have unless the caller says otherwise."""

MAX_JUDGED = 256
Check = Callable[[bytes, bytes], bool]
Judge = Callable[[dict[str, Any], float], None]


class VerifiedToken(NamedTuple, Generic[T]):
    """A token that was accepted.

    Attributes:
        claims: what ``Verifier.verify`` gives.
        header: the protected header; of a nested token, that of the signed one.
        key: the key whose signature it is.
    """

    claims: T
    header: dict[str, Any]
    key: Key


class Verifier(Generic[T]):
    """Checks tokens against keys and a policy; may be shared by threads.

    Args:
        keys: a key, or a set in which the token's ``kid`` and ``alg`` choose; or a function of the
            token's header that gives a key, a set, a list of keys, or None. Nobody has verified
            that header yet: never follow an address or take a key out of it.
        issuer: the accepted issuer or issuers, compared exactly; UNCHECKED accepts any.
        audience: the audience or audiences of which the token must name one; UNCHECKED accepts
            any, and none.
        type: the token's ``typ``, or several of which it must have one (RFC 8725 section 3.11).
            ``JWT`` takes tokens without one too; ``at+jwt`` alone is for access tokens, which say
            in ``sub`` whose they are (RFC 9068); UNCHECKED accepts any.
        leeway: seconds, or a timedelta, by which clocks may differ; or a mapping of ``exp``,
            ``iat`` and ``nbf`` to those. ``iat`` and ``nbf`` have a minute unless more is given, or
            the mapping names them.
        max_age: seconds, or a timedelta, since ``iat`` that a token may live.
        required: names of claims that must be there, besides ``exp``.
        claims: claims that must have this value, or one of these values, compared with their types:
            ``{"token_use": "access"}``. A dot leads into an object: ``realm_access.realm``.
        validators: functions of what ``verify`` gives, each of which must give True, at every call.
            One may raise InvalidToken itself; any other exception refuses the token too.
        accept_expired: take tokens whose ``exp`` has passed, however long ago: to read who is
            signing out (OpenID Connect RP-Initiated Logout section 2), never to let anyone in.
        accept_no_expiry: take tokens without ``exp``, such as security event tokens (RFC 8417
            section 2.2): they are good for ever. One that is there is checked.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims are decoded into;
            by default they are Claims.
        clock: gives the seconds since 1970.
        cache: bytes that the verified-token cache may use; 0 is off.
        max_size: characters that a token may have.
        decryption: private keys or secrets with which encrypted tokens are opened. What comes out
            is checked like any other token: decryption alone proves nothing (RFC 8725 section
            3.11). Without them, encrypted tokens are refused.
        extensions: for each name of your own that ``crit`` may hold, a function that is called with
            the header parameter's value once the signature holds, and gives True where it has
            handled it; anything else is refused, as are other names (RFC 7515 section 4.1.11).

    Nothing is remembered where ``keys`` is a function or there are ``extensions``, since each may
    decide otherwise the next time: there, ``cache`` is 0.

    Raises:
        ConfigurationError: if an argument is not of its kind.
        InvalidKey: if a single key is given that can't verify, or none that can decrypt.
    """

    @overload
    def __init__(
        self: Verifier[Claims],
        keys: Keys,
        *,
        issuer: Names,
        audience: Names,
        type: Names = ...,
        leeway: Leeway = ...,
        max_age: Duration | None = ...,
        required: Collection[str] = ...,
        claims: Mapping[Path, Any] | None = ...,
        validators: Collection[Callable[[Claims], bool]] = ...,
        accept_expired: bool = ...,
        accept_no_expiry: bool = ...,
        claims_type: None = ...,
        clock: Callable[[], float] = ...,
        cache: int = ...,
        max_size: int = ...,
        decryption: Key | KeySet | None = ...,
        extensions: Extensions | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: Verifier[T],
        keys: Keys,
        *,
        issuer: Names,
        audience: Names,
        type: Names = ...,
        leeway: Leeway = ...,
        max_age: Duration | None = ...,
        required: Collection[str] = ...,
        claims: Mapping[Path, Any] | None = ...,
        validators: Collection[Callable[[T], bool]] = ...,
        accept_expired: bool = ...,
        accept_no_expiry: bool = ...,
        claims_type: type[T],
        clock: Callable[[], float] = ...,
        cache: int = ...,
        max_size: int = ...,
        decryption: Key | KeySet | None = ...,
        extensions: Extensions | None = ...,
    ) -> None: ...

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: Names,
        audience: Names,
        type: Names = "JWT",
        leeway: Leeway = 0,
        max_age: Duration | None = None,
        required: Collection[str] = (),
        claims: Mapping[Path, Any] | None = None,
        validators: Collection[Callable[[Any], bool]] = (),
        accept_expired: bool = False,
        accept_no_expiry: bool = False,
        claims_type: Any = None,
        clock: Callable[[], float] = time.time,
        cache: int = 0,
        max_size: int = MAX_TOKEN,
        decryption: Key | KeySet | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        check_count(cache, "cache", "bytes")
        check_count(max_size, "max_size", "characters", 1)
        check_flag(accept_expired, "accept_expired")
        check_flag(accept_no_expiry, "accept_no_expiry")
        if not callable(clock):
            raise ConfigurationError("clock must be a function that returns the seconds since 1970")
        self._extensions = check_extensions(extensions)
        self._types = _media_types(type)
        self._policy = Policy(
            issuer=issuer,
            audience=audience,
            access_token=self._types == frozenset(("at+jwt",)),
            leeway=leeway,
            max_age=max_age,
            required=required,
            accept_expired=accept_expired,
            accept_no_expiry=accept_no_expiry,
        )
        self._check = _with_rules(self._policy.check, [] if claims is None else exact(claims))
        self._clock = clock
        self._max_size = max_size
        self._decryption = None if decryption is None else _decrypting(decryption)
        self._typed = typed(claims_type, validators, clock)
        self._cache_size = cache
        self.keys = keys

    @property
    def keys(self) -> KeySet | Callable[[Mapping[str, Any]], Any]:
        """The keys. Setting others forgets every header and token that the old ones signed."""
        return self._keys

    @keys.setter
    def keys(self, keys: Keys) -> None:
        if isinstance(keys, Key):
            keys.verifying()
            keys = KeySet((keys,))
        is_fixed = isinstance(keys, KeySet)
        if not is_fixed and not callable(keys):
            raise ConfigurationError(
                "keys must be a Key, a KeySet, or a function that returns those"
            )
        if self._cache_size and (self._extensions or not is_fixed):
            raise ConfigurationError(
                "cache must be 0 if keys is a function or there are extensions"
            )
        # A thread in the middle of verify() holds the old map and the old cache, and what it
        # remembers is lost with them: keys go first here, and are read last there.
        self._keys: KeySet | Callable[[Mapping[str, Any]], Any] = keys
        self._judged: dict[bytes, Check] = {}
        self._cache = TokenCache(self._cache_size) if self._cache_size else None

    def verify(self, token: str | BytesLike) -> T:
        """Check a token and give its claims (RFC 7519 section 7.2).

        Args:
            token: a compact JWS, or one nested in a compact JWE.

        Raises:
            InvalidToken: saying which check failed and what was expected.
        """
        if token.__class__ is not str:
            token = _plain_text(token, self._max_size)
        cache = self._cache
        if cache is not None:
            entry = cache.entries.get(token[ENDING])
            if entry is not None:
                clock = self._clock
                said, since, until, _, text = entry
                if text == token and since <= clock() < until:
                    return said if self._typed is None else self._typed(said)  # type: ignore[no-any-return]
        if len(token) > self._max_size:
            token = _plain_text(token, self._max_size)
        try:
            raw: bytes = token.encode()
        except UnicodeEncodeError:
            raw = b""
        data, _, signature = raw.rpartition(b".")
        head, _, body = data.partition(b".")
        check = self._judged.get(head)
        if check is None:
            data, body, signature, check = self._judge(raw)
        if not check(data, signature):
            raise InvalidToken(
                "the signature does not belong to this header, payload and key",
                code="signature_invalid",
                expected="a signature by a key of the set",
            )
        payload, claims = decode_claims(body)
        # Python finds a function that is an attribute faster where it isn't called as a method.
        clock, judge = self._clock, self._check
        try:
            judge(claims, clock())
        except TypeError as error:
            raise wrong_clock() from error
        result: Any = Claims(claims, clock) if self._typed is None else self._typed(payload)
        if cache is not None:
            said = result if self._typed is None else payload
            containers = payload.count(b"[") + payload.count(b"{")
            cache.put(token, said, self._policy.period(claims), containers)
        return result  # type: ignore[no-any-return]

    def remembered(self, token: str) -> T | None:
        """Give the claims of a token that was accepted before and still is; None: ask ``verify``.

        Args:
            token: the token's text, as ``verify`` was given it.
        """
        # What benchmarks/services.py measures: where a token comes again, nothing else is done.
        cache = self._cache
        if cache is None or token.__class__ is not str:
            return None
        entry = cache.entries.get(token[ENDING])
        if entry is None:
            return None
        said, since, until, _, text = entry
        if text != token or not since <= self._clock() < until:
            return None
        return said if self._typed is None else self._typed(said)  # type: ignore[no-any-return]

    def verify_complete(self, token: str | BytesLike) -> VerifiedToken[T]:
        """Check a token as ``verify`` does, and also give its header and the key that signed it.

        Each token's header is read anew and the cache is not asked, so ``verify`` is faster.

        Args:
            token: a compact JWS, or one nested in a compact JWE.

        Raises:
            InvalidToken: saying which check failed and what was expected.
        """
        header, data, body, signature = self._read(_plain_text(token, self._max_size).encode())
        key = verify_with(self._keys, header, data, signature, Budget(MAX_CANDIDATES))
        handle_extensions(header, self._extensions)
        payload, claims = decode_claims(body)
        try:
            self._check(claims, self._clock())
        except TypeError as error:
            raise wrong_clock() from error
        result: Any = Claims(claims, self._clock) if self._typed is None else self._typed(payload)
        return VerifiedToken(result, header, key)

    def _read(self, raw: bytes) -> tuple[dict[str, Any], bytes, bytes, bytes]:
        """Read and check a header; give it with signing input, payload and signature."""
        if self._decryption is not None and raw.count(b".") == 4:
            raw = self._open(raw, self._decryption)
        head, body, signature = segments(raw)
        header = read_header(head)
        self._check_header(header)
        return header, raw[: len(head) + 1 + len(body)], body, signature

    def _judge(self, raw: bytes) -> tuple[bytes, bytes, bytes, Check]:
        """Read a header text not seen before; give signing input, payload, signature and check."""
        header, data, body, signature = self._read(raw)
        head = data[: -len(body) - 1]
        judged = self._judged
        check = _first_of(candidates(self._keys, header))
        if self._extensions or not isinstance(self._keys, KeySet):

            def check_and_handle(data: bytes, signature: bytes) -> bool:
                holds = check(data, signature)
                if holds:
                    handle_extensions(header, self._extensions)
                return holds

            return data, body, signature, check_and_handle

        def check_and_remember(data: bytes, signature: bytes) -> bool:
            holds = check(data, signature)
            if holds:
                if len(judged) >= MAX_JUDGED:
                    judged.clear()
                judged[head] = check
            return holds

        return data, body, signature, check_and_remember

    def _open(self, raw: bytes, keys: KeySet) -> bytes:
        """Decrypt the outer half of a nested token (RFC 7519 section 7.2)."""
        from carnet.jose import jwe

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
        check_crit(header, self._extensions)
        if header.get("b64", True) is not True:
            raise invalid("b64", "no 'b64': a JWT's payload is always encoded (RFC 7797 section 7)")
        if self._types is not None and media_type(header.get("typ", "JWT")) not in self._types:
            raise InvalidToken(
                "the token is of another type",
                code="type_mismatch",
                claim="typ",
                expected=" or ".join(
                    "JWT" if type == "jwt" else type for type in sorted(self._types)
                ),
            )


def _plain_text(token: object, max_size: int) -> str:
    """Bound a token's size and give it as text of Python's own class."""
    raw = token_bytes(token, max_size)  # type: ignore[arg-type]  # it refuses other kinds
    if not raw.isascii():
        raise InvalidToken("the token is not ASCII", code="malformed", expected="ASCII text")
    return raw.decode("ascii")


def _decrypting(keys: Key | KeySet) -> KeySet:
    if isinstance(keys, Key):
        keys = KeySet((keys,))
    if not isinstance(keys, KeySet):
        raise ConfigurationError("decryption must be a Key or a KeySet")
    if not any(key.can_decrypt for key in keys):
        raise InvalidKey("decryption needs a private key or a secret that is for encryption")
    return keys


def _with_rules(check: Judge, rules: Sequence[Rule]) -> Judge:
    """Give the check of a policy, and after it those of claims that must have a value."""
    if not rules:
        return check

    def check_all(claims: dict[str, Any], now: float) -> None:
        check(claims, now)
        for rule in rules:
            rule(claims)

    return check_all


def _media_types(type: Names) -> frozenset[str] | None:
    try:
        found = names(type, "type")
    except ConfigurationError:
        raise ConfigurationError(
            "type must be the token's 'typ', such as 'JWT' or 'at+jwt', or a list of those; pass "
            "carnet.jwt.UNCHECKED to accept any"
        ) from None
    return None if found is None else frozenset(map(media_type, found))


def _first_of(keys: tuple[Key, ...]) -> Check:
    checks = [key.verifying().check for key in keys]
    if len(checks) == 1:
        return checks[0]
    return lambda data, signature: any(check(data, signature) for check in checks)
