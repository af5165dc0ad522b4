"""How many sign-ins, refreshes and refusals there were, by the hour, in all processes together.

Requests count in their own process, in memory, as they do for Prometheus. A task adds what is new
to the hour's row once a minute, so that no request waits for it, and a row holds an hour of all
processes. Rows are kept for ``KEPT_DAYS``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from prometheus_client import Counter

from carnet.server.clock import SECOND, Clock
from carnet.server.metrics import REFRESHES, SIGN_INS
from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["DAY", "HOUR", "KEPT_DAYS", "MINUTE", "Activity", "Counts"]

MINUTE: Final = 60
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
KEPT_DAYS: Final = 35


class Counts(NamedTuple):
    """How often something was done."""

    sign_ins: int = 0
    refreshes: int = 0
    refusals: int = 0

    def plus(self, more: Counts) -> Counts:
        """Give the sum."""
        return Counts(*(one + other for one, other in zip(self, more, strict=True)))


class Activity:
    """Adds what this process has counted to what all have.

    Args:
        store: where that is kept.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._saved = _totals()

    async def save(self) -> None:
        """Add what is new to the hour's row; where nothing is, nothing is asked of the database.

        Raises:
            StoreUnavailable: if the database does not answer; the next call tries again.
        """
        totals = _totals()
        new = _difference(totals, self._saved)
        if any(new):
            await self._store.write(sql.ADD_ACTIVITY, self._hour(), *new)
            self._saved = totals

    async def hours(self, since: int) -> dict[int, Counts]:
        """Give the hours from a moment on in which anything was done, by the moment they began.

        What this process has counted since it saved last is in the current one; what the others
        have is there a minute later.

        Args:
            since: the moment, in microseconds since 1970.
        """
        rows = await self._store.read(sql.ACTIVITY_SINCE, since, KEPT_DAYS * 24 + 1)
        found = {hour: Counts(*counts) for hour, *counts in rows}
        new = _difference(_totals(), self._saved)
        if any(new):
            found[self._hour()] = found.get(self._hour(), Counts()).plus(new)
        return found

    def _hour(self) -> int:
        now = self._clock()
        return now - now % HOUR


def _totals() -> Counts:
    accepted, refused = _outcomes(SIGN_INS)
    refreshed, turned_away = _outcomes(REFRESHES)
    return Counts(accepted, refreshed, refused + turned_away)


def _outcomes(counter: Counter) -> tuple[int, int]:
    """Give how often a counter's outcome was "accepted", and how often another one."""
    accepted = others = 0
    for sample in next(iter(counter.collect())).samples:
        if sample.name.endswith("_total"):
            if sample.labels["outcome"] == "accepted":
                accepted += int(sample.value)
            else:
                others += int(sample.value)
    return accepted, others


def _difference(new: Counts, old: Counts) -> Counts:
    return Counts(*(now - before for now, before in zip(new, old, strict=True)))
