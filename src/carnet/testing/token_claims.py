"""What a token of an issuer says: the claims of any, each where that issuer's tokens have it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from carnet.errors import ConfigurationError
from carnet.jwt.claim_rules import Path, Where, steps
from carnet.jwt.policy import UNCHECKED
from carnet.verifier.issuer import Issuer
from carnet.verifier.options import Settings

__all__ = ["TokenClaims", "first_of"]

CLIENT: Final = "test-client"
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_PLACES: Final = {"roles_claim": "roles", "scope_claim": "scope", "client_id_claim": "client_id"}


class TokenClaims:
    """Makes the claims of one issuer's tokens.

    Args:
        issuer: who, and in what shape.
        settings: what counts for it.

    Raises:
        ConfigurationError: if the issuer has no name that could stand in a token.
    """

    def __init__(self, issuer: Issuer, settings: Settings) -> None:
        if callable(issuer.name):
            raise ConfigurationError(
                "an issuer that a function knows has no name: give TestIssuer the name that its "
                "tokens have"
            )
        names = issuer.name if isinstance(issuer.name, str | Sequence) else sorted(issuer.name)
        self._name = str(first_of(names))
        self._settings = settings

    def make(self, now: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give the claims of a good token, without its times.

        Args:
            now: seconds since 1970.
            given: what a test says: ``sub``, ``sid``, ``jti``, ``audience``, and ``roles``,
                ``scope`` and ``client_id``, which are None where they are not said.
        """
        audience = given["audience"]
        if audience is None:
            audience = self._settings.given["audience"]
            audience = None if audience is UNCHECKED else first_of(audience)
        claims: dict[str, Any] = {"sub": given["sub"], "sid": given["sid"], "jti": given["jti"]}
        if audience is not None:
            claims["aud"] = audience
        self._put(claims, "client_id_claim", CLIENT)
        for fixed in self._settings.claims:
            for path, value in fixed.items():
                _put(claims, steps(path, "claims"), first_of(value))
        for option, name in _PLACES.items():
            if given[name] is not None:
                self._put(claims, option, given[name])
        for name in self._settings.required:
            claims.setdefault(name, now if name.endswith(("_time", "_at")) else f"test-{name}")
        for name in _PLACEHOLDER.findall(self._name):
            claims.setdefault(name, f"test-{name}")
        claims["iss"] = _PLACEHOLDER.sub(lambda found: str(claims[found[1]]), self._name)
        return claims

    def _put(self, claims: dict[str, Any], option: str, value: object) -> None:
        where: Where = self._settings.given.get(option, _PLACES[option])
        if callable(where):
            if value == CLIENT:
                return
            raise ConfigurationError(
                f"{option} of this issuer is a function: say with claims={{…}} what it reads"
            )
        path: Path = where[0] if isinstance(where, list) else where
        _put(claims, steps(path, option), value)


def first_of(value: Any) -> Any:
    """Give a value, or the first one of several."""
    several = isinstance(value, Collection) and not isinstance(value, str)
    return next(iter(value)) if several else value


def _put(claims: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *outer, last = path
    for name in outer:
        claims = claims.setdefault(name, {})
    claims[last] = value
