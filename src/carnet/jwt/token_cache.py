"""The verified-token cache: from the whole text of an accepted token to what it says.

Its bound is memory, not a number of tokens: one long token may weigh as much as a hundred short
ones. The oldest go first. Whoever reads compares the time with the entry's own two moments.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from carnet.jwt.forks import renew_in_forks

__all__ = ["TokenCache"]

Entry = tuple[Any, float, float, int]

ENTRY = 2048
PER_CHARACTER = 12
PER_CONTAINER = 256
"""Bytes that an entry, a character of its token, and a list or object in it take at most."""


class TokenCache:
    """A bounded map from token texts to entries: what is said, since when, until when, the cost.

    Args:
        limit: bytes that the entries may take.

    Attributes:
        get: gives the entry of a token text, or None.
        used: bytes that the entries take, as they are counted.
    """

    __slots__ = ("__weakref__", "_entries", "_limit", "_lock", "get", "used")

    def __init__(self, limit: int) -> None:
        self._entries: dict[str, Entry] = {}
        self._limit = limit
        self._lock = Lock()
        self.used = 0
        self.get: Callable[[str], Entry | None] = self._entries.get
        renew_in_forks(self)

    def begin_anew(self) -> None:
        """Begin empty in a fork: a thread may have been in the middle of a change."""
        self._lock = Lock()
        self._entries.clear()
        self.used = 0

    def put(self, token: str, said: Any, period: tuple[float, float], containers: int) -> None:
        """Keep what a token says, unless it alone is larger than the cache.

        Args:
            token: the token's text.
            said: what it says.
            period: the moments from which and until which it is accepted.
            containers: how many lists and objects it has at most.
        """
        cost = ENTRY + len(token) * PER_CHARACTER + containers * PER_CONTAINER
        if cost > self._limit:
            return
        entries = self._entries
        with self._lock:
            replaced = entries.pop(token, None)
            if replaced is not None:
                self.used -= replaced[3]
            entries[token] = (said, *period, cost)
            self.used += cost
            while self.used > self._limit:
                self.used -= entries.pop(next(iter(entries)))[3]

    def __len__(self) -> int:
        return len(self._entries)
