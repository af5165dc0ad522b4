"""What an issuer's tokens look like: its names, where roles, scopes and client stand, fixed values.

Everything here is made ready once, when a verifier is made, and says what is wrong with it then. A
token whose claims have odd types never raises anything but InvalidToken: what can't be read as
roles, scopes or a client counts as none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jwt.claim_rules import Rule, Where, reader
from carnet.jwt.claims import Claims

__all__ = ["Accepts", "ForeignClaims", "Names", "Shape"]

Accepts = Callable[[Mapping[str, Any]], bool]
"""Tells whether claims are of an issuer."""

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_COLLECTIONS: Final = (list, tuple, set, frozenset)


class ForeignClaims(Claims):
    """Claims whose roles, scopes and client stand where their issuer puts them.

    A property whose claim has another type is None or empty, as if the claim were not there.
    """

    __slots__ = ("_client_id", "_roles", "_scopes")

    def __init__(
        self,
        claims: dict[str, Any],
        roles: tuple[str, ...],
        scopes: frozenset[str],
        client_id: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(claims, clock)
        self._roles = roles
        self._scopes = scopes
        self._client_id = client_id

    @property
    def roles(self) -> tuple[str, ...]:
        """The subject's roles, from where the issuer's tokens have them."""
        return self._roles

    @property
    def scopes(self) -> frozenset[str]:
        """What the token allows, from where the issuer's tokens have it."""
        return self._scopes

    @property
    def client_id(self) -> str | None:
        """The client that the token was issued to, from where the issuer's tokens have it."""
        return self._client_id

    def _text(self, name: str) -> str | None:
        value = self._claims.get(name)
        return value if isinstance(value, str) else None

    def _number(self, name: str) -> int | float | None:
        value = self._claims.get(name)
        return value if value.__class__ in (int, float) else None

    def _texts(self, name: str) -> tuple[str, ...]:
        value = self._claims.get(name)
        return _texts(value) if isinstance(value, list) else ()


class Shape:
    """Where an issuer's tokens have roles, scopes and the client.

    Args:
        roles: a list of texts, or, where the place was given, one text that is one role; ``roles``
            unless given.
        scopes: a list of texts, or one text with spaces; ``scope`` unless given.
        client_id: a text; ``client_id`` unless given.

    Raises:
        ConfigurationError: if one of them is no place.
    """

    def __init__(self, roles: Where | None, scopes: Where | None, client_id: Where | None) -> None:
        self._one_role = roles is not None
        self._roles = reader("roles" if roles is None else roles, "roles_claim")
        self._scopes = reader("scope" if scopes is None else scopes, "scope_claim")
        self._client_id = reader("client_id" if client_id is None else client_id, "client_id_claim")

    def claims(
        self, claims: dict[str, Any], clock: Callable[[], float] = time.time
    ) -> ForeignClaims:
        """Give verified claims with the properties that this shape has.

        Args:
            claims: the members.
            clock: gives the seconds since 1970.

        Raises:
            InvalidToken: ``claim_invalid``, if a function could not read them.
        """
        try:
            roles, scopes = self._roles(claims), self._scopes(claims)
            client_id = self._client_id(claims)
        except InvalidToken:
            raise
        # Whatever a function of the service's own raises for a claim that it did not expect.
        except Exception:
            raise InvalidToken(
                "the claims don't have the form that this service expects of their issuer",
                code="claim_invalid",
                expected="claims that the functions of this service can read",
            ) from None
        return ForeignClaims(
            claims,
            (roles,) if self._one_role and isinstance(roles, str) and roles else _texts(roles),
            frozenset(scopes.split() if isinstance(scopes, str) else _texts(scopes)),
            client_id if isinstance(client_id, str) and client_id else None,
            clock,
        )


class Names(NamedTuple):
    """The names of an issuer.

    Attributes:
        exact: names as they stand in ``iss``.
        templates: names with claims in braces, ``https://example.com/{tid}/``.
        accepts: tells whether claims are the issuer's, where templates or a function say so.
    """

    exact: frozenset[str]
    templates: tuple[str, ...]
    accepts: Accepts | None

    @classmethod
    def of(cls, given: str | Collection[str] | Accepts) -> Names:
        """Sort the names that were given.

        Raises:
            ConfigurationError: if they are no names.
        """
        if callable(given):
            return cls(frozenset(), (), _guarded(given))
        found = (given,) if isinstance(given, str) else given
        if (
            not isinstance(found, Collection)
            or isinstance(found, bytes | Mapping)
            or not found
            or not all(isinstance(name, str) and name for name in found)
        ):
            raise ConfigurationError(
                "an issuer must be a text, a list of texts for one issuer with several names, "
                "or a function of the claims"
            )
        templates = tuple(name for name in found if "{" in name or "}" in name)
        checks = [_template(template) for template in templates]
        exact = frozenset(found).difference(templates)
        if not checks:
            return cls(exact, (), None)
        return cls(
            exact,
            templates,
            lambda claims: claims.get("iss") in exact or any(check(claims) for check in checks),
        )

    def says(self, name: object) -> bool:
        """Tell whether metadata, or a key, that names an issuer names this one."""
        if not isinstance(name, str):
            return False
        bare = _PLACEHOLDER.sub("{}", name)
        return name in self.exact or any(
            bare == _PLACEHOLDER.sub("{}", template) for template in self.templates
        )

    def rule(self) -> Rule | None:
        """Make the check of verified claims, where comparing ``iss`` is not enough."""
        accepts = self.accepts
        if accepts is None:
            return None
        expected = " or ".join(sorted({*self.exact, *self.templates})) or "an issuer trusted here"

        def check(claims: Mapping[str, Any]) -> None:
            if not isinstance(claims.get("iss"), str) or not accepts(claims):
                raise InvalidToken(
                    "the token is from another issuer",
                    code="issuer_mismatch",
                    claim="iss",
                    expected=expected,
                )

        return check


def _template(text: str) -> Accepts:
    names = _PLACEHOLDER.findall(text)
    rest = _PLACEHOLDER.sub("", text)
    if not names or "" in names or "iss" in names or "{" in rest or "}" in rest:
        raise ConfigurationError(
            "an issuer's template names claims in braces, such as "
            "https://login.microsoftonline.com/{tid}/v2.0"
        )

    def accepts(claims: Mapping[str, Any]) -> bool:
        values = {name: claims.get(name) for name in names}
        if not all(
            isinstance(value, str) and value and "/" not in value for value in values.values()
        ):
            return False
        made = _PLACEHOLDER.sub(lambda found: str(values[found[1]]), text)
        return bool(claims.get("iss") == made)

    return accepts


def _guarded(given: Callable[[Mapping[str, Any]], Any]) -> Accepts:
    def accepts(claims: Mapping[str, Any]) -> bool:
        try:
            return given(claims) is True
        except Exception:
            # It did not expect such claims: they are not of this issuer.
            return False

    return accepts


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, _COLLECTIONS) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return ()
