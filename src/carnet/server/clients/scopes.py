"""Scopes: which claims of an account each releases, where to, and how people are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, Final

from carnet.server.accounts.accounts import Account
from carnet.server.claim_names import RESERVED_CLAIMS, STANDARD_CLAIMS
from carnet.server.clients.resources import ANY_RESOURCE, Resource
from carnet.server.languages import gettext, marked
from carnet.server.sessions.sessions import Grant
from carnet.server.settings import ScopeRelease, Settings, TokenKind

__all__ = ["ALWAYS_GRANTABLE", "ScopeTable", "add_claims", "every_claim"]

ALWAYS_GRANTABLE: Final = frozenset(("openid", "offline_access"))
"""What a client may ask for that is narrowed to other scopes: no claim but ``sub`` goes with it."""

_TO_CLIENTS: Final[tuple[TokenKind, ...]] = ("id_token", "userinfo")

_READY_MADE: Final[Mapping[str, ScopeRelease]] = {
    "profile": ScopeRelease(
        claims=STANDARD_CLAIMS["profile"],
        tokens=_TO_CLIENTS,
        words=marked(
            "read your username and your profile: names, picture, links, gender, birthday, "
            "language and time zone"
        ),
    ),
    "email": ScopeRelease(
        claims=STANDARD_CLAIMS["email"],
        tokens=_TO_CLIENTS,
        words=marked("read your e-mail address"),
    ),
    "address": ScopeRelease(
        claims=STANDARD_CLAIMS["address"],
        tokens=_TO_CLIENTS,
        words=marked("read your postal address"),
    ),
    "phone": ScopeRelease(
        claims=STANDARD_CLAIMS["phone"],
        tokens=_TO_CLIENTS,
        words=marked("read your telephone number"),
    ),
    "roles": ScopeRelease(claims=("roles",), words=marked("read which roles you have")),
    "groups": ScopeRelease(claims=("groups",), words=marked("read which groups you belong to")),
}

_WORDS: Final = {
    "openid": marked("see that it is you"),
    "offline_access": marked("stay signed in while you are away"),
    "carnet:admin": marked("administer this service in your name: accounts, clients and resources"),
}


class ScopeTable:
    """The scopes that mean something to the service itself: the ready-made and the settings'.

    Args:
        settings: whose ``scopes`` come on top.

    Beside them each claim that they release is a scope by itself, ``userinfo:name`` or
    ``id_token:name``: what the parameter ``claims`` asks for.

    Attributes:
        names: what any client may ask for, unless its own list says otherwise.
        claims: every claim that one of them releases.
        wider: of each claim that is a scope by itself, the scopes that release it in that place.
    """

    def __init__(self, settings: Settings) -> None:
        named = {**_READY_MADE, **settings.scopes}
        self.names = ("openid", *named, "offline_access")
        self.claims = tuple(dict.fromkeys(name for one in named.values() for name in one.claims))
        self.wider: dict[str, frozenset[str]] = {}
        self._releases: dict[str, ScopeRelease] = {}
        for scope, release in named.items():
            for place, claim in product(_TO_CLIENTS, release.claims):
                if place in release.tokens:
                    name = f"{place}:{claim}"
                    self.wider[name] = self.wider.get(name, frozenset()) | {scope}
                    self._releases[name] = ScopeRelease(claims=(claim,), tokens=(place,))
        self._releases |= named

    def released(
        self,
        person: Account | Grant,
        scopes: Iterable[str],
        into: TokenKind,
        resource: Resource = ANY_RESOURCE,
    ) -> dict[str, Any]:
        """Give the claims of an account that scopes release, besides ``sub``.

        Args:
            person: the account, or a session of it.
            scopes: what was granted.
            into: where the claims go.
            resource: for an access token, what it is for: scopes may release more to that.
        """
        claims: dict[str, Any] = {}
        for scope in scopes:
            release = self._releases.get(scope)
            if release is not None and into in release.tokens:
                add_claims(claims, person, release.claims)
            add_claims(claims, person, resource.metadata.scope_claims.get(scope, ()))
        return claims

    def describe(
        self, scopes: Iterable[str], resource: Resource | None = None
    ) -> list[tuple[str, str]]:
        """Give each scope with the words that a person is shown, in the language that is spoken.

        They say what is released; "" where that is nothing, and what the scope means is known to
        the resource alone.
        """
        asked = dict.fromkeys(scopes)
        told: dict[tuple[bool, str], str] = {}
        for scope in asked:
            single = scope in self.wider
            # A claim in two places is one to people, and none where a scope tells it anyway.
            if not single or self.wider[scope].isdisjoint(asked):
                name = scope.partition(":")[2] if single else scope
                told[single, name] = self._words(scope, resource or ANY_RESOURCE)
        return [(name, words) for (_, name), words in told.items()]

    def _words(self, scope: str, resource: Resource) -> str:
        release = self._releases.get(scope)
        words = gettext(_WORDS.get(scope, ""))
        if release is not None:
            # Words of the operator's own are in no catalog, and stay as they are.
            words = gettext(release.words) or gettext("read your {claims}").format(
                claims=_listed(release.claims)
            )
        claims = resource.metadata.scope_claims.get(scope, ())
        if claims and scope not in _WORDS:
            more = gettext("tell {audience} your {claims}").format(
                audience=resource.audience, claims=_listed(claims)
            )
            words = gettext("{words}, and {more}").format(words=words, more=more) if words else more
        return words


def add_claims(claims: dict[str, Any], person: Account | Grant, names: Iterable[str]) -> None:
    """Add claims of an account to others, as far as it has them."""
    for name in names:
        if name == "roles":
            claims[name] = list(person.roles)
        elif name == "preferred_username":
            if isinstance(person, Account):
                claims[name] = person.username
        elif name in STANDARD_CLAIMS["email"] and isinstance(person, Account) and person.email:
            claims[name] = person.email if name == "email" else True
        elif name in person.claims:
            claims[name] = person.claims[name]


def every_claim(person: Account | Grant) -> dict[str, Any]:
    """Give the roles and all claims of an account's own."""
    claims = person.claims
    if not RESERVED_CLAIMS.isdisjoint(claims):
        # Stored before its name was reserved.
        claims = {name: value for name, value in claims.items() if name not in RESERVED_CLAIMS}
    return {**claims, "roles": list(person.roles)}


def _listed(claims: tuple[str, ...]) -> str:
    return ", ".join(name.replace("_", " ") for name in claims)
