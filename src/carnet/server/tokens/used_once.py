"""What may be used once: the proofs and the assertions that clients sign."""

from __future__ import annotations

import hashlib

from carnet.server.clock import Clock
from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["UsedOnce"]


class UsedOnce:
    """Remembers, for all processes, what has been used.

    Args:
        store: where it is kept, by a hash of each.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def first_use(self, *names: str, microseconds: int) -> bool:
        """Note that something is used, and tell whether this is the first time.

        Args:
            names: what it is, whose, and its identifier.
            microseconds: after which nobody would take it any more.
        """
        expires_at = self._clock() + microseconds
        return bool(await self._store.write(sql.USE_ONCE, _hash(names), expires_at))

    async def was_used(self, *names: str) -> bool:
        """Tell whether something has been used, by the names that were given for it then."""
        return bool(await self._store.read(sql.WAS_USED, _hash(names)))


def _hash(names: tuple[str, ...]) -> bytes:
    digest = hashlib.sha256()
    for name in names:
        text = name.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(4, "big") + text)
    return digest.digest()
