"""Signing a JWT; what a Verifier would refuse is refused here already."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from math import floor, isfinite
from typing import Any

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jose.algorithms import EncryptionName
from carnet.jose.arguments import check_header_argument, check_names
from carnet.jose.encoding import (
    MAX_DEPTH,
    b64url_decode,
    b64url_encode,
    b64url_encode_bytes,
    json_decode,
    json_encode,
)
from carnet.jose.header import invalid, media_type
from carnet.jose.jws_header import signed_header
from carnet.jose.key import Key
from carnet.jose.serialization import join_headers
from carnet.jwt.policy import (
    LATEST,
    UNCHECKED,
    Names,
    Policy,
    names,
    number,
    seconds,
    wrong_clock,
    wrong_type,
)
from carnet.jwt.verifier import MAX_TOKEN

__all__ = ["Signer", "prepared"]

_ACCESS_TOKEN = ("iss", "aud", "sub", "client_id", "iat", "jti")
_LEAST, _MOST = -(2**63), 2**64 - 1
_TEXTS = frozenset((str,))
_OF_EACH = frozenset(("iat", "exp", "jti"))
_LIST = ord("[")

IDENTIFIERS_DRAWN = 64
MAX_TYPE = 256
"""Characters that a ``typ`` may have."""


class Signer:
    """Makes signed tokens for one issuer with one key; may be shared by threads.

    Args:
        key: a private signature key or an HMAC secret.
        issuer: the ``iss`` of the tokens.
        audience: the ``aud`` of the tokens, unless a token's claims name another; UNCHECKED makes
            tokens without one.
        lifetime: seconds, or a timedelta, from ``iat`` to ``exp``.
        type: the ``typ`` of the tokens; ``at+jwt`` makes access tokens, each with a ``jti``, and
            refuses to make one without ``sub`` and ``client_id`` (RFC 9068 section 2.2).
        clock: gives the seconds since 1970.
        encrypt_to: the recipient's public key or secret: tokens are signed, then encrypted to it
            (RFC 7519 section 11.2).
        enc: the content encryption for that.
        header: more parameters of the tokens' signed header; ``alg`` and ``kid`` come from the key,
            ``typ`` from ``type``.
        extensions: names of your own that ``crit`` may hold, since your verifiers handle them
            (RFC 7515 section 4.1.11).

    Raises:
        InvalidKey: if the key can't sign, or the recipient's can't encrypt.
        InvalidToken: if the header can't stand in a token that a Verifier accepts.
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        key: Key,
        *,
        issuer: str,
        audience: Names | None = None,
        lifetime: float | timedelta = 300,
        type: str = "JWT",
        clock: Callable[[], float] = time.time,
        encrypt_to: Key | None = None,
        enc: EncryptionName = "A256GCM",
        header: Mapping[str, Any] | None = None,
        extensions: Collection[str] = (),
    ) -> None:
        if not isinstance(key, Key):
            raise ConfigurationError(
                "key must be a Key, made by Key.generate, from_jwk or from_pem"
            )
        if not isinstance(issuer, str) or not issuer:
            raise ConfigurationError("issuer must be the text that verifiers expect as 'iss'")
        if not isinstance(type, str) or not 0 < len(type) <= MAX_TYPE:
            raise ConfigurationError("type must be the tokens' 'typ', such as 'JWT' or 'at+jwt'")
        if not callable(clock):
            raise ConfigurationError("clock must be a function that returns the seconds since 1970")
        if encrypt_to is not None and not isinstance(encrypt_to, Key):
            raise ConfigurationError("encrypt_to must be the recipient's Key")
        self.key = key
        self._operation = key.signing()
        check_names(extensions, "extensions")
        self._type = type
        self._header = dict(check_header_argument(header, "header"))
        self._extensions = frozenset(extensions)
        self._head = self._encoded_header({})
        self._issuer = issuer
        self._audience: str | list[str] | None = None
        required: tuple[str, ...] = ("iss", "aud")
        if audience is not None:
            accepted = names(audience, "audience")
            if accepted is None:
                required = ("iss",)
            else:
                self._audience = audience if isinstance(audience, str) else sorted(accepted)
        self._lifetime = int(seconds(lifetime, "lifetime"))
        if self._lifetime < 1:
            raise ConfigurationError("lifetime must be at least one second")
        self._access_token = media_type(type) == "at+jwt"
        self._policy = Policy(
            issuer=UNCHECKED,
            audience=UNCHECKED,
            access_token=self._access_token,
            leeway=0,
            max_age=None,
            required=_ACCESS_TOKEN if self._access_token else required,
        )
        self._clock = clock
        self._seal: Callable[[bytes], str] | None = None
        if encrypt_to is not None:
            from carnet.jose import jwe

            self._seal = partial(
                jwe.encrypt, key=encrypt_to, enc=enc, header={"typ": type, "cty": "JWT"}
            )
            # What this key or enc can't do is an error now, not with the first token.
            self._seal(b"")

    def sign(
        self,
        claims: Mapping[str, Any],
        *,
        lifetime: float | timedelta | None = None,
        header: Mapping[str, Any] | None = None,
    ) -> str:
        """Make a token (RFC 7519 section 7.1).

        ``iss``, ``aud``, ``iat`` and ``exp`` are filled in where the claims don't say otherwise.

        Args:
            claims: the claims; what has no exact JSON form is refused. A claim that is a datetime
                with a time zone becomes the whole seconds since 1970, rounded down (RFC 7519
                section 2).
            lifetime: seconds, or a timedelta, for this token alone.
            header: header parameters for this token alone, besides those of all.

        Raises:
            ConfigurationError: if an argument is not of its kind.
            InvalidToken: where a Verifier would refuse the token: a claim is missing or has the
                wrong type, the token has expired already, or it is too large; or where a claim is a
                datetime without a time zone.
        """
        if claims.__class__ is not dict and not isinstance(claims, Mapping):
            raise ConfigurationError("claims must be a mapping of names to values")
        moment = self._clock()
        if not isinstance(moment, (int, float)) or not 0 <= moment <= LATEST:
            raise wrong_clock()
        now = int(moment)
        span = self._lifetime if lifetime is None else int(seconds(lifetime, "lifetime"))
        full: dict[str, Any] = {"iss": self._issuer}
        if self._audience is not None:
            full["aud"] = self._audience
        full["iat"] = now
        full["exp"] = now + span
        if self._access_token:
            full["jti"] = _new_identifier()
        # What is filled in is as it has to be; only the rest is looked at one by one: the line
        # "HS256" of the benchmark ``library``.
        given = dict(claims)
        full.update(given)
        payload = json_encode(full)
        payload = self._check(full, given, payload, now)
        head = self._head if header is None else self._encoded_header(header)
        data = head + b64url_encode_bytes(payload)
        token = data + b"." + b64url_encode_bytes(self._operation(data))
        if self._seal is not None:
            token = self._seal(token).encode("ascii")
        if len(token) > MAX_TOKEN:
            raise InvalidToken(
                "the token would be too large",
                code="too_large",
                expected=f"at most {MAX_TOKEN} characters",
            )
        return token.decode("ascii")

    def _encoded_header(self, header: Mapping[str, Any]) -> bytes:
        """Give the header of tokens as it stands in them, with the dot that ends it."""
        more = join_headers(self._header, check_header_argument(header, "header"))
        if more.get("typ", self._type) != self._type:
            raise invalid("typ", "what the argument type says")
        if "kid" in more and more["kid"] != self.key.kid:
            raise invalid("kid", "the key's own identifier")
        if "b64" in more:
            raise invalid("b64", "no 'b64': a JWT's payload is always encoded (RFC 7797 section 7)")
        return signed_header(self.key, {"typ": self._type, **more}, self._extensions)[1] + b"."

    def _check(
        self, full: dict[str, Any], given: dict[str, Any], payload: bytes, now: int
    ) -> bytes:
        """Refuse what no Verifier would accept, at the first moment that the token is meant for.

        Args:
            full: the claims.
            given: those of them whose values may be of any kind.
            payload: the claims as JSON.
            now: seconds since 1970.

        Returns:
            The payload; where a claim was a datetime, with its seconds.
        """
        claims = full
        has_dates = False
        nested = payload.rfind(b"{") > 0 or _LIST in payload
        if nested and payload.count(b"[") + payload.count(b"{") > MAX_DEPTH:
            claims = json_decode(payload, "the payload", "claim_invalid")
        for name, value in given.items():
            if name.__class__ is not str:
                raise wrong_type("a name", "text")
            kind = value.__class__
            if kind is str or kind is bool or (kind is int and _LEAST <= value <= _MOST):
                continue
            if kind is not list and isinstance(value, datetime):
                full[name] = _numeric_date(name, value)
                has_dates = True
            elif not _exact(value):
                raise wrong_type(name, "text, a finite number, a boolean, a list or an object")
            if kind is not list and claims is full:
                claims = json_decode(payload, "the payload", "claim_invalid")
        if has_dates:
            payload = json_encode(full)
            claims = json_decode(payload, "the payload", "claim_invalid")
        moment = max(now, number(claims, "nbf")) if "nbf" in claims else now
        self._policy.check(claims, moment)
        return payload


