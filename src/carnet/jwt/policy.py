"""The checks of a claim set, the same for signing and for verifying (RFC 7519, RFC 8725, RFC 9068).

Types are compared first: a boolean is no number, a list is a list of texts, and a claim that is
there is never null.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from math import inf
from typing import Any, Final, Literal

from carnet.errors import ConfigurationError, InvalidToken

__all__ = [
    "ISSUED_AHEAD",
    "LATEST",
    "UNCHECKED",
    "Duration",
    "Leeway",
    "Names",
    "Policy",
    "names",
    "number",
    "seconds",
    "wrong_clock",
    "wrong_type",
]

LATEST: Final = 253_402_300_799
"""The last second of the year 9999: no date of a token lies beyond it."""

ISSUED_AHEAD: Final = 60
"""Seconds that an ``iat`` or ``nbf`` may lie ahead, for clocks that differ: issuers set both to one
moment."""

_DATES: Final = frozenset(("exp", "iat", "nbf"))

ACCESS_TOKEN_CLAIMS = {"client_id": str, "scope": str, "sid": str}


class _Unchecked:
    """The type of UNCHECKED."""

    def __repr__(self) -> str:
        return "UNCHECKED"


UNCHECKED: Final = _Unchecked()
"""Given for an issuer or an audience: says in so many words that it is not to be checked."""

Names = str | Collection[str] | _Unchecked

Duration = float | timedelta
Leeway = Duration | Mapping[Literal["exp", "iat", "nbf"], Duration]
"""By how much clocks may differ: for all dates, or for each that is named."""


def seconds(value: Duration, what: str) -> float:
    """Turn a duration into seconds.

    Args:
        value: seconds, or a timedelta; not negative, not a boolean.
        what: the argument's name, for the error.

    Raises:
        ConfigurationError: if it is no such duration.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if value.__class__ not in (int, float) or not 0 <= value <= LATEST:
        raise ConfigurationError(f"{what} must be a number of seconds or a timedelta, not negative")
    return value


def names(value: Names, what: str) -> frozenset[str] | None:
    """Turn an issuer or audience argument into a set, None for UNCHECKED."""
    if isinstance(value, _Unchecked):
        return None
    found = (value,) if isinstance(value, str) else value
    if (
        not isinstance(found, Collection)
        or isinstance(found, bytes | Mapping)
        or not found
        or not all(isinstance(name, str) and name for name in found)
    ):
        raise ConfigurationError(
            f"{what} must be a text or a list of texts; pass carnet.jwt.UNCHECKED to accept any"
        )
    return frozenset(found)


def _leeways(given: Leeway) -> dict[str, float]:
    """Give the leeway of each date for which there is one, and of ``max_age``, as ``age``.

    Raises:
        ConfigurationError: if it is no duration, or a mapping to durations of other names.
    """
    if not isinstance(given, Mapping):
        span = seconds(given, "leeway")
        ahead = max(span, ISSUED_AHEAD)
        return {"exp": span, "iat": ahead, "nbf": ahead, "age": span}
    if not all(name in _DATES for name in given):
        raise ConfigurationError("leeway is for the claims 'exp', 'iat' and 'nbf'")
    spans: dict[str, float] = {
        name: seconds(value, f"leeway of '{name}'") for name, value in given.items()
    }
    if "iat" in spans:
        spans["age"] = spans["iat"]
    return spans


