"""The names of claims: those that the service itself sets, and those that scopes release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OF_THE_ACCOUNT", "RESERVED_CLAIMS", "STANDARD_CLAIMS", "unreleasable"]

RESERVED_CLAIMS: Final = frozenset(
    (
        # What every token says of itself (RFC 7519, RFC 9068, RFC 9449, RFC 8693, RFC 9396).
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "sub_ver", "client_id", "roles"),
        *("scope", "cnf", "act", "may_act", "authorization_details", "events"),
        # What an ID token says of the sign-in (OpenID Connect Core sections 2, 3.3.2.11 and 5.6.2).
        *("nonce", "auth_time", "acr", "amr", "at_hash", "c_hash", "s_hash", "azp"),
        *("preferred_username", "_claim_names", "_claim_sources"),
        # What introspection says of a token (RFC 7662 section 2.2).
        *("active", "token_type"),
    )
)
"""The claims that the service itself sets: no account can have one of these as its own."""

OF_THE_ACCOUNT: Final = frozenset(("roles", "preferred_username"))
"""Those among them that say something of an account, and so may be released by a scope."""

STANDARD_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": (
        *("preferred_username", "name", "given_name", "family_name", "middle_name", "nickname"),
        *("profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale"),
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
"""The claims that a scope of OpenID Connect releases (OpenID Connect Core section 5.4)."""


def unreleasable(names: tuple[str, ...], *, into_access_tokens: bool) -> list[str]:
    """Give the claims that no scope can release, because they say something else.

    Args:
        names: the claims that are to be released.
        into_access_tokens: whether they are for access tokens, too, which know no username.
    """
    allowed = OF_THE_ACCOUNT - {"preferred_username"} if into_access_tokens else OF_THE_ACCOUNT
    return sorted((RESERVED_CLAIMS - allowed).intersection(names))
