"""The accounts as administrators list them: with what they sign in with, and how they are used."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
import structlog

from carnet.server.accounts.account_record import NO_PASSWORD, Account, AccountRow, account_of
from carnet.server.clock import SECOND
from carnet.server.settings import Settings
from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["AccountSummary", "Administrators", "count_administrators", "summaries"]

MOST_COUNTED: Final = 100
COLUMNS: Final = len(AccountRow._fields)

_log = structlog.get_logger()


class AccountSummary(NamedTuple):
    """An account and its use; times in microseconds since 1970.

    Attributes:
        account: which.
        has_password: whether it has a password.
        created_at: when it was made.
        signed_in_at: when its owner signed in last, as far as its sessions are kept.
        sessions: how many sessions of it are live.
        passkeys: how many passkeys it has.
        apps: how many authenticator apps.
        identities: how many identities at other providers are linked to it.
    """

    account: Account
    has_password: bool
    created_at: int
    signed_in_at: int | None
    sessions: int
    passkeys: int
    apps: int
    identities: int


async def summaries(
    store: Store, settings: Settings, now: int, text: str = "", after: str = "", limit: int = 50
) -> list[AccountSummary]:
    """Give the accounts with a text in their usernames or addresses, or as their id.

    It is one statement, however many there are. A row that can't be read is left out, and hides no
    other.

    Args:
        store: where they are.
        settings: how long a session lives without being used.
        now: microseconds since 1970.
        text: the text; "" is in every username.
        after: the username after which the page begins.
        limit: how many at most.
    """
    part = _literal(unicodedata.normalize("NFKC", text).casefold())
    idle_since = now - settings.session_idle_lifetime * SECOND
    asked = sql.AccountSummaries(now, idle_since, after, f"%{part}%", text, limit)
    found = []
    for values in await store.read(sql.ACCOUNT_SUMMARIES, *asked):
        row = AccountRow(*values[:COLUMNS])
        try:
            account = account_of(row)
        except msgspec.MsgspecError as error:
            _log.error("row_unreadable", kind="account", name=row.id, exc_info=error)
            continue
        has_password = row.password_hash != NO_PASSWORD
        found.append(AccountSummary(account, has_password, *values[COLUMNS:]))
    return found


class Administrators(NamedTuple):
    """Who holds the administrators' role and can sign in.

    Attributes:
        number: how many there are; of very many, at least so many.
        with_factor: how many of those have a second factor.
    """

    number: int
    with_factor: int


async def count_administrators(store: Store, role: str) -> Administrators:
    """Count the administrators, up to ``MOST_COUNTED``."""
    written = _literal(msgspec.json.encode(role).decode())
    rows = await store.read(sql.ADMINISTRATORS, f"%{written}%", MOST_COUNTED)
    factors = []
    for _, roles, number in rows:
        with suppress(msgspec.MsgspecError):
            if role in msgspec.json.decode(roles, type=tuple[str, ...]):
                factors.append(number)
    return Administrators(len(factors), sum(number > 0 for number in factors))


def _literal(text: str) -> str:
    """Write a text for LIKE, in which no sign of it stands for others."""
    for special in "!%_":
        text = text.replace(special, "!" + special)
    return text
