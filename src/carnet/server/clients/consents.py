"""Consents: which client an account has let in, for which resource, and to what."""

from __future__ import annotations

from carnet.server.audit import Event, Origin, record
from carnet.server.clock import Clock
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Consents", "hold_consent"]


class Consents:
    """The consents of all accounts, remembered until they are withdrawn.

    Args:
        store: where they are kept.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def covers(self, account_id: str, client_id: str, resource: str, scope: str) -> bool:
        """Tell whether an account has granted all of a scope, for this very resource, before."""
        rows = await self._store.read(sql.CONSENT, account_id, client_id, resource)
        return bool(rows) and set(scope.split()) <= set(rows[0][0].split())

    async def grant(
        self, account_id: str, client_id: str, resource: str, scope: str, origin: Origin
    ) -> None:
        """Remember a consent; what was granted before stays granted."""
        now = self._clock()

        def work() -> Transaction[None]:
            rows = yield sql.CONSENT, (account_id, client_id, resource)
            before = rows[0][0].split() if rows else []
            whole = " ".join(sorted({*before, *scope.split()}))
            yield sql.ADD_CONSENT, (client_id, resource, whole, now, account_id)
            yield sql.FORGET_CONSENT_TO_NO_RESOURCE, (account_id, client_id)
            about = {"account_id": account_id, "reason": client_id}
            yield from record(now, Event.CONSENT_GIVEN, origin, **about)

        await self._store.transact(work)


def hold_consent(account_id: str, client_id: str, resource: str, scope: str) -> Transaction[bool]:
    """Tell whether a consent covers a scope, and keep it until the transaction is over."""
    rows = yield sql.HOLD_CONSENT, (account_id, client_id, resource)
    return bool(rows) and set(scope.split()) <= set(rows[0][0].split())
