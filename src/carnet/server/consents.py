"""Consents: which client an account has let in, and to what."""

from __future__ import annotations

from typing import NamedTuple

from carnet.server.audit import Event, Origin, record
from carnet.server.clock import Clock
from carnet.server.sessions import Sessions
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Consent", "Consents"]


class Consent(NamedTuple):
    """What an account has granted to a client.

    Attributes:
        client_id: the client.
        scope: what was granted, names with spaces between them.
        granted_at: when it was granted last, in microseconds since 1970.
    """

    client_id: str
    scope: str
    granted_at: int


class Consents:
    """The consents of all accounts, remembered until they are taken back.

    Args:
        store: where they are kept.
        sessions: those of a client end when the consent is taken back.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock

    async def covers(self, account_id: str, client_id: str, scope: str) -> bool:
        """Tell whether an account has granted all of a scope before."""
        rows = await self._store.read(sql.CONSENT, account_id, client_id)
        return bool(rows) and set(scope.split()) <= set(rows[0][0].split())

    async def grant(self, account_id: str, client_id: str, scope: str, origin: Origin) -> None:
        """Remember a consent; what was granted before stays granted."""
        now = self._clock()

        def work() -> Transaction[None]:
            rows = yield sql.CONSENT, (account_id, client_id)
            before = rows[0][0].split() if rows else []
            whole = " ".join(sorted({*before, *scope.split()}))
            yield sql.ADD_CONSENT, (account_id, client_id, whole, now)
            about = {"account_id": account_id, "reason": client_id}
            yield from record(now, Event.CONSENT_GIVEN, origin, **about)

        await self._store.transact(work)

    async def of_account(self, account_id: str) -> list[Consent]:
        """Give what an account has granted, by client."""
        rows = await self._store.read(sql.CONSENTS_OF_ACCOUNT, account_id)
        return [Consent(*row) for row in rows]

    async def take_back(self, account_id: str, client_id: str, origin: Origin) -> bool:
        """Take a consent back, end what the client was given, and tell whether there was one."""
        now = self._clock()

        def work() -> Transaction[bool]:
            if not (yield sql.REMOVE_CONSENT, (account_id, client_id)):
                return False
            reason = "consent_taken_back"
            yield from self._sessions.ending_with_client(account_id, client_id, reason, origin)
            about = {"account_id": account_id, "reason": client_id}
            yield from record(now, Event.CONSENT_TAKEN_BACK, origin, **about)
            return True

        return await self._store.transact(work)
