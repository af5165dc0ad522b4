"""Scopes: what of a person a client is told, and what people are shown about that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from carnet.server.accounts import Account
from carnet.server.clients import Client
from carnet.server.resources import Resource

__all__ = ["OPENID_SCOPES", "RELEASED", "describe", "grantable", "permitted", "released"]

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


def permitted(client: Client, resource: Resource | None, granted: Iterable[str]) -> frozenset[str]:
    """Decide what a token allows: what is granted, to this client, of what the resource knows.

    Every grant asks here, so that none gives what another would not: a client or a resource that
    was narrowed gets less from then on, whatever was granted to it before.

    Args:
        client: who gets the token.
        resource: what it is for; None is one that nothing is known of.
        granted: what a person has granted to the client, or what the client has of its own.
    """
    allowed = grantable(client) & frozenset(granted)
    if resource is not None and resource.metadata.scopes:
        # Those of OpenID Connect mean something to the service itself.
        allowed &= {*resource.metadata.scopes, *OPENID_SCOPES}
    return allowed


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