def prepared(signer: Signer, claims: Mapping[str, Any], lifetime: int) -> Callable[[], str]:
    """Give what makes tokens that differ in nothing but ``iat``, ``exp`` and ``jti``.

    What ``Signer.sign`` checks is checked here, once: the line "client credentials" of the
    benchmark ``requests``.

    Args:
        signer: of access tokens, by whose clock the tokens are made.
        claims: as for ``Signer.sign``.
        lifetime: seconds from ``iat`` to ``exp``.

    Raises:
        InvalidToken: as ``Signer.sign``.
    """
    token = signer.sign(claims, lifetime=lifetime)
    has_own = not _OF_EACH.isdisjoint(claims)
    if has_own or signer._seal is not None or not signer._access_token:
        return partial(signer.sign, claims, lifetime=lifetime)
    said = json_decode(b64url_decode(token.split(".")[1]))
    same = {name: value for name, value in said.items() if name not in _OF_EACH}
    rest = json_encode(same).decode().removeprefix("{")
    head, clock, operation = signer._head, signer._clock, signer._operation

    def sign() -> str:
        now = int(clock())
        if not 0 <= now <= LATEST - lifetime:
            raise wrong_clock()
        payload = f'{{"iat":{now},"exp":{now + lifetime},"jti":"{_new_identifier()}",{rest}'
        data = head + b64url_encode_bytes(payload.encode())
        return (data + b"." + b64url_encode_bytes(operation(data))).decode("ascii")

    return sign


