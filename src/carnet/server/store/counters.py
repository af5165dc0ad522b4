"""The counters that number what changes: revocations, signing keys, the registry."""

from __future__ import annotations

from carnet.server.store.base import Store, Transaction
from carnet.server.store.statements.revocations import COUNTERS, NEXT_NUMBER

__all__ = ["next_number", "read_counters"]


async def read_counters(store: Store) -> dict[str, int]:
    """Give what every counter says, by its name.

    Raises:
        StoreUnavailable: if the database does not answer.
    """
    return dict(await store.read(COUNTERS))


def next_number(counter: str) -> Transaction[int]:
    """Take the next number of a counter, as a part of the caller's transaction."""
    [(number,)] = yield NEXT_NUMBER, (counter,)
    return int(number)
