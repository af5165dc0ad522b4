"""Work that is done again and again, whatever becomes of it.

Each piece of work is supervised by itself. An exception of any kind, and a run that takes too long,
is a failure: it is counted, logged with its traceback, and tried again after a pause that doubles
up to a limit, with jitter. Nothing that happens to one piece of work touches another.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog

from carnet.errors import CarnetError
from carnet.server.deadline import within
from carnet.server.metrics import BACKGROUND_FAILURES, BACKGROUND_SUCCESS

__all__ = ["Recurring"]

SHORTEST_PAUSE: Final = 0.5
LOGGED_AGAIN_SECONDS: Final = 60.0
FAILS_FOR_LONG_SECONDS: Final = 300.0

_log = structlog.get_logger()
# Its own: a program that seeds the module's generator finds there what it put there.
_jitter: Final = random.Random()  # noqa: S311 - no secret


class _Logged(NamedTuple):
    """The failure that was logged last, and when."""

    reason: str
    at: float


_NOTHING_LOGGED: Final = _Logged("", 0.0)


class Recurring:
    """A piece of work, and how it fares.

    Args:
        name: what the figures, the log and ``/readyz`` call it.
        work: does it once.
        every: seconds between two runs.
        longest_run: seconds after which a run counts as failed and is given up.
        first: seconds before the first run.
        longest_pause: seconds between two attempts at most, while it fails.
        needed_within: seconds without success after which the service is not ready; None where
            the service can do without.

    Attributes:
        failing: why the last run failed, or None where it did not.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, None]],
        *,
        every: float,
        longest_run: float,
        first: float = 0.0,
        longest_pause: float = 30.0,
        needed_within: float | None = None,
    ) -> None:
        self.name = name
        self.failing: str | None = None
        self._work = work
        self._every = every
        self._first = first
        self._longest_run = longest_run
        self._longest_pause = longest_pause
        self._needed_within = needed_within
        self._succeeded_at = time.monotonic()
        self._failures = 0
        self._logged = _NOTHING_LOGGED
        self._woken = asyncio.Event()
        # So that the figures are there from the beginning, with 0 for what has never succeeded.
        BACKGROUND_FAILURES.labels(name)
        BACKGROUND_SUCCESS.labels(name)

    @property
    def is_late(self) -> bool:
        """Whether the service needs this work, and it has not succeeded for too long."""
        return (
            self._needed_within is not None
            and time.monotonic() - self._succeeded_at > self._needed_within
        )

    @property
    def fails_for_long(self) -> bool:
        """Whether it fails, and has not succeeded for some minutes."""
        since = time.monotonic() - self._succeeded_at
        return self.failing is not None and since > FAILS_FOR_LONG_SECONDS

    def wake(self) -> None:
        """Let the next run begin now, unless it fails and waits for its next attempt."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled."""
        await asyncio.sleep(self._first)
        while True:
            await self.attempt()
            await self._pause()

    async def attempt(self) -> None:
        """Do the work once; a failure is noted, and nothing is raised but a cancellation."""
        current = asyncio.current_task()
        try:
            await within(self._longest_run, self._work())
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except asyncio.CancelledError as error:
            # Somebody ends this task, or else the work was cancelled from within.
            if current is not None and current.cancelling():
                raise
            self._fail(error)
        except BaseException as error:
            self._fail(error)
        else:
            self._succeed()

    async def _pause(self) -> None:
        if self._failures:
            longest = min(SHORTEST_PAUSE * 2 ** min(self._failures - 1, 16), self._longest_pause)
            await asyncio.sleep(_jitter.uniform(longest / 2, longest))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every):
                await self._woken.wait()
        self._woken.clear()

    def _succeed(self) -> None:
        self._succeeded_at = time.monotonic()
        BACKGROUND_SUCCESS.labels(self.name).set(time.time())
        if self.failing is not None:
            self.failing = None
            self._failures = 0
            self._logged = _NOTHING_LOGGED
            _write("info", "background_recovered", task=self.name)

    def _fail(self, error: BaseException) -> None:
        self._failures += 1
        BACKGROUND_FAILURES.labels(self.name).inc()
        self.failing = _reason(error)
        now = time.monotonic()
        last = self._logged
        # What fails many times a second for the same reason is logged once a minute.
        if self.failing != last.reason or now - last.at >= LOGGED_AGAIN_SECONDS:
            self._logged = _Logged(self.failing, now)
            fields = {"task": self.name, "reason": self.failing, "failures": self._failures}
            _write("error", "background_failed", **fields, exc_info=error)


def _reason(error: BaseException) -> str:
    """Name a failure. The words of an error that is not ours may hold what it failed on."""
    return str(error) if isinstance(error, CarnetError | TimeoutError) else type(error).__name__


def _write(level: str, event: str, **fields: Any) -> None:
    # A log that can't be written, such as a closed pipe, ends no work.
    with suppress(Exception):
        getattr(_log, level)(event, **fields)
