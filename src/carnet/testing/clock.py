"""A clock that stands still until a test moves it."""

from __future__ import annotations

import time

from carnet.errors import ConfigurationError

__all__ = ["Clock"]


class Clock:
    """Gives the seconds since 1970, the same ones until ``advance`` is called.

    Args:
        now: where it stands; the whole second in which it is made unless given, so that what the
            service reads from a clock of its own agrees.
    """

    def __init__(self, now: float | None = None) -> None:
        self._now = float(int(time.time())) if now is None else float(now)

    def __call__(self) -> float:
        """Give the seconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on.

        Args:
            seconds: how far, 0 or more.

        Raises:
            ConfigurationError: if that is backwards.
        """
        if seconds < 0:
            raise ConfigurationError("a test's clock only moves forward: seconds must be 0 or more")
        self._now += seconds
