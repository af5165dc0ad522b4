"""What this process has done in the last hour, minute by minute, out of its own counters."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from prometheus_client import Counter

from carnet.server.clock import SECOND, Clock
from carnet.server.metrics import REFRESHES, SIGN_INS

__all__ = ["MINUTE", "MINUTES", "Activity", "Minute"]

MINUTE = 60
MINUTES = 60


class Minute(NamedTuple):
    """How often something was done in one minute."""

    sign_ins: int
    refreshes: int
    refusals: int


class Activity:
    """Takes a sample of the counters every minute.

    Args:
        clock: gives the microseconds since 1970.

    Attributes:
        since: when it began to, in microseconds since 1970.
    """

    def __init__(self, clock: Clock) -> None:
        self.since = clock()
        self._clock = clock
        self._last = _totals()
        self._minutes: deque[Minute] = deque(maxlen=MINUTES - 1)
        self._sampled_at = self.since

    async def sample(self) -> None:
        """Close a minute."""
        if self._clock() - self._sampled_at >= MINUTE * SECOND:
            totals = _totals()
            self._minutes.append(_difference(totals, self._last))
            self._last, self._sampled_at = totals, self._clock()

    def minutes(self) -> list[Minute]:
        """Give the minutes, the oldest first; the last one is still under way."""
        return [*self._minutes, _difference(_totals(), self._last)]


def _totals() -> Minute:
    accepted, refused = _outcomes(SIGN_INS)
    refreshed, turned_away = _outcomes(REFRESHES)
    return Minute(accepted, refreshed, refused + turned_away)


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


def _difference(new: Minute, old: Minute) -> Minute:
    return Minute(*(now - before for now, before in zip(new, old, strict=True)))
