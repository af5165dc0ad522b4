"""Deleting accounts: at once by an administrator, or after a pause by their owners.

Whoever wants to be gone is signed out everywhere at once. Until the pause is over a sign-in keeps
the account; then everything about the person goes in one transaction. What stays is a row without a
name, until every client has been told that its session has ended, and the audit log without what is
personal in it.

    delete_at          the account
    ─────────────────  ──────────────────────────────────────────────────────────────────────────
    NULL               is there
    a moment           is signed out, begins no session, and is deleted then unless it is kept
    0                  is deleted, and seen by nobody; its row waits for clients to be told

An account that an invitation or a sign-up has made, and that nobody has finished, goes a day after
its link is worth nothing any more; its name is free then.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from carnet.server.accounts.account_record import Account, AccountRefused
from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.revocations.revocations import Revocations
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Deletions"]

BATCH: Final = 100
TELLING: Final = 86_400 * SECOND
LATE: Final = 86_400 * SECOND
"""For how long a link that is too old is told to be that, by the account that it is for."""
UNFINISHED: Final = "never_finished"
"""Why an account was deleted that nobody has finished, as the audit log says it."""
EVER: Final = 2**62


class Deletions:
    """The accounts that are to go.

    Args:
        store: where they are kept.
        revocations: refuses their tokens.
        settings: how long the pause is.
        clock: gives the microseconds since 1970.

    Attributes:
        pause: how long an account can still be kept, in microseconds.
    """

    def __init__(
        self, store: Store, revocations: Revocations, settings: Settings, clock: Clock
    ) -> None:
        self.pause = settings.account_deletion_pause * SECOND
        self._store = store
        self._revocations = revocations
        self._clock = clock

    async def ask(self, account: Account, session_id: str, origin: Origin) -> int:
        """Have an account deleted after the pause, and end all of its sessions now.

        Args:
            account: whose owner asks.
            session_id: of the session that asked.
            origin: from where.

        Returns:
            When it is deleted, in microseconds since 1970.

        Raises:
            AccountRefused: ``account_changed``.
        """
        now = self._clock()

        def work() -> Transaction[bool]:
            if not (yield sql.HOLD_LOGIN, (session_id,)):
                return False
            due = max(now + self.pause, 1)
            versions = yield sql.LEAVE_ACCOUNT, (due, account.id, account.version)
            for (version,) in versions:
                yield from self._signed_out(account.id, version, "account_leaving", now)
                yield from record(now, Event.ACCOUNT_DELETION_ASKED, origin, account_id=account.id)
                if not self.pause:
                    yield from self._deleting(account.id, now, Origin(actor=account.id), now, 0)
            return bool(versions)

        if not await self._store.transact(work):
            raise AccountRefused(
                "the account was changed at the same moment, or this session has ended, and "
                "nothing was done; sign in again, then try again",
                code="account_changed",
            )
        return now + self.pause

    async def keep(self, account_id: str, origin: Origin) -> bool:
        """Keep an account that was to be deleted, and tell whether it was."""

        def work() -> Transaction[bool]:
            kept = yield sql.KEEP_ACCOUNT, (account_id,)
            if kept:
                about = {"account_id": account_id}
                yield from record(self._clock(), Event.ACCOUNT_KEPT, origin, **about)
            return bool(kept)

        return await self._store.transact(work)

    async def delete(self, account_id: str, origin: Origin) -> bool:
        """Delete an account at once, and tell whether it was there."""
        now = self._clock()
        return await self._store.transact(lambda: self.deleting(account_id, now, origin))

    def deleting(
        self, account_id: str, now: int, origin: Origin, reason: str | None = None
    ) -> Transaction[bool]:
        """Delete an account at once, in somebody's transaction, and tell whether it was there.

        Args:
            account_id: which.
            now: microseconds since 1970.
            origin: who asked.
            reason: why, where nobody has asked for that alone.
        """
        return self._deleting(account_id, now, origin, EVER, 1, reason)

    async def run_due(self) -> None:
        """Delete what is due, what only waited for clients to be told, and what nobody finished.

        Raises:
            ExceptionGroup: what failed; the others are deleted all the same.
        """
        now = self._clock()
        failures: list[Exception] = []
        for statement, before, work in (
            (sql.ACCOUNTS_TO_DELETE, now, lambda one: self._deleting(one, now, SERVICE, now, 0)),
            (sql.EMPTIED_ACCOUNTS, now, lambda one: self._dropping(one, now)),
            (sql.UNFINISHED_ACCOUNTS, now - LATE, lambda one: self._sweeping(one, now)),
        ):
            last = ""
            while rows := await self._store.read(statement, before, last, BATCH):
                for (last,) in rows:
                    try:
                        await self._store.transact(partial(work, last))
                    except Exception as error:
                        failures.append(error)
        if failures:
            raise ExceptionGroup("not every account could be deleted", failures)

    def _sweeping(self, account_id: str, now: int) -> Transaction[None]:
        if (yield sql.HOLD_UNFINISHED, (now - LATE, account_id)):
            yield from self.deleting(account_id, now, SERVICE, UNFINISHED)

    def _deleting(
        self,
        account_id: str,
        now: int,
        origin: Origin,
        due_until: int,
        unasked: int,
        reason: str | None = None,
    ) -> Transaction[bool]:
        values = sql.EmptyAccount(now, account_id, unasked, due_until)
        # First: whoever begins a session at this moment is done, and it is ended below, or waits,
        # and then finds the account disabled.
        versions = yield sql.EMPTY_ACCOUNT, values
        for (version,) in versions:
            yield from self._signed_out(account_id, version, "account_deleted", now)
            yield sql.EMPTY_SESSIONS, (account_id,)
            yield sql.FORGET_AUDIT_ABOUT, (account_id,)
            yield sql.FORGET_AUDIT_BY, (account_id,)
            about = {"account_id": account_id, "reason": reason}
            yield from record(now, Event.ACCOUNT_DELETED, origin, **about)
            yield from self._dropping(account_id, now)
        return bool(versions)

    def _dropping(self, account_id: str, now: int) -> Transaction[None]:
        """Delete what is there of a deleted account, but what clients have still to be told."""
        for statement in sql.FORGET_ACCOUNT:
            yield statement, (account_id,)
        yield sql.DROP_TOLD_SESSIONS, (account_id, now - TELLING)
        yield sql.DROP_EMPTIED_ACCOUNT, (account_id,)

    def _signed_out(
        self, account_id: str, version: int, reason: str, now: int
    ) -> Transaction[None]:
        yield sql.END_SESSIONS_OF_ACCOUNT, (now, reason, account_id, "")
        yield from self._revocations.revoke_older_versions(account_id, version)
