"""PostgreSQL through asyncpg: prepared statements on a pool of connections.

Writes of one kind that come at the same moment, where the statements allow it, are sent together,
as one transaction: a round trip and a commit for all of them. They fail together too, as one write
does, except for values that the database can't hold.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias, TypeVar

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

from carnet.server.store.base import Opening, PoolUse, Rows, StoreUnavailable, Transaction
from carnet.server.store.migrations import check_shape, migrate, missing_migrations
from carnet.server.store.postgres_connections import Connections, connect, place_of, unreachable
from carnet.server.store.postgres_failures import FAILURES, Failed, failure_of, reason_of
from carnet.server.store.statements import GROUPED, Grouping

__all__ = ["PostgresStore"]

T = TypeVar("T")


class _Member(NamedTuple):
    """A statement's values that are sent with others, and who waits for the answer."""

    values: tuple[Any, ...]
    answer: asyncio.Future[Rows]


_Group: TypeAlias = dict[Any, _Member]

MIGRATION_SECONDS = 600
CLOSE_SECONDS = 10
SHORTEST_PAUSE = 0.002
LONGEST_PAUSE = 0.25
LONGEST_STANDSTILL = 10
"""Seconds after which PostgreSQL undoes a transaction whose process has sent nothing more."""
BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '{:g}s'"
)

# CockroachDB and YugabyteDB have neither advisory locks nor every mode of LOCK TABLE; all have
# locks of rows.
MIGRATION_LOCK = "CREATE TABLE IF NOT EXISTS migration_lock (name TEXT PRIMARY KEY)"
ADD_MIGRATION_LOCK = (
    "INSERT INTO migration_lock (name) VALUES ('migration') ON CONFLICT (name) DO NOTHING"
)
HAS_HISTORY = "SELECT 1 WHERE to_regclass('migration') IS NOT NULL"
TAKE_MIGRATION_LOCK = "UPDATE migration_lock SET name = name WHERE name = 'migration'"


