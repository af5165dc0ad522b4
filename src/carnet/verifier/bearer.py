"""Bearer tokens in HTTP requests, and what is answered without a good one (RFC 6750)."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from carnet.errors import ConfigurationError, InvalidToken, IssuerUnavailable
from carnet.jwt.claims import Claims
from carnet.jwt.policy import ISSUED_AHEAD, LATEST, UNCHECKED, Names
from carnet.verifier.access_token import (
    AccessTokenVerifier,
    AsyncAccessTokenVerifier,
    Issuers,
    Options,
)
from carnet.verifier.dpop import Presented
from carnet.verifier.options import check_names
from carnet.verifier.refusal import (
    RETRY_SECONDS,
    Refusal,
    challenge,
    missing,
    present,
    refusal_of,
    role_missing,
    scope_missing,
    with_advice,
)

__all__ = [
    "RETRY_SECONDS",
    "Need",
    "Refusal",
    "authenticate",
    "authenticate_async",
    "bearer_token",
    "check_acr",
    "check_age",
    "check_role",
    "check_scope",
    "described",
    "joined",
    "missing",
    "needs_acr",
    "needs_age",
    "needs_role",
    "needs_scope",
    "not_installed",
    "options_of",
    "present",
    "refusal_of",
    "remembered",
    "scope_of",
    "typed",
    "with_advice",
]

T = TypeVar("T")

Need = Callable[[Claims], None]
"""Checks that a token allows something; raises Refusal (401 or 403) otherwise."""

MAX_HEADER: Final = 64 * 1024

_B64TOKEN: Final = (string.ascii_letters + string.digits + "-._~+/").encode()
_ANOTHER_BEARER = re.compile(r",\s*bearer\s", re.IGNORECASE)
_ACR = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def authenticate(
    verifier: AccessTokenVerifier[Any],
    values: Sequence[str],
    presented: Presented | None = None,
) -> Claims:
    """Check the token in a request's Authorization headers.

    Args:
        verifier: knows the issuers.
        values: the header's values, one for each time that it stands in the request.
        presented: the proof that came with the scheme DPoP, or None.

    Raises:
        Refusal: 400, 401 or 503.
    """
    claims = remembered(verifier, values, presented)
    if claims is not None:
        return claims
    token = bearer_token(values, "Bearer" if presented is None else "DPoP")
    try:
        return verifier.claims(token, presented)
    except (InvalidToken, IssuerUnavailable) as error:
        raise refusal_of(error) from None


async def authenticate_async(
    verifier: AsyncAccessTokenVerifier[Any],
    values: Sequence[str],
    presented: Presented | None = None,
) -> Claims:
    """Check the token in a request's Authorization headers, in an event loop.

    Args:
        verifier: knows the issuers.
        values: the header's values, one for each time that it stands in the request.
        presented: the proof that came with the scheme DPoP, or None.

    Raises:
        Refusal: 400, 401 or 503.
    """
    claims = remembered(verifier, values, presented)
    if claims is not None:
        return claims
    token = bearer_token(values, "Bearer" if presented is None else "DPoP")
    try:
        return await verifier.claims(token, presented)
    except (InvalidToken, IssuerUnavailable) as error:
        raise refusal_of(error) from None


def remembered(
    verifier: Issuers[Any], values: Sequence[str], presented: Presented | None = None
) -> Claims | None:
    """Give the claims of a token that was accepted before and still is; None: authenticate it.

    An adapter that asks this first makes no coroutine for what needs no waiting
    (benchmarks/services.py).

    Args:
        verifier: knows the issuers.
        values: the header's values, one for each time that it stands in the request.
        presented: the proof that came with the scheme DPoP, or None.

    Raises:
        Refusal: 401 or 503.
    """
    if presented is not None or len(values) != 1 or not values[0].startswith("Bearer "):
        return None
    try:
        return verifier.remembered(values[0][7:])
    except (InvalidToken, IssuerUnavailable) as error:
        raise refusal_of(error) from None


def typed(verifier: Issuers[T], claims: Claims) -> T:
    """Give the claims in the form that the verifier's ``claims_type`` names.

    Raises:
        Refusal: 401, if they don't fit.
    """
    try:
        return verifier.typed(claims)
    except InvalidToken as error:
        raise refusal_of(error) from None


def bearer_token(values: Sequence[str], scheme: str = "Bearer") -> str:
    """Take the token out of a request's Authorization headers (RFC 6750 section 2.1).

    Args:
        values: the header's values, one for each time that it stands in the request.
        scheme: ``Bearer``, or ``DPoP`` where a proof comes with it (RFC 9449 section 7.1).

    Raises:
        Refusal: 401 where there is no such token, 400 where the header is malformed.
    """
    if not values:
        raise missing()
    if len(values) > 1:
        raise challenge(400, "invalid_request", "there is more than one Authorization header")
    given, _, token = values[0].partition(" ")
    if given.lower() != scheme.lower():
        if _ANOTHER_BEARER.search(values[0]):
            # WSGI servers join headers of one name with a comma.
            raise challenge(400, "invalid_request", "there is more than one Authorization header")
        raise missing(f"the Authorization header must have the scheme {scheme}")
    token = token.strip(" ")
    if len(token) > MAX_HEADER or not _is_b64token(token):
        raise challenge(400, "invalid_request", "the Authorization header holds no bearer token")
    return token


def check_role(claims: Claims, role: str) -> None:
    """Check that a token carries a role.

    Raises:
        Refusal: 403.
    """
    try:
        held = claims.roles
    except InvalidToken as error:
        raise refusal_of(error) from None
    if role not in held:
        raise role_missing(role)


def check_scope(claims: Claims, scope: str) -> None:
    """Check that a token carries a scope, or several with spaces between them.

    Raises:
        Refusal: 403, naming the scope in the challenge (RFC 6750 section 3.1).
    """
    try:
        held = claims.scopes
    except InvalidToken as error:
        raise refusal_of(error) from None
    if not held.issuperset(scope.split()):
        raise scope_missing(scope)


def check_acr(claims: Claims, *acr_values: str, max_age: int | None = None) -> None:
    """Check how the person behind a token has signed in; arguments as for ``needs_acr``.

    Raises:
        Refusal: 401 with the challenge of RFC 9470 section 3.
        ConfigurationError: if an argument is not of its kind.
    """
    needs_acr(*acr_values, max_age=max_age)(claims)


def check_age(claims: Claims, max_age: int) -> None:
    """Check how long ago the person behind a token has signed in; as ``needs_age``.

    Raises:
        Refusal: 401 with the challenge of RFC 9470 section 3.
        ConfigurationError: if ``max_age`` is no such number.
    """
    needs_age(max_age)(claims)


def needs_role(role: str) -> Need:
    """Make the check for a role among ``roles``.

    Raises:
        ConfigurationError: if it is not the name of a role.
    """
    if not isinstance(role, str) or not role:
        raise ConfigurationError("require_role needs the name of a role, such as 'ADMIN'")
    return lambda claims: check_role(claims, role)


def needs_scope(scope: str) -> Need:
    """Make the check for a scope, or several with spaces between them.

    Raises:
        ConfigurationError: if it is no scope: it would let everybody in.
    """
    if not isinstance(scope, str) or not scope.split():
        raise ConfigurationError(
            "require_scope needs a scope, or several separated by spaces: 'orders:read'"
        )
    return _NeedsScope(scope)


@dataclass(frozen=True, slots=True)
class _NeedsScope:
    carnet_scope: str

    def __call__(self, claims: Claims) -> None:
        check_scope(claims, self.carnet_scope)


def scope_of(*places: object) -> str:
    """Join the scopes that are needed at a place, each once.

    Args:
        places: needs, and whatever carries the scopes of its own needs as ``carnet_scope``, such as
            a view below another decorator.
    """
    found = [getattr(place, "carnet_scope", "") for place in places]
    return " ".join(dict.fromkeys(" ".join(found).split()))


def joined(need: Need | None, view: object) -> tuple[Need | None, str]:
    """Join a decorator's need with the scopes that stand below it: all are told at once.

    Args:
        need: the decorator's own.
        view: what it decorates.

    Returns:
        The need, and all scopes that are needed from here on.
    """
    scope = scope_of(need, view)
    return (needs_scope(scope) if scope_of(need) else need), scope


def needs_acr(*acr_values: str, max_age: int | None = None) -> Need:
    """Make the check for a way of signing in, ``acr`` (RFC 9470).

    Args:
        acr_values: the ways of which one is needed, the preferred one first.
        max_age: the same as ``needs_age``, told in the same challenge: a client that has to do
            both does so at once.

    Raises:
        ConfigurationError: if there is none, or it is no value of ``acr``.
    """
    if not acr_values or not all(
        isinstance(value, str) and _ACR.fullmatch(value) for value in acr_values
    ):
        raise ConfigurationError(
            "require_acr needs values of acr without spaces, such as 'urn:example:mfa'"
        )
    if max_age is not None:
        _check_max_age(max_age, "max_age")

    def need(claims: Claims) -> None:
        _check_authentication(claims, acr_values, max_age)

    return need


def needs_age(max_age: int) -> Need:
    """Make the check for a recent sign-in, by ``auth_time`` (RFC 9470).

    Args:
        max_age: seconds that may have passed since, at least 1.

    Raises:
        ConfigurationError: if it is no such number.
    """
    _check_max_age(max_age, "require_age")
    return lambda claims: _check_authentication(claims, (), max_age)


def options_of(settings: object, place: str) -> dict[str, Any]:
    """Check that settings name an issuer, and give them as a verifier's arguments.

    Args:
        settings: what an app was given.
        place: where it was given, for the message.

    Raises:
        ConfigurationError: saying what was expected.
    """
    if not isinstance(settings, Mapping) or "issuer" not in settings:
        raise ConfigurationError(
            f"{place} must be a mapping with 'issuer' and 'audience', such as "
            "{'issuer': 'https://auth.example.com', 'audience': 'orders'}"
        )
    check_names(settings, ("issuer", "audience", "claims_type", *Options.__annotations__), place)
    return dict(settings)


def described(audience: Names | None) -> str:
    """Describe the tokens that are accepted, for an OpenAPI document."""
    if audience is None or audience is UNCHECKED:
        return "An access token."
    names = (audience,) if isinstance(audience, str) else audience
    return f"An access token for {' or '.join(names)}."  # type: ignore[arg-type]  # no UNCHECKED


def not_installed(extra: str) -> ConfigurationError:
    """Make the error for a framework that is missing."""
    return ConfigurationError(
        f"carnet.verifier needs a part that is not installed: pip install 'carnet[{extra}]'"
    )


def _check_max_age(value: object, name: str) -> None:
    if value.__class__ is not int or not 1 <= value <= LATEST:
        raise ConfigurationError(
            f"{name} must be a whole number of seconds since the sign-in, at least 1, such as 300"
        )


def _check_authentication(claims: Claims, acr_values: tuple[str, ...], max_age: int | None) -> None:
    """Check how, and how long ago, the person behind a token has signed in (RFC 9470 section 3)."""
    try:
        acr = claims.acr if acr_values else None
        age = None if max_age is None else claims.authentication_age
    except InvalidToken as error:
        raise refusal_of(error) from None
    if acr_values and acr not in acr_values:
        code = "claim_missing" if acr is None else "claim_mismatch"
        claim, expected = "acr", " or ".join(acr_values)
    elif max_age is not None and (age is None or not -ISSUED_AHEAD <= age <= max_age):
        code = "claim_missing" if age is None else "not_yet_valid" if age < 0 else "too_old"
        claim, expected = "auth_time", f"at most {max_age} seconds ago"
    else:
        return
    raise challenge(
        401,
        "insufficient_user_authentication",
        "this needs a stronger or a more recent sign-in",
        code,
        # Both, whichever failed: a client that has to do both does so at once.
        {
            "acr_values": " ".join(acr_values) or None,
            "max_age": None if max_age is None else str(max_age),
        },
        claim=claim,
        expected=expected,
    )


def _is_b64token(text: str) -> bool:
    """Tell whether a text is what RFC 6750 section 2.1 calls so; a pattern takes five times it."""
    raw = text.encode().rstrip(b"=") if text.isascii() else b""
    return bool(raw) and not raw.translate(None, _B64TOKEN)
