"""Ending sessions: each once, together with the revocation of what it gave.

Ending a session and writing its revocation are one transaction. With a browser's session end those
that were granted in it, and with any session those of programs that act for it (``agents``).

The revocation comes last: on PostgreSQL, whoever has numbered one keeps everybody else from it
until the commit. For the column "ended a second" of the benchmark ``sign_outs``.
"""

from __future__ import annotations

from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clock import Clock
from carnet.server.revocations.revocations import Revocations
from carnet.server.sessions.session_record import BROWSER
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["SessionEnding"]


class SessionEnding:
    """Ends sessions.

    Args:
        store: where they are kept.
        revocations: refuses the access tokens of ended sessions.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, revocations: Revocations, clock: Clock) -> None:
        self._store = store
        self._revocations = revocations
        self._clock = clock

    async def end(self, session_id: str, reason: str, origin: Origin = SERVICE) -> bool:
        """End a session, and tell whether this call was the one that ended it."""
        now = self._clock()
        return await self._store.transact(lambda: self._ending(session_id, reason, now, origin))

    async def end_of_account(
        self, account_id: str, session_id: str, reason: str, origin: Origin
    ) -> bool:
        """End one session of an account, and tell whether there was such a one."""
        now = self._clock()

        def work() -> Transaction[bool]:
            values = (now, reason, session_id, account_id)
            rows = yield sql.END_SESSION_OF_ACCOUNT, values
            return (yield from self._ended(session_id, rows, reason, now, origin))

        return await self._store.transact(work)

    async def end_all(self, account_id: str, reason: str, origin: Origin, *, keep: str = "") -> int:
        """End every session of an account, or every one but ``keep``, and give their number.

        What was allowed to begin one, such as a device whose code was typed, begins none any more,
        and no browser is remembered.
        """
        now = self._clock()

        def work() -> Transaction[int]:
            # First: whoever begins a session at this moment is done, and is found here, or waits,
            # and then finds another version of the account.
            versions = yield sql.RAISE_VERSION, (account_id,)
            ended = yield sql.END_SESSIONS_OF_ACCOUNT, (now, reason, account_id, keep)
            yield sql.FORGET_BROWSERS, (account_id,)
            for (session_id,) in ended:
                about = {"account_id": account_id, "session_id": session_id, "reason": reason}
                yield from record(now, Event.SESSION_ENDED, origin, **about)
            for (version,) in versions:
                # One entry for the account instead of one for each session.
                yield from self._revocations.revoke_older_versions(account_id, version)
            return len(ended)

        return await self._store.transact(work)

    async def revoke_token(self, token_id: str, session_id: str | None, origin: Origin) -> None:
        """Refuse one token, and end what programs have begun with its session's tokens."""
        now = self._clock()

        def work() -> Transaction[None]:
            if session_id is not None:
                # Whoever exchanges the token at this moment is done, and is found here, or waits,
                # and then finds the token revoked.
                yield sql.SETTLE_SESSION, (session_id,)
                yield from self._ending_agents(session_id, now, origin)
            yield from self._revocations.revoke_token(token_id)

        await self._store.transact(work)

    def ending_of_client(
        self, client_id: str, reason: str, now: int, origin: Origin
    ) -> Transaction[int]:
        """End every session with a client, in the transaction that removes it."""
        ended = yield sql.END_ALL_SESSIONS_OF_CLIENT, (now, reason, client_id)
        for session_id, account_id in ended:
            yield from self.revoking(session_id, account_id, reason, now, origin)
        return len(ended)

    def ending_with_client(
        self, account_id: str, client_id: str, reason: str, now: int, origin: Origin
    ) -> Transaction[int]:
        """End an account's sessions with a client in the caller's transaction, and count them."""
        ended = yield sql.END_SESSIONS_OF_CLIENT, (now, reason, client_id, account_id)
        for (session_id,) in ended:
            yield from self.revoking(session_id, account_id, reason, now, origin)
        return len(ended)

    def _ending(self, session_id: str, reason: str, now: int, origin: Origin) -> Transaction[bool]:
        rows = yield sql.END_SESSION, (now, reason, session_id)
        return (yield from self._ended(session_id, rows, reason, now, origin))

    def _ended(
        self, session_id: str, rows: Rows, reason: str, now: int, origin: Origin
    ) -> Transaction[bool]:
        """Revoke what a session gave that was ended, and tell whether one was."""
        if not rows:
            yield sql.SETTLE_SESSION, (session_id,)
        for ended in [sql.EndedSessionRow(*row) for row in rows]:
            row = sql.EndedWholeRow(session_id, ended.account_id, ended.client_id)
            yield from self.revoking_with_granted(row, reason, now, origin)
        return bool(rows)

    def revoking_with_granted(
        self, ended: sql.EndedWholeRow, reason: str, now: int, origin: Origin
    ) -> Transaction[None]:
        """Revoke what a session gave that was ended, and end what was granted in it."""
        session_id, account_id, client_id = ended
        yield from self.revoking(session_id, account_id, reason, now, origin)
        if client_id == BROWSER:
            granted_in_it = yield sql.END_SESSIONS_OF_LOGIN, (now, reason, session_id)
            for (granted_id,) in granted_in_it:
                yield from self.revoking(granted_id, account_id, reason, now, origin)

    def revoking(
        self, session_id: str, account_id: str, reason: str, now: int, origin: Origin
    ) -> Transaction[None]:
        """Revoke what a session gave that was ended, in the transaction that has ended it."""
        about = {"account_id": account_id, "session_id": session_id, "reason": reason}
        yield from record(now, Event.SESSION_ENDED, origin, **about)
        yield from self._ending_agents(session_id, now, origin)
        yield from self._revocations.revoke_session(session_id)

    def _ending_agents(self, session_id: str, now: int, origin: Origin) -> Transaction[None]:
        """End the sessions that were begun with a session's tokens, and so on down.

        One statement a level: each sees what was committed while the one before it waited.
        """
        ended = yield sql.END_AGENTS_OF_SESSION, (now, session_id)
        for agent_id, account_id in ended:
            yield from self.revoking(agent_id, account_id, "ended_with_parent", now, origin)
