"""Scopes: what of a person a client is told, and what people are shown about that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from carnet.server.accounts import Account
from carnet.server.clients import Client

__all__ = ["OPENID_SCOPES", "RELEASED", "describe", "grantable", "released"]

RELEASED: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": (
        *("name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture"),
        *("website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
"""The claims of an account that a scope releases (OpenID Connect Core section 5.4)."""

OPENID_SCOPES: Final = ("openid", "profile", "email", "address", "phone", "roles", "offline_access")
"""What any client may ask for, unless its own list says otherwise."""

_WORDS: Final = {
    "openid": "see that it is you",
    "profile": "read your username and your name",
    "email": "read your e-mail address",
    "address": "read your postal address",
    "phone": "read your telephone number",
    "roles": "read which roles you have",
    "offline_access": "stay signed in while you are away",
}


def grantable(client: Client) -> frozenset[str]:
    """Give the scopes that a client may be granted."""
    own = client.metadata.scopes
    return own | {"openid", "offline_access"} if own else frozenset(OPENID_SCOPES)


def released(account: Account, scopes: Iterable[str]) -> dict[str, Any]:
    """Give the claims of an account that the scopes release, besides ``sub``."""
    claims: dict[str, Any] = {}
    for scope in scopes:
        if scope == "profile":
            claims["preferred_username"] = account.username
        if scope == "roles":
            claims["roles"] = account.roles
        for name in RELEASED.get(scope, ()):
            if name in account.claims:
                claims[name] = account.claims[name]
    return claims


def describe(scopes: Iterable[str]) -> list[tuple[str, str]]:
    """Give each scope with the words that a person is shown; "" for one that is a client's own."""
    return [(scope, _WORDS.get(scope, "")) for scope in scopes]