class Policy:
    """What a claim set must say to be accepted.

    Args:
        issuer: the accepted issuers, or UNCHECKED.
        audience: the audiences of which the token must name one, or UNCHECKED.
        access_token: also check the claims of an access token, ``sub`` among them (RFC 9068).
        leeway: seconds by which clocks may differ, or a mapping of ``exp``, ``iat`` and ``nbf`` to
            them; ``iat`` and ``nbf`` have a minute unless they are named.
        max_age: seconds since ``iat`` that a token may live, or None; the leeway of ``iat`` counts.
        required: names of further claims that must be there.
        accept_expired: whether ``exp`` may have passed.
        accept_no_expiry: whether ``exp`` may be missing.
    """

    __slots__ = (
        "_accept_expired",
        "_accept_no_expiry",
        "_access_token",
        "_age_leeway",
        "_audience",
        "_audiences",
        "_exp_leeway",
        "_iat_leeway",
        "_issuer",
        "_issuers",
        "_max_age",
        "_nbf_leeway",
        "_required",
    )

    def __init__(
        self,
        *,
        issuer: Names,
        audience: Names,
        access_token: bool,
        leeway: Leeway,
        max_age: Duration | None,
        required: Collection[str],
        accept_expired: bool = False,
        accept_no_expiry: bool = False,
    ) -> None:
        self._issuers = names(issuer, "issuer")
        self._audiences = names(audience, "audience")
        self._issuer = _only(self._issuers)
        self._audience = _only(self._audiences)
        self._access_token = access_token
        self._accept_expired = accept_expired
        self._accept_no_expiry = accept_no_expiry
        spans = _leeways(leeway)
        self._exp_leeway = spans.get("exp", 0)
        self._iat_leeway = spans.get("iat", ISSUED_AHEAD)
        self._nbf_leeway = spans.get("nbf", ISSUED_AHEAD)
        self._age_leeway = spans.get("age", 0)
        self._max_age = None if max_age is None else seconds(max_age, "max_age")
        if (
            not isinstance(required, Collection)
            or isinstance(required, str)
            or not all(isinstance(name, str) for name in required)
        ):
            raise ConfigurationError("required must be a list of claim names")
        self._required = tuple(required)

    def check(self, claims: dict[str, Any], now: float) -> None:
        """Check a claim set at a moment.

        Args:
            claims: the decoded claim set.
            now: seconds since 1970.

        Raises:
            InvalidToken: naming the claim and what was expected.
        """
        # Each claim is first compared with what a good token has, leeway apart; whatever differs
        # goes on to the method that knows every case.
        get = claims.get
        issuer = get("iss")
        if issuer != self._issuer and (self._issuers is not None or issuer.__class__ is not str):
            self._check_issuer(claims)
        audience = get("aud")
        if audience != self._audience and (
            self._audiences is not None or audience.__class__ is not str
        ):
            self._check_audience(claims)
        expires = get("exp")
        if expires.__class__ is not int or not 0 <= expires <= LATEST or not now < expires:
            self._check_expiry(claims, now)
        issued = get("iat")
        if issued.__class__ is not int or self._max_age is not None or not 0 <= issued <= now:
            self._check_issue(claims, now)
        if "nbf" in claims and not now >= number(claims, "nbf") - self._nbf_leeway:
            raise refused(
                "not_yet_valid", "nbf", "a time that has come", "the token is not valid yet"
            )
        if "sub" in claims and claims["sub"].__class__ is not str:
            raise wrong_type("sub", "a text")
        if "jti" in claims and claims["jti"].__class__ is not str:
            raise wrong_type("jti", "a text")
        if self._required:
            for name in self._required:
                if get(name) is None:
                    raise missing(name)
        if self._access_token:
            check_access_token(claims)

    def period(self, claims: Mapping[str, Any]) -> tuple[float, float]:
        """Give the moments from which and until which ``check`` accepts a claim set it accepted."""
        since = claims["nbf"] - self._nbf_leeway if "nbf" in claims else 0.0
        until = inf
        if "exp" in claims and not self._accept_expired:
            until = claims["exp"] + self._exp_leeway
        if "iat" in claims:
            since = max(since, claims["iat"] - self._iat_leeway)
            if self._max_age is not None:
                until = min(until, claims["iat"] + self._max_age + self._age_leeway)
        return since, until

    def _check_expiry(self, claims: Mapping[str, Any], now: float) -> None:
        if self._accept_no_expiry and "exp" not in claims:
            return
        expires = number(claims, "exp", needed=True) + self._exp_leeway
        # A time that is no number (NaN) is before nothing: each comparison refuses it.
        if not now < expires and not (self._accept_expired and now >= expires):
            raise refused("expired", "exp", "a token that has not expired", "the token has expired")

    def _check_issue(self, claims: Mapping[str, Any], now: float) -> None:
        if "iat" not in claims and self._max_age is None:
            return
        issued = number(claims, "iat", needed=True)
        if not now >= issued - self._iat_leeway:
            raise refused(
                "not_yet_valid", "iat", "a time that has come", "the token was issued in the future"
            )
        if self._max_age is not None and not now < issued + self._max_age + self._age_leeway:
            raise refused(
                "too_old", "iat", f"at most {self._max_age} seconds ago", "the token is too old"
            )

    def _check_issuer(self, claims: Mapping[str, Any]) -> None:
        issuer = claims.get("iss")
        if self._issuers is None:
            if issuer.__class__ is not str and "iss" in claims:
                raise wrong_type("iss", "a text")
        elif "iss" not in claims:
            raise missing("iss")
        elif not isinstance(issuer, str):
            raise wrong_type("iss", "a text")
        elif issuer not in self._issuers:
            raise refused(
                "issuer_mismatch",
                "iss",
                " or ".join(sorted(self._issuers)),
                "the token is from another issuer",
            )

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get("aud")
        if "aud" not in claims:
            if self._audiences is not None:
                raise missing("aud")
            return
        given = audience if isinstance(audience, list) else [audience]
        if not given or not all(isinstance(name, str) for name in given):
            raise wrong_type("aud", "a text or a list of texts")
        if self._audiences is not None and self._audiences.isdisjoint(given):
            raise refused(
                "audience_mismatch",
                "aud",
                " or ".join(sorted(self._audiences)),
                "the token is for another audience",
            )


