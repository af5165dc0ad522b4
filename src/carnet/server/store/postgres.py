"""PostgreSQL through asyncpg: prepared statements on a pool of connections.

What a failure leaves behind decides whether the work is done again:

    failure                                  read      one write   transaction
    ───────────────────────────────────────  ────────  ──────────  ─────────────────────────────
    serialization conflict, deadlock         again     again       again, its generator made anew
    lost connection                          again     told        again before COMMIT, else told
    made or changed by another meanwhile     told      told        again, once
    the server takes no writes any more      again     again       again, on new connections
    no connection, timeout, anything else    told      told        told

Writes of one kind that come at the same moment, where the statements allow it, are sent together,
as one transaction: a round trip and a commit for all of them. They fail together too, as one write
does, except for values that the database can't hold.

The URL may name several hosts: connections are made to the one that takes writes. One that stops
taking them, because another was promoted, is left with every connection to it.

Behind a pooler that gives a server connection for a transaction (PgBouncer), statements can't be
prepared once and used again: their names may meet another server. Such a pooler is told by the
process that it names, which is not the one that answers.

A lost connection leaves open whether its write was done, except before a COMMIT: then the database
undoes it. What is told is told as ``StoreUnavailable``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

from carnet.errors import ServerError
from carnet.server.store.base import Rows, StoreUnavailable, Transaction
from carnet.server.store.migrations import migrate
from carnet.server.store.statements import GROUPED

__all__ = ["PostgresStore"]

T = TypeVar("T")

_Group: TypeAlias = "dict[Any, tuple[tuple[Any, ...], asyncio.Future[Rows]]]"

MIN_CONNECTIONS = 1
MAX_CONNECTIONS = 16
CONNECT_SECONDS = 10
COMMAND_SECONDS = 10
IDLE_SECONDS = 60
MIGRATION_SECONDS = 600
CLOSE_SECONDS = 10
CONFLICT_ATTEMPTS = 20
DEMOTED_ATTEMPTS = 3
CACHED_STATEMENTS: Final = 100
CACHE_OPTION: Final = "statement_cache_size"
SHORTEST_PAUSE = 0.002
LONGEST_PAUSE = 0.25

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
LOSSES = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
)
# It did nothing: it runs on a standby, or on a primary that another has replaced.
DEMOTED = (asyncpg.ReadOnlySQLTransactionError,)
OVERTAKEN = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateTableError,
    asyncpg.InvalidCachedStatementError,
)

# CockroachDB and YugabyteDB have neither advisory locks nor every mode of LOCK TABLE; all have
# locks of rows.
MIGRATION_LOCK = "CREATE TABLE IF NOT EXISTS migration_lock (name TEXT PRIMARY KEY)"
ADD_MIGRATION_LOCK = (
    "INSERT INTO migration_lock (name) VALUES ('migration') ON CONFLICT (name) DO NOTHING"
)
TAKE_MIGRATION_LOCK = "UPDATE migration_lock SET name = name WHERE name = 'migration'"


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that is given back without a round trip: nothing here changes its state."""

    def get_reset_query(self) -> str:
        return ""


