"""What the service does by itself: follow the other processes, keep its keys up, sweep.

One statement every few milliseconds asks for the counters that change with every revocation,
every key and every client; everything else follows from what they say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from carnet.errors import CarnetError
from carnet.server.activity import MINUTE, Activity
from carnet.server.clock import SECOND, Clock
from carnet.server.directory import Directory
from carnet.server.feed import Feed
from carnet.server.logout_notices import LogoutNotices
from carnet.server.signing_keys import SigningKeys
from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["Background"]

POLL_SECONDS = 0.025
NOTICES_SECONDS = 1
KEYS_SECONDS = 10
SWEEP_SECONDS = 60
BATCH = 500
ENDED_KEPT = 86_400 * SECOND

_log = structlog.get_logger()


class Background:
    """The service's own work.

    Args:
        store: what it looks at.
        keys: what it keeps up.
        directory: what it reads again when it has changed.
        feed: what it advances.
        notices: tells clients which sessions have ended.
        clock: gives the microseconds since 1970.

    Attributes:
        failing: why the database could not be asked last, or None.
        activity: what this process has done in the last hour.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        directory: Directory,
        feed: Feed,
        notices: LogoutNotices,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._feed = feed
        self._notices = notices
        self._clock = clock
        self._directory = directory
        self._key_counter = -1
        self._directory_counter = -1
        self.failing: str | None = None
        self.activity = Activity(clock)

    async def run(self) -> None:
        """Work until cancelled; an error is logged and the work goes on."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat(self.follow, POLL_SECONDS))
                group.create_task(self._repeat(self._keys.keep_up, KEYS_SECONDS))
                group.create_task(self._repeat(self._notices.tell, NOTICES_SECONDS))
                group.create_task(self._repeat(self.sweep, SWEEP_SECONDS, first=SWEEP_SECONDS))
                group.create_task(self._repeat(self.activity.sample, MINUTE))
        finally:
            await self._notices.close()

    async def follow(self) -> None:
        """Take over what other processes, or this one, have changed."""
        counters: dict[str, int] = dict(await self._store.read(sql.COUNTERS))
        self._feed.advance(counters["revocation"])
        if counters["signing_key"] != self._key_counter:
            self._key_counter = counters["signing_key"]
            await self._keys.keep_up()
        if counters["directory"] != self._directory_counter:
            await self._directory.load()
            self._directory_counter = counters["directory"]

    async def sweep(self) -> None:
        """Delete what nobody needs any more, in small batches."""
        now = self._clock()
        for statement, before in (
            (sql.SWEEP_SESSIONS, now - ENDED_KEPT),
            (sql.SWEEP_REVOCATIONS, now),
            (sql.SWEEP_THROTTLES, now),
            (sql.SWEEP_FAMILIAR, now),
            (sql.SWEEP_SPENT, now),
            (sql.SWEEP_CODES, now - ENDED_KEPT),
        ):
            swept = BATCH
            while swept == BATCH:
                swept = len(await self._store.write(statement, before, BATCH))

    async def _repeat(
        self, work: Callable[[], Awaitable[None]], seconds: float, *, first: float = 0
    ) -> None:
        await asyncio.sleep(first)
        while True:
            try:
                await work()
                self.failing = None
            except CarnetError as error:
                if self.failing is None:
                    _log.error("background_failed", reason=str(error))
                self.failing = str(error)
                await asyncio.sleep(0.5)
            await asyncio.sleep(seconds)
