"""Accounts: who may sign in, and with which roles."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from carnet.errors import CarnetError
from carnet.server.clock import Clock
from carnet.server.passwords import MAX_PASSWORD, MIN_PASSWORD, Passwords
from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["Account", "AccountRefused", "Accounts"]

MAX_USERNAME = 128


class AccountRefused(CarnetError):
    """An account can't be made as asked: the code says why."""

    code = "account_refused"


class Account(NamedTuple):
    """Somebody who may sign in.

    Attributes:
        id: the ``sub`` of the account's tokens; it never changes and says nothing.
        username: what the person types, in its canonical form.
        roles: what the account may do.
        version: the ``sub_ver`` of the account's tokens.
    """

    id: str
    username: str
    roles: tuple[str, ...]
    version: int


class Accounts:
    """The accounts of the service.

    Args:
        store: where they are kept.
        passwords: makes and checks the hashes.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, passwords: Passwords, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock

    async def create(self, username: str, password: str, roles: Sequence[str] = ()) -> Account:
        """Make an account.

        Args:
            username: 1 to 128 characters; case and width make no difference (RFC 8265).
            password: 8 to 1024 characters, any.
            roles: names without white space.

        Raises:
            AccountRefused: saying what was expected.
        """
        name = canonical_username(username)
        if not name:
            raise AccountRefused(
                f"a username has 1 to {MAX_USERNAME} characters, without spaces or control "
                "characters",
                code="username_invalid",
            )
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise AccountRefused(
                f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters",
                code="password_invalid",
            )
        if not all(role and role.isprintable() and not role.count(" ") for role in roles):
            raise AccountRefused("a role is a name without white space", code="role_invalid")
        chosen = tuple(sorted(set(roles)))
        account_id = secrets.token_urlsafe(16)
        rows = await self._store.write(
            sql.ADD_ACCOUNT,
            account_id,
            name,
            await self._passwords.hash(password),
            msgspec.json.encode(chosen).decode(),
            self._clock(),
        )
        if not rows:
            raise AccountRefused(
                f"there is an account named {name} already; choose another username",
                code="username_taken",
            )
        return Account(account_id, name, chosen, 1)

    async def authenticate(self, username: str, password: str) -> Account | None:
        """Give the account that a username and a password belong to, or None.

        Unknown and known usernames cost the same work.

        Raises:
            TooBusy: if too many sign in at this moment.
        """
        name = canonical_username(username)
        rows = await self._store.read(sql.ACCOUNT_BY_USERNAME, name) if name else []
        encoded = rows[0][2] if rows else None
        if not await self._passwords.check(password[: MAX_PASSWORD + 1], encoded):
            return None
        account_id, stored_name, _, roles, version = rows[0]
        return Account(account_id, stored_name, roles_of(roles), version)

    async def list(self) -> list[Account]:
        """Give all accounts, by username."""
        rows = await self._store.read(sql.ACCOUNTS)
        return [Account(row[0], row[1], roles_of(row[2]), row[3]) for row in rows]


def canonical_username(username: str) -> str:
    """Give the one form of a username under which it is kept, or "" where it is not acceptable."""
    name = unicodedata.normalize("NFKC", username).casefold()
    name = unicodedata.normalize("NFKC", name)
    if not 1 <= len(name) <= MAX_USERNAME or not name.isprintable() or " " in name:
        return ""
    return name


def roles_of(text: str) -> tuple[str, ...]:
    """Read the roles as the database holds them."""
    return msgspec.json.decode(text, type=tuple[str, ...])
