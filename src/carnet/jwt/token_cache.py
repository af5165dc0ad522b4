"""The verified-token cache: from the whole text of an accepted token to what it says.

A token is found by its last characters, which are all or a part of its signature, so that a long
text is not hashed as a whole (the columns "carnet, cached" of the benchmark ``library``). Whoever
reads compares the whole text with the entry's, and then the time with its two moments. There is one
entry for each ending: where two tokens end alike the later one takes the place of the other, and
has to be verified as any token before it can.

Its bound is memory, not a number of tokens: one long token may weigh as much as a hundred short
ones. The oldest go first.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

from carnet.jwt.forks import renew_in_forks

__all__ = ["ENDING", "TokenCache"]

Entry = tuple[Any, float, float, int, str]
"""What a token says, the moments from which and until which it is accepted, the cost, its text."""

ENDING: Final = slice(-64, None)
"""The part of a token by which it is found: 48 bytes of its signature.

Fewer would do for most, but an ML-DSA signature ends with zeros and a few small numbers, of often
20 and at most 46 bytes (FIPS 204, algorithm 20).
"""

ENTRY = 2048
PER_CHARACTER = 12
PER_CONTAINER = 256
"""Bytes that an entry, a character of its token, and a list or object in it take at most."""


class TokenCache:
    """A bounded map from the endings of tokens to entries.

    Args:
        limit: bytes that the entries may take.

    Attributes:
        entries: the entries by what is at ``ENDING`` of their tokens; the whole text is still to
            be compared. For reading only.
        used: bytes that the entries take, as they are counted.
    """

    __slots__ = ("__weakref__", "_limit", "_lock", "entries", "used")

    def __init__(self, limit: int) -> None:
        self.entries: dict[str, Entry] = {}
        self._limit = limit
        self._lock = Lock()
        self.used = 0
        renew_in_forks(self)

    def begin_anew(self) -> None:
        """Begin empty in a fork: a thread may have been in the middle of a change."""
        self._lock = Lock()
        self.entries.clear()
        self.used = 0

    def put(self, token: str, said: Any, period: tuple[float, float], containers: int) -> None:
        """Keep what a token says, unless it alone is larger than the cache.

        Args:
            token: the token's text.
            said: what it says.
            period: the moments from which and until which it is accepted.
            containers: how many lists and objects it has at most.
        """
        # A clock gives a float, and Python compares that with an integer in a roundabout way.
        since, until = map(float, period)
        cost = ENTRY + len(token) * PER_CHARACTER + containers * PER_CONTAINER
        if cost > self._limit:
            return
        entries, ending = self.entries, token[ENDING]
        with self._lock:
            replaced = entries.pop(ending, None)
            if replaced is not None:
                self.used -= replaced[3]
            entries[ending] = (said, since, until, cost, token)
            self.used += cost
            while self.used > self._limit:
                self.used -= entries.pop(next(iter(entries)))[3]

    def __len__(self) -> int:
        return len(self.entries)
