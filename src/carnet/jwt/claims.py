"""Claims: what a verified token says (RFC 7519 section 4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jwt.policy import LATEST, wrong_clock

__all__ = ["Claims", "members_of"]


class Claims(Mapping[str, Any]):
    """A read-only mapping of claims, with typed properties for those that have a meaning.

    Lists and objects are given as copies: what a caller does to them changes no other caller's
    claims, even where both come from the cache.

    A property raises InvalidToken (``claim_invalid``) where its claim has another type, and gives
    None, or an empty collection, where the claim is missing.
    """

    __slots__ = ("_claims", "_clock")

    def __init__(self, claims: dict[str, Any], clock: Callable[[], float] = time.time) -> None:
        if not isinstance(claims, dict):
            raise ConfigurationError("claims must be a dict of names and values")
        if not callable(clock):
            raise wrong_clock()
        self._claims = claims
        self._clock = clock

    def __getitem__(self, name: str) -> Any:
        value = self._claims[name]
        return deepcopy(value) if isinstance(value, list | dict) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, name: object) -> bool:
        return name in self._claims

    def __repr__(self) -> str:
        return f"<Claims {', '.join(self._claims)}>"

    @property
    def issuer(self) -> str | None:
        """Who made the token: ``iss``."""
        return self._text("iss")

    @property
    def subject(self) -> str | None:
        """Whom the token is about: ``sub``."""
        return self._text("sub")

    @property
    def audience(self) -> tuple[str, ...]:
        """Whom the token is for: ``aud``, always as a tuple."""
        value = self._claims.get("aud")
        return (value,) if isinstance(value, str) else self._texts("aud")

    @property
    def expires_at(self) -> int | float | None:
        """When the token ends: ``exp``, in seconds since 1970."""
        return self._number("exp")

    @property
    def issued_at(self) -> int | float | None:
        """When the token was made: ``iat``, in seconds since 1970."""
        return self._number("iat")

    @property
    def not_before(self) -> int | float | None:
        """When the token begins: ``nbf``, in seconds since 1970."""
        return self._number("nbf")

    @property
    def token_id(self) -> str | None:
        """The token's own identifier: ``jti``."""
        return self._text("jti")

    @property
    def session_id(self) -> str | None:
        """The session that the token belongs to: ``sid``."""
        return self._text("sid")

    @property
    def acr(self) -> str | None:
        """How the person has signed in: ``acr`` (RFC 9068 section 2.2.1)."""
        return self._text("acr")

    @property
    def authenticated_at(self) -> int | float | None:
        """When the person has signed in: ``auth_time``, in seconds since 1970."""
        return self._number("auth_time")

    @property
    def authentication_age(self) -> float | None:
        """How long ago that is now: seconds, by the clock of the Verifier that gave the claims."""
        since = self.authenticated_at
        if since is None:
            return None
        now = self._clock()
        if not isinstance(now, int | float):
            raise wrong_clock()
        return now - min(max(since, 0), LATEST)

    @property
    def client_id(self) -> str | None:
        """The client that the token was issued to: ``client_id`` (RFC 9068 section 2.2)."""
        return self._text("client_id")

    @property
    def scopes(self) -> frozenset[str]:
        """What the token allows: ``scope``, split at spaces (RFC 8693 section 4.2)."""
        return frozenset((self._text("scope") or "").split())

    @property
    def roles(self) -> tuple[str, ...]:
        """The subject's roles: ``roles`` (RFC 9068 section 2.2.3.1)."""
        return self._texts("roles")

    @property
    def actors(self) -> tuple[str, ...]:
        """Who acts for the subject: each ``sub`` of ``act``, the one at hand first (RFC 8693)."""
        found, within = [], self._claims.get("act")
        while within is not None:
            name = within.get("sub") if isinstance(within, dict) else None
            if not isinstance(name, str):
                raise _wrong_type("act", "an object with sub")
            found.append(name)
            within = within.get("act")
        return tuple(found)

    def _text(self, name: str) -> str | None:
        value = self._claims.get(name)
        if value is None or isinstance(value, str):
            return value
        raise _wrong_type(name, "text")

    def _number(self, name: str) -> int | float | None:
        value = self._claims.get(name)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise _wrong_type(name, "a number of seconds")

    def _texts(self, name: str) -> tuple[str, ...]:
        value = self._claims.get(name, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise _wrong_type(name, "a list of texts")


def members_of(claims: Claims) -> dict[str, Any]:
    """Give the members themselves, uncopied: for code that only reads them."""
    return claims._claims


def _wrong_type(name: str, expected: str) -> InvalidToken:
    return InvalidToken(
        f"the claim '{name}' is not {expected}",
        code="claim_invalid",
        claim=name,
        expected=expected,
    )