class _Connections:
    """The pool's connections, kept at hand: to lend one takes the pool longer than a query does.

    Args:
        pool: makes the connections, and sees to those whose use did not end well.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._free: list[tuple[Any, float]] = []
        self._lent = asyncio.Semaphore(MAX_CONNECTIONS)

    async def take(self) -> Any:
        if self._lent.locked():
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._lent.acquire()
        else:
            await self._lent.acquire()
        try:
            while self._free:
                connection, _ = self._free.pop()
                if not _is_closed(connection):
                    return connection
                await self._release(connection)
            return await self._pool.acquire(timeout=CONNECT_SECONDS)
        except BaseException:
            self._lent.release()
            raise

    async def give_back(self, connection: Any) -> None:
        """Take a connection back whose use has ended well."""
        now = time.monotonic()
        self._free.append((connection, now))
        self._lent.release()
        # Those used last are lent first, so the first has been idle for longest.
        if self._free[0][1] < now - IDLE_SECONDS:
            await self._release(self._free.pop(0)[0])

    async def give_up(self, connection: Any) -> None:
        """Take a connection back whose use has failed."""
        try:
            await self._release(connection)
        finally:
            self._lent.release()

    async def leave(self, connection: Any) -> None:
        """Close a connection to a server that takes no writes, and the idle ones beside it."""
        connection.terminate()
        for other, _ in self._free:
            other.terminate()

    async def close(self) -> None:
        while self._free:
            await self._release(self._free.pop()[0])
        await self._pool.close()

    def terminate(self) -> None:
        self._pool.terminate()

    async def _release(self, connection: Any) -> None:
        with suppress(*FAILURES):
            await self._pool.release(connection)


class _Failed(Exception):
    """A piece of work that failed in the database, and how often it may be tried in all."""

    def __init__(
        self, error: Exception, attempts: int = 1, *, lost: bool = False, demoted: bool = False
    ) -> None:
        self.error = error
        self.attempts = attempts
        self.lost = lost
        self.demoted = demoted


class PostgresStore:
    """A PostgreSQL database; made by ``open``."""

    def __init__(self, pool: Any) -> None:
        self.statements_run = 0
        self._connections = _Connections(pool)
        self._groups: dict[str, _Group] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._closing = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def open(cls, url: str) -> PostgresStore:
        """Connect, and bring the database to this version's shape.

        Args:
            url: ``postgresql://user:password@host:port/database``, with commas between several
                hosts. ``?statement_cache_size=N`` overrides what is found out about a pooler.

        Raises:
            ServerError: ``database_unreachable``, ``database_too_new`` or ``database_changed``.
        """
        place = _place(url)
        url, cached = _split_cache_option(url)
        session = {
            "timeout": CONNECT_SECONDS,
            "command_timeout": COMMAND_SECONDS,
            # A standby may lag behind, and what it says is no proof of anything.
            "target_session_attrs": "read-write",
        }
        try:
            if cached is None:
                cached = 0 if await _is_pooled(url, session) else CACHED_STATEMENTS
            pool = await asyncpg.create_pool(
                url,
                min_size=MIN_CONNECTIONS,
                max_size=MAX_CONNECTIONS,
                connection_class=_Connection,
                statement_cache_size=cached,
                max_cached_statement_lifetime=0,
                **session,
            )
        except FAILURES as error:
            raise _unreachable(place, _reason(error)) from None
        except ValueError:
            # Its message may hold a part of the URL.
            raise _malformed() from None
        store = cls(pool)
        try:
            await store._migrate()
        except StoreUnavailable as error:
            pool.terminate()
            raise _unreachable(place, str(error)) from None
        except BaseException:
            pool.terminate()
            raise
        return store

    async def read(self, sql: str, *values: Any) -> Rows:
        """Run one statement that changes nothing."""

        async def attempt(connection: Any) -> Rows:
            return await self._fetch(connection, sql, values, if_lost=2)

        return await self._insist(attempt)

    async def write(self, sql: str, *values: Any) -> Rows:
        """Run one statement; its effect is durable when this returns."""
        place = GROUPED.get(sql)
        if place is not None:
            return await self._write_grouped(sql, place, values)
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

    async def _write_grouped(self, sql: str, place: int, values: tuple[Any, ...]) -> Rows:
        """Run a statement together with those that come by the time that this one is sent."""
        group = self._groups.get(sql)
        if group is None:
            group = self._groups[sql] = {}
            sending = asyncio.create_task(self._send_group(sql, group))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        elif values[place] in group:
            # Its row could not be told from the other's.
            return await self._write_alone(sql, values)
        answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        group[values[place]] = (values, answer)
        return await answer

    async def _send_group(self, sql: str, group: _Group) -> None:
        await asyncio.sleep(0)
        del self._groups[sql]
        outcomes = await self._run_group(sql, group)
        for key, (_, answer) in group.items():
            outcome = outcomes.get(key, [])
            if answer.cancelled():
                continue
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    async def _run_group(self, sql: str, group: _Group) -> dict[Any, Rows | BaseException]:
        # Everybody locks rows in the same order.
        keys = sorted(group)
        members = [group[key][0] for key in keys]

        async def attempt(connection: Any) -> Any:
            self.statements_run += len(members)
            try:
                return await connection.fetchmany(sql, members)
            except asyncpg.DataError:
                return None
            except FAILURES as error:
                raise _judge(error, connection) from None

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
        return {row[0]: [tuple(row)] for row in rows}

    async def _migrate(self) -> None:
        def lock() -> Transaction[None]:
            yield MIGRATION_LOCK, ()
            yield ADD_MIGRATION_LOCK, ()

        def locked() -> Transaction[None]:
            yield TAKE_MIGRATION_LOCK, ()
            yield from migrate()

        async def attempt(connection: Any) -> None:
            await self._perform(connection, locked, seconds=MIGRATION_SECONDS)

        # Of two servers that make it at once, one fails: IF NOT EXISTS takes no lock.
        await self.transact(lock)
        await self._insist(attempt)

    async def _insist(self, attempt: Callable[[Any], Awaitable[T]]) -> T:
        """Do a piece of work, again where its failure allows that."""
        if self._closing:
            raise StoreUnavailable("the database is closed: the service is about to end")
        self._under_way += 1
        self._idle.clear()
        try:
            attempts = 0
            while True:
                attempts += 1
                try:
                    return await self._try(attempt)
                except _Failed as failed:
                    if attempts >= failed.attempts:
                        raise _unavailable(failed) from None
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
            raise StoreUnavailable(f"the database can't be reached: {_reason(error)}") from None
        try:
            result = await attempt(connection)
        except BaseException as error:
            if isinstance(error, _Failed) and error.demoted:
                await self._connections.leave(connection)
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
            raise _judge(error, connection, if_lost, if_overtaken) from None
        return [tuple(row) for row in rows]

    async def _perform(
        self, connection: Any, work: Callable[[], Transaction[T]], seconds: float | None = None
    ) -> T:
        """Run a transaction once.

        It reads what is committed at each statement: a statement that waits for another transaction
        looks again at the row that this one has changed, so that counters and sessions that many
        change at once make a queue. At the stricter levels each of them would have to begin anew.
        So a transaction changes, and thereby locks, the row that it decides by.
        """
        again = {"if_lost": 2, "if_overtaken": 2}
        steps = work()
        try:
            await self._control(connection, "BEGIN ISOLATION LEVEL READ COMMITTED", **again)
            sql, values = next(steps)
            while True:
                rows = await self._fetch(connection, sql, values, seconds=seconds, **again)
                sql, values = steps.send(rows)
        except StopIteration as done:
            result: T = done.value
        except BaseException:
            with suppress(_Failed):
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
            raise _judge(error, connection, **attempts) from None


def _judge(error: Exception, connection: Any, if_lost: int = 1, if_overtaken: int = 1) -> _Failed:
    if isinstance(error, CONFLICTS):
        return _Failed(error, CONFLICT_ATTEMPTS)
    if isinstance(error, DEMOTED):
        return _Failed(error, DEMOTED_ATTEMPTS, demoted=True)
    if isinstance(error, OVERTAKEN):
        return _Failed(error, if_overtaken)
    if isinstance(error, LOSSES) or _is_closed(connection):
        return _Failed(error, if_lost, lost=True)
    return _Failed(error)


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # The pool has taken it away already.
        return True


def _unavailable(failed: _Failed) -> StoreUnavailable:
    reason = _reason(failed.error)
    if failed.lost:
        return StoreUnavailable(f"the connection to the database was lost: {reason}")
    return StoreUnavailable(f"the database can't do what was asked: {reason}")


def _reason(error: Exception) -> str:
    """Say what happened, without the values of a statement."""
    name = type(error).__name__
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        # Class 22, wrong data, quotes the data.
        return name if state.startswith("22") else f"{_first_line(error)} ({state})"
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return name
    return _first_line(error) or name


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


async def _is_pooled(url: str, session: dict[str, Any]) -> bool:
    """Tell whether a pooler answers, which gives each transaction another server process."""
    connection = await asyncpg.connect(url, statement_cache_size=0, **session)
    try:
        return bool(
            await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid()
        )
    finally:
        await connection.close()


def _split_cache_option(url: str) -> tuple[str, int | None]:
    """Take the option that is ours, not the server's, out of a URL."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(options).get(CACHE_OPTION)
    if given is None:
        return url, None
    if not given.isascii() or not given.isdigit() or len(given) > 6:
        raise ServerError(
            f"{CACHE_OPTION} in the setting database is a whole number, 0 for none",
            code="database_unreachable",
        )
    rest = urlencode([(name, value) for name, value in options if name != CACHE_OPTION])
    return parts._replace(query=rest).geturl(), int(given)


def _place(url: str) -> str:
    """Name the database of a URL without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _malformed() from None
    if "@" in parts.path + parts.query + parts.fragment:
        # A character of the password has ended the part of the URL that it belongs to.
        raise _malformed()
    return f"{parts.netloc.rpartition('@')[2] or 'on the local socket'}{parts.path}"


def _malformed() -> ServerError:
    return ServerError(
        "the setting database is not a URL such as postgresql://user:password@host:5432/carnet; "
        "in the password, characters such as / ? # @ : % are written as %2F %3F %23 %40 %3A %25",
        code="database_unreachable",
    )


def _unreachable(place: str, reason: str) -> ServerError:
    return ServerError(
        f"can't use the PostgreSQL database {place}: {reason}; check that it runs, its address, "
        "the user, the password, and that the user may create tables",
        code="database_unreachable",
    )