def check_access_token(claims: Mapping[str, Any]) -> None:
    """Check an access token's own claims (RFC 9068 section 2.2): their types, and who it is of."""
    if "sub" not in claims:
        raise missing("sub")
    for name, kind in ACCESS_TOKEN_CLAIMS.items():
        if name in claims and claims[name].__class__ is not kind:
            raise wrong_type(name, "a text")
    if "sub_ver" in claims and claims["sub_ver"].__class__ is not int:
        raise wrong_type("sub_ver", "an integer")
    if "roles" in claims:
        roles = claims["roles"]
        if roles.__class__ is not list:
            raise wrong_type("roles", "a list of texts")
        for role in roles:
            if not isinstance(role, str):
                raise wrong_type("roles", "a list of texts")


def number(claims: Mapping[str, Any], name: str, *, needed: bool = False) -> float:
    """Give a date claim (NumericDate, RFC 7519 section 2)."""
    if needed and name not in claims:
        raise missing(name)
    value = claims[name]
    if value.__class__ not in (int, float) or not 0 <= value <= LATEST:
        raise wrong_type(name, "a number of seconds from 1970 to the year 9999")
    return value


def wrong_clock() -> ConfigurationError:
    """Make the error for a clock that gives no number."""
    return ConfigurationError(
        "clock must be a function that returns the seconds since 1970, a number"
    )


def missing(name: str) -> InvalidToken:
    return refused("claim_missing", name, f"the claim '{name}'", f"the claim '{name}' is missing")


def wrong_type(name: str, expected: str) -> InvalidToken:
    """Make the error for a claim of another type than it has to be."""
    return refused("claim_invalid", name, expected, f"the claim '{name}' is not {expected}")


def refused(code: str, claim: str, expected: str, message: str) -> InvalidToken:
    return InvalidToken(message, code=code, claim=claim, expected=expected)


def _only(accepted: frozenset[str] | None) -> object:
    """Give the one accepted text, else what equals no claim, so that the set is looked into."""
    return next(iter(accepted)) if accepted is not None and len(accepted) == 1 else object()
