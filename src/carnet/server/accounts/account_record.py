"""An account as it is kept: its fields, how its row is read, and what the fields may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from carnet.errors import CarnetError
from carnet.server.accounts.passwords import MAX_PASSWORD, MIN_PASSWORD, is_common
from carnet.server.accounts.usernames import MAX_USERNAME, canonical_username, is_acceptable
from carnet.server.claim_names import RESERVED_CLAIMS

__all__ = [
    "NO_PASSWORD",
    "Account",
    "AccountRefused",
    "AccountRow",
    "Refusal",
    "Standing",
    "account_of",
    "account_standing",
    "check_password",
    "chosen_username",
    "claims_text",
    "roles_text",
]

MAX_CLAIMS = 4096
NO_PASSWORD: Final = ""
"""Stands instead of a hash where there is no password."""


class Refusal(NamedTuple):
    """Why a username and a password let nobody in: for operators, and nobody else.

    Attributes:
        reason: ``unknown_username``, ``wrong_password`` or ``account_disabled``.
        account_id: of the account with this username, where there is one.
    """

    reason: str
    account_id: str | None


class AccountRefused(CarnetError):
    """An account can't be made or changed as asked; the code says why.

    Args:
        message: what was expected.
        code: the code.
        member: what of the account is at fault: ``username``, ``password``, ``roles`` or
            ``claims``; "" where it is none of them.
    """

    code = "account_refused"

    def __init__(self, message: str, *, code: str | None = None, member: str = "") -> None:
        super().__init__(message, code=code)
        self.member = member


class Account(NamedTuple):
    """Somebody who may sign in.

    Attributes:
        id: the ``sub`` of the account's tokens; it never changes and says nothing.
        username: what the person types, in its canonical form.
        roles: what the account may do.
        claims: more claims for its tokens.
        version: the ``sub_ver`` of its tokens.
        disabled: whether it may not sign in.
        email: its first address that was proved, or "", also where that was not asked for.
        delete_at: when it is deleted, as its owner wants, in microseconds since 1970; None where
            nobody wants that.
    """

    id: str
    username: str
    roles: tuple[str, ...]
    claims: dict[str, Any]
    version: int
    disabled: bool
    email: str = ""
    delete_at: int | None = None


class AccountRow(NamedTuple):
    """An account's columns, as statements give them; those of sign-in with the password's hash.

    ``language`` is the one in which its owner is written to.
    """

    id: str
    username: str
    roles: str
    claims: str
    version: int
    disabled_at: int | None
    email: str | None = None
    password_hash: str | None = None
    delete_at: int | None = None
    language: str | None = None


class Standing(NamedTuple):
    """What an account's tokens say of it now.

    Attributes:
        version: their ``sub_ver``.
        roles: what it may do.
        claims: its custom claims.
    """

    version: int
    roles: tuple[str, ...]
    claims: dict[str, Any]


_decode_roles = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_claims = msgspec.json.Decoder(dict[str, Any]).decode
_decode_standing = msgspec.json.Decoder(Standing).decode


def account_of(columns: Sequence[Any]) -> Account:
    """Read an account's row."""
    row = AccountRow(*columns)
    return Account(
        id=row.id,
        username=row.username,
        roles=_decode_roles(row.roles),
        claims=_decode_claims(row.claims),
        version=row.version,
        disabled=row.disabled_at is not None,
        email=row.email or "",
        delete_at=row.delete_at,
    )


def account_standing(text: str) -> Standing:
    """Read version, roles and claims of an account out of their JSON array."""
    return _decode_standing(text)


def chosen_username(username: str) -> str:
    """Give the canonical form of a username that somebody may choose.

    Raises:
        AccountRefused: ``username_invalid``.
    """
    name = canonical_username(username)
    if not is_acceptable(name):
        raise AccountRefused(
            f"a username must have 1 to {MAX_USERNAME} letters, digits and signs such as . _ - @, "
            "without spaces, and letters of one script only",
            code="username_invalid",
            member="username",
        )
    return name


def check_password(password: str, username: str) -> None:
    """Check that a new password can be taken (NIST SP 800-63B section 5.1.1.2).

    Args:
        password: the password.
        username: the account's, in its canonical form.

    Raises:
        AccountRefused: ``password_invalid`` or ``password_common``.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountRefused(
            f"a password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters",
            code="password_invalid",
            member="password",
        )
    if is_common(password) or canonical_username(password) == username:
        raise AccountRefused(
            "this password is too common; choose another, such as four words that don't belong "
            "together",
            code="password_common",
            member="password",
        )


def roles_text(roles: Sequence[str]) -> str:
    """Write roles as the database holds them."""
    if not all(role and role.isprintable() and " " not in role for role in roles):
        raise AccountRefused(
            "a role must be a name without white space", code="role_invalid", member="roles"
        )
    return msgspec.json.encode(sorted(set(roles))).decode()


def claims_text(claims: Mapping[str, Any]) -> str:
    """Write claims as the database holds them."""
    own = sorted(RESERVED_CLAIMS.intersection(claims))
    if own:
        raise AccountRefused(
            f"the service itself sets {', '.join(own)}; choose other names for custom claims",
            code="claim_reserved",
            member="claims",
        )
    text = msgspec.json.encode(dict(claims), order="deterministic").decode()
    if len(text) > MAX_CLAIMS:
        raise AccountRefused(
            f"custom claims can have at most {MAX_CLAIMS} characters of JSON",
            code="claims_too_large",
            member="claims",
        )
    return text
