"""Slowing down those who guess passwords, without locking anybody else out for long.

Three allowances, each refilling by itself: the failures of one address, the failures of one account
from one address, and all the failures of one account. The last is wide, so that an attacker with
many addresses is slowed down, while the account's owner waits seconds at worst.

An allowance is a single moment, the one when the next failure would come on time (the generic cell
rate algorithm): a failure moves it on by an interval, and an attempt is refused while it lies more
than a burst of intervals ahead. The moments are in the database, so a restart forgives nothing.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from carnet.server.clock import SECOND, Clock
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Throttle"]


class Allowance(NamedTuple):
    """How many failures are taken at once, and how fast more are allowed again."""

    burst: int
    interval: int


ADDRESS = Allowance(30, 4 * SECOND)
ACCOUNT_FROM_ADDRESS = Allowance(8, 15 * SECOND)
ACCOUNT = Allowance(100, 2 * SECOND)


class Throttle:
    """Counts failed sign-ins.

    Args:
        store: where the moments are kept.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def seconds_to_wait(self, username: str, address: str) -> int:
        """Give how long to wait before the next attempt is looked at; 0 for not at all."""
        allowances = _allowances(username, address)
        rows = await self._store.read(sql.THROTTLES, *allowances)
        now = self._clock()
        waits = [
            due_at - allowances[name].burst * allowances[name].interval - now
            for name, due_at in rows
        ]
        return max(0, -(-max(waits, default=0) // SECOND))

    def failed(self, username: str, address: str) -> Transaction[None]:
        """Count a failure, as a part of somebody's transaction."""
        now = self._clock()
        # Always in the same order, so that two failures never wait for each other.
        for name, allowance in sorted(_allowances(username, address).items()):
            values = (name, now + allowance.interval, now, allowance.interval)
            yield sql.THROTTLE, values


def _allowances(username: str, address: str) -> dict[str, Allowance]:
    # Hashed: what somebody typed as a username may be their password.
    account = hashlib.sha256(username.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return {
        f"address {address}": ADDRESS,
        f"account {account} from {address}": ACCOUNT_FROM_ADDRESS,
        f"account {account}": ACCOUNT,
    }