# The system is asked for many at once: a call takes longer than all else about an identifier.
_identifiers: list[str] = []
if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows can't fork
    os.register_at_fork(after_in_child=_identifiers.clear)


def _new_identifier() -> str:
    """Give 144 random bits in base64url; never the same twice, in whichever thread or process."""
    try:
        return _identifiers.pop()
    except IndexError:
        text = b64url_encode(os.urandom(IDENTIFIERS_DRAWN * 18))
        drawn = [text[start : start + 24] for start in range(0, len(text), 24)]
        identifier = drawn.pop()
        _identifiers.extend(drawn)
        return identifier


def _numeric_date(name: str, moment: datetime) -> int:
    """Give a moment in seconds since 1970 (NumericDate, RFC 7519 section 2)."""
    if moment.utcoffset() is None:
        raise wrong_type(name, "a datetime with a time zone, such as datetime.now(UTC)")
    return floor(moment.timestamp())


def _exact(value: Any) -> bool:
    """Tell whether a value means the same after a trip through JSON."""
    match value:
        case bool() | str() | None:
            return True
        case int():
            return _LEAST <= value <= _MOST
        case float():
            return isfinite(value)
        case list() | tuple():
            # Most hold texts, such as roles: the line "refresh" of the benchmark ``requests``.
            return _TEXTS.issuperset(map(type, value)) or all(map(_exact, value))
        case dict():
            return all(name.__class__ is str and _exact(item) for name, item in value.items())
    return False
