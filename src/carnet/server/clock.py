"""Time as the database holds it: whole microseconds since 1970, UTC."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["SECOND", "Clock", "now"]

SECOND = 1_000_000

Clock = Callable[[], int]


def now() -> int:
    """Give the microseconds since 1970."""
    return time.time_ns() // 1000