class PostgresStore:
    """A PostgreSQL database; made by ``open``."""

    def __init__(self, connections: Connections) -> None:
        self.statements_run = 0
        self.migrated: list[str] = []
        self._connections = connections
        self._groups: dict[str, _Group] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._closing = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def open(cls, url: str, opening: Opening = Opening.MIGRATE) -> PostgresStore:
        """Connect; by default the database is brought to this version's shape.

        Args:
            url: ``postgresql://user:password@host:port/database``, with commas between several
                hosts. ``?statement_cache_size=N`` overrides what is found out about a pooler.
            opening: what may be done to the database.

        Raises:
            ServerError: ``database_unreachable``, ``database_too_new``, ``database_changed`` or
                ``migrations_missing``.
        """
        connections = await connect(url)
        store = cls(connections)
        try:
            if opening is Opening.MIGRATE:
                await store._migrate()
            else:
                await store.transact(lambda: check_shape(HAS_HISTORY))
        except BaseException as error:
            connections.terminate()
            if isinstance(error, StoreUnavailable):
                raise unreachable(place_of(url), str(error)) from None
            raise
        return store

    def pool_use(self) -> PoolUse:
        """Say how busy the connections are at this moment."""
        return self._connections.pool_use()

    async def read(self, sql: str, *values: Any) -> Rows:
        """Run one statement that changes nothing."""

        async def attempt(connection: Any) -> Rows:
            return await self._fetch(connection, sql, values, if_lost=2)

        return await self._insist(attempt)

    async def write(self, sql: str, *values: Any) -> Rows:
        """Run one statement; its effect is durable when this returns."""
        grouping = GROUPED.get(sql)
        if grouping is not None:
            return await self._write_grouped(sql, grouping, values)
        return await self._write_alone(sql, values)

    async def transact(self, work: Callable[[], Transaction[T]]) -> T:
        """Run a transaction; all of its effect is durable when this returns, or none."""

        async def attempt(connection: Any) -> T:
            return await self._perform(connection, work)

        return await self._insist(attempt)

    async def close(self) -> None:
        """Finish what is under way, and close."""
        self._closing = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._idle.wait()
                await self._connections.close()
        except FAILURES:
            self._connections.terminate()

    async def _write_alone(self, sql: str, values: tuple[Any, ...]) -> Rows:
        async def attempt(connection: Any) -> Rows:
            return await self._fetch(connection, sql, values)

        return await self._insist(attempt)

    async def _write_grouped(self, sql: str, grouping: Grouping, values: tuple[Any, ...]) -> Rows:
        """Run a statement together with those that come by the time that this one is sent."""
        group = self._groups.get(sql)
        if group is None:
            group = self._groups[sql] = {}
            sending = asyncio.create_task(self._send_group(sql, grouping, group))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        elif values[grouping.parameter] in group:
            # Its row could not be told from the other's.
            return await self._write_alone(sql, values)
        answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        group[values[grouping.parameter]] = _Member(values, answer)
        return await answer

    async def _send_group(self, sql: str, grouping: Grouping, group: _Group) -> None:
        await asyncio.sleep(0)
        del self._groups[sql]
        outcomes = await self._run_group(sql, grouping, group)
        for key, member in group.items():
            outcome = outcomes.get(key, [])
            if member.answer.cancelled():
                continue
            if isinstance(outcome, BaseException):
                member.answer.set_exception(outcome)
            else:
                member.answer.set_result(outcome)

    async def _run_group(
        self, sql: str, grouping: Grouping, group: _Group
    ) -> dict[Any, Rows | BaseException]:
        # Everybody locks rows in the same order.
        keys = sorted(group)
        members = [group[key].values for key in keys]

        async def attempt(connection: Any) -> Any:
            self.statements_run += len(members)
            try:
                return await connection.fetchmany(sql, members)
            except asyncpg.DataError:
                return None
            except FAILURES as error:
                raise failure_of(error, connection) from None

        try:
            rows = await self._insist(attempt)
        except Exception as error:
            return dict.fromkeys(keys, error)
        if rows is None:
            # The values of one of them can't be: the others have done nothing wrong.
            alone = [self._write_alone(sql, values) for values in members]
            return dict(
                zip(keys, await asyncio.gather(*alone, return_exceptions=True), strict=True)
            )
        return {row[grouping.column]: [tuple(row)] for row in rows}

    async def _migrate(self) -> None:
        if not await self.transact(lambda: missing_migrations(HAS_HISTORY)):
            # Whoever may only read and write rows gets by.
            return

        def lock() -> Transaction[None]:
            yield MIGRATION_LOCK, ()
            yield ADD_MIGRATION_LOCK, ()

        def locked() -> Transaction[list[str]]:
            yield TAKE_MIGRATION_LOCK, ()
            return (yield from migrate())

        async def attempt(connection: Any) -> list[str]:
            return await self._perform(connection, locked, seconds=MIGRATION_SECONDS)

        # Of two servers that make it at once, one fails: IF NOT EXISTS takes no lock.
        await self.transact(lock)
        self.migrated = await self._insist(attempt)

    async def _insist(self, attempt: Callable[[Any], Awaitable[T]]) -> T:
        """Do a piece of work, again where its failure allows that."""
        if self._closing:
            raise StoreUnavailable("the database is closed: the service is stopping")
        self._under_way += 1
        self._idle.clear()
        try:
            attempts = 0
            while True:
                attempts += 1
                try:
                    return await self._try(attempt)
                except Failed as failed:
                    if attempts >= failed.attempts:
                        raise failed.as_error() from None
                longest = min(SHORTEST_PAUSE * 2**attempts, LONGEST_PAUSE)
                await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # no secret
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _try(self, attempt: Callable[[Any], Awaitable[T]]) -> T:
        try:
            connection = await self._connections.take()
        except FAILURES as error:
            raise StoreUnavailable(f"the database can't be reached: {reason_of(error)}") from None
        try:
            result = await attempt(connection)
        except BaseException as error:
            if isinstance(error, Failed) and error.demoted:
                self._connections.leave(connection)
            if isinstance(error, Failed) and error.silent:
                # Each of the others would take as long to find out.
                self._connections.leave_idle()
            await self._connections.give_up(connection)
            raise
        await self._connections.give_back(connection)
        return result

    async def _fetch(
        self,
        connection: Any,
        sql: str,
        values: tuple[Any, ...],
        *,
        if_lost: int = 1,
        if_overtaken: int = 1,
        seconds: float | None = None,
    ) -> Rows:
        self.statements_run += 1
        try:
            rows = await connection.fetch(sql, *values, timeout=seconds)
        except FAILURES as error:
            raise failure_of(error, connection, if_lost, if_overtaken) from None
        return [tuple(row) for row in rows]

    async def _perform(
        self, connection: Any, work: Callable[[], Transaction[T]], seconds: float | None = None
    ) -> T:
        """Run a transaction once.

        It reads what is committed at each statement: a statement that waits for another transaction
        looks again at the row that this one has changed, so that counters and sessions that many
        change at once make a queue. At the stricter levels each of them would have to begin anew.
        So a transaction changes, and thereby locks, the row that it decides by.

        PostgreSQL undoes it where nothing more comes for too long: a process that was stopped, or
        whose machine sleeps, keeps no locks, and does not commit much later what it decided before.
        """
        again = {"if_lost": 2, "if_overtaken": 2}
        steps = work()
        try:
            await self._control(connection, BEGIN.format(seconds or LONGEST_STANDSTILL), **again)
            sql, values = next(steps)
            while True:
                rows = await self._fetch(connection, sql, values, seconds=seconds, **again)
                sql, values = steps.send(rows)
        except StopIteration as done:
            result: T = done.value
        except BaseException:
            with suppress(Failed):
                await self._control(connection, "ROLLBACK")
            raise
        finally:
            steps.close()
        await self._control(connection, "COMMIT")
        return result

    async def _control(self, connection: Any, sql: str, **attempts: int) -> None:
        try:
            await connection.execute(sql)
        except FAILURES as error:
            raise failure_of(error, connection, **attempts) from None
