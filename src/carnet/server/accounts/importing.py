"""Taking accounts over from another system, with the password hashes that it has made.

Accounts come in batches, each in one transaction: what was interrupted is run again, and those that
are there already are left as they are. No hash is computed; the first good sign-in makes one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from carnet.errors import CarnetError
from carnet.server.accounts.account_record import (
    NO_PASSWORD,
    AccountRefused,
    chosen_username,
    claims_text,
    roles_text,
)
from carnet.server.accounts.foreign_hashes import has_password, read_hash
from carnet.server.accounts.import_shapes import ImportedAccount
from carnet.server.accounts.usernames import skeleton
from carnet.server.audit import OPERATOR, Event, record
from carnet.server.identifiers import new_identifier, reads_as_option
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["AccountImport", "Outcome", "Result"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Who has done something, where it was no account.
_NO_IDS: Final = ("operator", "service")


class Outcome(Enum):
    """What became of an account that was to be imported."""

    IMPORTED = "imported"
    ALREADY_THERE = "already_there"
    REFUSED = "refused"


class Result(NamedTuple):
    """What became of one, and why; the reason never says what a hash is."""

    outcome: Outcome
    reason: str = ""


_IMPORTED: Final = Result(Outcome.IMPORTED)
_ALREADY_THERE: Final = Result(Outcome.ALREADY_THERE)
_TWICE: Final = (
    "an earlier row has the same username, or one that looks the same; case and width make no "
    "difference"
)


class AccountImport:
    """One run of an import.

    Args:
        store: where accounts are kept.
        now: when it began, in microseconds since 1970: what it makes is told from what was there.
        dry: whether nothing is written.
    """

    def __init__(self, store: Store, now: int, *, dry: bool = False) -> None:
        self._store = store
        self._now = now
        self._dry = dry
        # Of a dry run: what it would have made, by hashes.
        self._seen: set[int] = set()

    async def add(self, accounts: Sequence[ImportedAccount]) -> list[Result]:
        """Import some accounts, all in one transaction, and tell what became of each.

        Raises:
            StoreUnavailable: none of them is imported.
        """
        rows = [self._row(account) for account in accounts]

        def work() -> Transaction[list[Result]]:
            results = list[Result]()
            for row in rows:
                result = row if isinstance(row, Result) else (yield from self._add(row))
                results.append(result)
            return results

        if not self._dry:
            return await self._store.transact(work)
        return [row if isinstance(row, Result) else await self._look(row) for row in rows]

    def _row(self, account: ImportedAccount) -> sql.ImportAccount | Result:
        """Check what can be checked without the database."""
        try:
            name = chosen_username(account.username)
            encoded = account.password_hash
            if encoded != NO_PASSWORD:
                read_hash(encoded)
            return sql.ImportAccount(
                id=_checked_id(account.id),
                username=name,
                password_hash=encoded if has_password(encoded) else NO_PASSWORD,
                roles=roles_text(account.roles),
                claims=claims_text(account.claims),
                now=self._now,
                skeleton=skeleton(name),
                disabled_at=self._now if account.disabled else None,
            )
        except CarnetError as error:
            return Result(Outcome.REFUSED, str(error))

    def _add(self, row: sql.ImportAccount) -> Transaction[Result]:
        if not (yield sql.IMPORT_ACCOUNT, row):
            found = yield sql.ACCOUNTS_LIKE, (row.id, row.username, row.skeleton)
            return self._in_the_way(row, [sql.AccountLikeRow(*one) for one in found])
        about = {"account_id": row.id, "reason": "imported"}
        yield from record(self._now, Event.ACCOUNT_CREATED, OPERATOR, **about)
        return _IMPORTED

    async def _look(self, row: sql.ImportAccount) -> Result:
        """Tell what would become of a row."""
        found = await self._store.read(sql.ACCOUNTS_LIKE, row.id, row.username, row.skeleton)
        if found:
            return self._in_the_way(row, [sql.AccountLikeRow(*one) for one in found])
        names = {hash(("id", row.id)), hash(("skeleton", row.skeleton))}
        if names & self._seen:
            return Result(Outcome.REFUSED, _TWICE)
        self._seen |= names
        return _IMPORTED

    def _in_the_way(self, row: sql.ImportAccount, found: list[sql.AccountLikeRow]) -> Result:
        """Tell which account is there already, or is too much like the one that is to come."""
        for one in found:
            if one.username == row.username:
                made_now = one.created_at == self._now
                return Result(Outcome.REFUSED, _TWICE) if made_now else _ALREADY_THERE
        if any(one.id == row.id for one in found):
            return Result(Outcome.REFUSED, "its id is another account's")
        alike = found[0].username if found else "another account"
        return Result(Outcome.REFUSED, f"the username looks like {alike}; rename one of them")


def _checked_id(given: str) -> str:
    if not given:
        return new_identifier()
    if not _ID.fullmatch(given) or given in _NO_IDS or reads_as_option(given):
        raise AccountRefused("an id has 1 to 64 ASCII letters, digits, - and _", code="id_invalid")
    return given
