"""What the service does by itself: follow the other processes, keep its keys up, sweep.

One statement every few milliseconds asks for the counters that change with every revocation,
every key and every client; everything else follows from what they say. Each piece of work is
supervised by itself (``recurring``):

    task            work                                            the service is not ready without
    ──────────────  ──────────────────────────────────────────────  ────────────────────────────────
    follow          reads the counters                              for 10 seconds
    keys            rotates the keys, takes over those of others    for 60 seconds
    directory       reads the clients and the resources             for 60 seconds
    logout_notices  tells clients which sessions have ended         goes on: figures and log
    mail            sends the mails that wait, where that is set up goes on: figures, log, /readyz
    sweep           deletes what nobody needs any more              goes on: figures and log
    deletions       deletes accounts whose owners want that         goes on: figures and log
    provider_tokens looks whether people are still there           goes on: figures and log
    activity        adds what this process has counted              goes on: figures and log
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from carnet.server.accounts.deletion import Deletions
from carnet.server.activity import DAY, KEPT_DAYS, MINUTE, Activity
from carnet.server.clients.registry import Registry
from carnet.server.clock import SECOND, Clock
from carnet.server.deadline import within
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.mail.delivery import LONGEST_RUN, Delivery
from carnet.server.metrics import (
    DATABASE_CONNECTIONS,
    DATABASE_IN_USE,
    DATABASE_WAITING,
    REVOCATION_LAG,
    REVOCATION_SEQ,
)
from carnet.server.recurring import Recurring
from carnet.server.revocations.stream import RevocationStream
from carnet.server.store import Store
from carnet.server.store import statements as sql
from carnet.server.tokens.logout_notices import LogoutNotices
from carnet.server.upstream.kept_tokens import KeptTokens

__all__ = ["Background"]

POLL_SECONDS: Final = 0.025
LOGOUT_NOTICES_SECONDS: Final = 1
MAIL_SECONDS: Final = 1
KEYS_SECONDS: Final = 10
DIRECTORY_SECONDS: Final = 10
SWEEP_SECONDS: Final = 60
WOKEN_BY: Final = {
    "signing_key": "keys",
    "directory": "directory",
    # What is revoked has ended: those who are to be told of it needn't wait for the next run.
    "revocation": "logout_notices",
}
"""Which work begins at once when a counter has changed."""
BATCH: Final = 500
ENDED_KEPT: Final = 86_400 * SECOND
# To a clock that is ahead for a while, what the right one still needs looks expired.
CLOCK_AHEAD: Final = 3600 * SECOND
RESTART_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 5.0

_log = structlog.get_logger()


class Background:
    """The service's own work.

    Args:
        store: what it looks at.
        keys: what it keeps up.
        registry: what it reads again when it has changed.
        stream: what it advances.
        logout_notices: tells clients which sessions have ended.
        delivery: sends the mails that wait; None where no mail is set up.
        deletions: deletes accounts.
        kept_tokens: looks after the refresh tokens of providers.
        clock: gives the microseconds since 1970.
        audit_retention: seconds that entries of the audit log are kept; 0 is for ever.

    Attributes:
        activity: what all processes have done, by the hour.
        tasks: the pieces of work, by their names.
        stopping: whether the service was told to stop, and is not ready for more.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        registry: Registry,
        stream: RevocationStream,
        logout_notices: LogoutNotices,
        delivery: Delivery | None,
        deletions: Deletions,
        kept_tokens: KeptTokens,
        clock: Clock,
        audit_retention: int,
    ) -> None:
        self._store = store
        self._keys = keys
        self._stream = stream
        self._logout_notices = logout_notices
        self._clock = clock
        self._audit_retention = audit_retention * SECOND
        self._registry = registry
        # What the counters say, and what of it has been taken over.
        self._counters: dict[str, int] = {}
        self._directory_counter: int | None = -1
        self.activity = Activity(store, clock)
        self.stopping = False
        tasks = (
            Recurring(
                "follow",
                self._read_counters,
                every=POLL_SECONDS,
                longest_run=10,
                longest_pause=1,
                needed_within=10,
            ),
            Recurring(
                "keys",
                keys.keep_up,
                every=KEYS_SECONDS,
                longest_run=30,
                longest_pause=10,
                needed_within=60,
            ),
            Recurring(
                "directory",
                self._load_registry,
                every=DIRECTORY_SECONDS,
                longest_run=30,
                longest_pause=10,
                needed_within=60,
            ),
            Recurring(
                "logout_notices",
                logout_notices.send_due,
                every=LOGOUT_NOTICES_SECONDS,
                longest_run=600,
            ),
            Recurring(
                "sweep", self.sweep, every=SWEEP_SECONDS, longest_run=600, first=SWEEP_SECONDS
            ),
            Recurring(
                "deletions",
                deletions.run_due,
                every=SWEEP_SECONDS,
                longest_run=600,
                first=SWEEP_SECONDS,
            ),
            Recurring(
                "provider_tokens",
                kept_tokens.look_after,
                every=SWEEP_SECONDS,
                longest_run=600,
                first=SWEEP_SECONDS,
            ),
            Recurring("activity", self.activity.save, every=MINUTE, longest_run=60, first=MINUTE),
        )
        self.tasks = {task.name: task for task in tasks}
        if delivery is not None:
            self.tasks["mail"] = Recurring(
                "mail", delivery.send_due, every=MAIL_SECONDS, longest_run=LONGEST_RUN
            )

    @property
    def late(self) -> list[str]:
        """The names of the tasks that the service needs and that have not succeeded for long."""
        return [task.name for task in self.tasks.values() if task.is_late]

    @property
    def failing(self) -> list[str]:
        """The names of the tasks that fail, and have for long, whether needed or not."""
        return [task.name for task in self.tasks.values() if task.fails_for_long]

    async def run(self) -> None:
        """Work until cancelled."""
        running: dict[asyncio.Task[None], Recurring] = {}
        waiting = list(self.tasks.values())
        try:
            while True:
                running |= {asyncio.create_task(task.run()): task for task in waiting}
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                # None ever does by itself. Should one, it begins anew, and the others don't notice.
                waiting = [running.pop(one) for one in ended]
                for one, task in zip(ended, waiting, strict=True):
                    error = None if one.cancelled() else one.exception()
                    with suppress(Exception):
                        _log.error("background_task_ended", task=task.name, exc_info=error)
                await asyncio.sleep(RESTART_SECONDS)
        finally:
            for one in running:
                one.cancel()
            if running:
                await asyncio.wait(running, timeout=CLOSE_SECONDS)
            with suppress(Exception):
                await within(CLOSE_SECONDS, self.activity.save())
            await self._logout_notices.close()

    async def follow(self) -> None:
        """Take over what other processes, or this one, have changed."""
        await self._read_counters()
        await self._keys.keep_up()
        await self._load_registry()

    async def sweep(self) -> None:
        """Delete what nobody needs any more, in small batches.

        Raises:
            ExceptionGroup: what failed; the rest is swept all the same.
        """
        now, failures = self._clock(), []
        audit = [(sql.SWEEP_AUDIT, now - self._audit_retention)] if self._audit_retention else []
        for statement, before in (
            *audit,
            (sql.SWEEP_SESSIONS, now - ENDED_KEPT),
            (sql.SWEEP_REVOCATIONS, now - CLOCK_AHEAD),
            (sql.SWEEP_THROTTLES, now),
            (sql.SWEEP_FAMILIAR, now),
            (sql.SWEEP_REMEMBERED_BROWSERS, now),
            (sql.SWEEP_USED_ONCE, now - CLOCK_AHEAD),
            (sql.SWEEP_CODES, now - ENDED_KEPT),
            (sql.SWEEP_REGISTRATION_TOKENS, now - ENDED_KEPT),
            (sql.SWEEP_SCIM_TOKENS, now - ENDED_KEPT),
            (sql.SWEEP_DEVICE_CODES, now - CLOCK_AHEAD),
            (sql.SWEEP_LINKS, now - ENDED_KEPT),
            (sql.SWEEP_MAILS, now - CLOCK_AHEAD),
            (sql.SWEEP_ACTIVITY, now - KEPT_DAYS * DAY),
        ):
            try:
                swept = BATCH
                while swept == BATCH:
                    swept = len(await self._store.write(statement, before, BATCH))
            except Exception as error:
                failures.append(error)
        try:
            await self._registry.unregistered.sweep()
        except Exception as error:
            failures.append(error)
        if failures:
            raise ExceptionGroup("not everything could be swept", failures)

    async def _read_counters(self) -> None:
        try:
            before, self._counters = self._counters, await self._stream.catch_up()
        finally:
            pool = self._store.pool_use()
            DATABASE_CONNECTIONS.set(pool.size)
            DATABASE_IN_USE.set(pool.in_use)
            DATABASE_WAITING.set(pool.waiting)
            REVOCATION_SEQ.set(self._stream.seq)
            REVOCATION_LAG.set(self._stream.lag)
        for name, task in WOKEN_BY.items():
            if before.get(name) != self._counters.get(name):
                self.tasks[task].wake()

    async def _load_registry(self) -> None:
        counter = self._counters.get("directory")
        if counter != self._directory_counter:
            await self._registry.load()
            self._directory_counter = counter
