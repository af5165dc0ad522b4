"""SQLite through apsw: one writer, group commit, durable before it is answered.

Writes queue up while a commit is on its way to the disk; the next transaction takes them all, and
one fsync carries them. A future is resolved only after the COMMIT that holds its work.

A single statement takes a few microseconds, less than it takes to give it to a thread, so those run
on the event loop. What can take long is done by one thread: a COMMIT, transactions of several
statements, each in a savepoint of its own, and waiting for another process that writes. Reads run
on the event loop too, on a connection of their own: in WAL mode they never wait for the writer.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw

from carnet.errors import ServerError
from carnet.server.store.base import (
    Opening,
    PoolUse,
    Rows,
    Statement,
    StoreUnavailable,
    Transaction,
)
from carnet.server.store.migrations import check_shape, migrate, missing_migrations

__all__ = ["SqliteStore"]

T = TypeVar("T")

BATCH = 512
TURNS = 8
BUSY_MILLISECONDS = 10_000
HAS_HISTORY = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'"


class _Job:
    """One piece of writing, a statement or a transaction, and who waits for it."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Statement | Callable[[], Transaction[Any]]) -> None:
        self.work = work
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class SqliteStore:
    """A SQLite database in one file.

    Args:
        path: the file; to migrate, it is made with mode 0600 where it is missing.
        opening: what may be done to it.

    Raises:
        ServerError: ``data_unwritable``, ``database_foreign``, ``database_too_new``,
            ``database_missing`` or ``migrations_missing``.
    """

    def __init__(self, path: Path, opening: Opening = Opening.MIGRATE) -> None:
        self.statements_run = 0
        self.migrated: list[str] = []
        self._waiting: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None
        self._closing = False
        try:
            if opening is Opening.MIGRATE:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            elif not path.exists():
                raise _missing(path)
            reading = opening is Opening.READ
            self._writer = _connect(path, reading=reading)
            try:
                if opening is Opening.MIGRATE:
                    self._migrate()
                else:
                    self._run(check_shape(HAS_HISTORY))
            except BaseException:
                # Or else the files of its log would stay behind.
                self._writer.close()
                raise
            self._reader = _connect(path, reading=reading)
        except OSError as error:
            raise _unwritable(path, error.strerror or "") from None
        except apsw.NotADBError:
            raise ServerError(
                f"{path} is not a database; move it away, or name another data folder",
                code="database_foreign",
            ) from None
        except apsw.Error as error:
            raise _unwritable(path, str(error)) from None
        self._thread = ThreadPoolExecutor(1, "carnet-writer")

    def _migrate(self) -> None:
        if not self._run(missing_migrations(HAS_HISTORY)):
            return
        # It takes the lock at once: a transaction that begins by reading is refused it, without
        # waiting, where another process has migrated in between.
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self.migrated = self._run(migrate())
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("COMMIT")

    def pool_use(self) -> PoolUse:
        """Say how busy the connections are: one reads, one writes, and others wait to write."""
        return PoolUse(2, int(self._writing is not None), len(self._waiting))

    async def read(self, sql: str, *values: Any) -> Rows:
        """Run one statement that changes nothing."""
        self.statements_run += 1
        try:
            return list(self._reader.execute(sql, values))
        except apsw.Error as error:
            raise StoreUnavailable(f"the database can't be read: {error}") from None

    async def write(self, sql: str, *values: Any) -> Rows:
        """Run one statement; its effect is durable when this returns."""
        return await self._submit(_Job((sql, values)))  # type: ignore[no-any-return]

    async def transact(self, work: Callable[[], Transaction[T]]) -> T:
        """Run a transaction; all of its effect is durable when this returns, or none."""
        return await self._submit(_Job(work))  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Finish what is under way, and close."""
        self._closing = True
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _submit(self, job: _Job) -> Any:
        if self._closing:
            raise StoreUnavailable("the database is closed: the service is stopping")
        self._waiting.append(job)
        if self._writing is None:
            # It begins after everything that is ready to run now, and may have something to write.
            self._writing = asyncio.create_task(self._write_all())
        return await job.future

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch = self._waiting[:BATCH]
                del self._waiting[:BATCH]
                await self._write(batch)
                for job in batch:
                    job.resolve()
        finally:
            self._writing = None

    async def _gather(self) -> None:
        """Let those come along who have something to write by the time that they are asked."""
        for _ in range(TURNS):
            before = len(self._waiting)
            await asyncio.sleep(0)
            if len(self._waiting) == before:
                return

    async def _write(self, batch: list[_Job]) -> None:
        loop = asyncio.get_running_loop()
        try:
            quick = all(isinstance(job.work, tuple) for job in batch)
            if quick and self._begin_at_once():
                self._perform_all(batch)
                await loop.run_in_executor(self._thread, self._writer.execute, "COMMIT")
            else:
                await loop.run_in_executor(self._thread, self._transact, batch)
        except Exception as error:
            # SQLite has already rolled back by itself after some errors, such as a full disk.
            if self._writer.in_transaction:
                with suppress(apsw.Error):
                    self._writer.execute("ROLLBACK")
            for job in batch:
                job.error = _as_store_error(error)

    def _begin_at_once(self) -> bool:
        """Begin a transaction, unless another process is writing."""
        self._writer.set_busy_timeout(0)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            return False
        finally:
            self._writer.set_busy_timeout(BUSY_MILLISECONDS)
        return True

    def _transact(self, batch: list[_Job]) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        self._perform_all(batch)
        self._writer.execute("COMMIT")

    def _perform_all(self, batch: list[_Job]) -> None:
        for job in batch:
            self._perform(job)

    def _perform(self, job: _Job) -> None:
        """Do one job's work; its own failure undoes that work and no neighbour's."""
        try:
            if isinstance(job.work, tuple):
                job.result = self._execute(*job.work)
            else:
                self._writer.execute("SAVEPOINT job")
                job.result = self._run(job.work())
                self._writer.execute("RELEASE job")
        except Exception as error:
            if not self._writer.in_transaction:
                raise
            job.error = _as_store_error(error)
            if not isinstance(job.work, tuple):
                self._writer.execute("ROLLBACK TO job")
                self._writer.execute("RELEASE job")

    def _run(self, transaction: Transaction[T]) -> T:
        try:
            rows = self._execute(*next(transaction))
            while True:
                rows = self._execute(*transaction.send(rows))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def _execute(self, sql: str, values: tuple[Any, ...]) -> Rows:
        self.statements_run += 1
        return list(self._writer.execute(sql, values))


def _as_store_error(error: Exception) -> Exception:
    if isinstance(error, apsw.Error):
        return StoreUnavailable(f"the database can't be written: {error}")
    return error


def _connect(path: Path, *, reading: bool) -> apsw.Connection:
    had_log = path.with_name(f"{path.name}-wal").exists()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    # A plan holds for all values. Otherwise SQLite makes some plans anew for each, and for the line
    # "introspection" of the benchmark ``sessions`` that takes four times as long as the reading.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    if reading:
        connection.pragma("query_only", True)
        # What a server has left in the log, because it was killed, is left there.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(had_log))
        return connection
    _use_wal(connection)
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)
    # Nothing is written beside the database: a container may have no other place for it.
    connection.pragma("temp_store", "memory")
    return connection


def _use_wal(connection: apsw.Connection) -> None:
    # SQLite does not wait for another process that is changing the mode at the same moment.
    until = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def _missing(path: Path) -> ServerError:
    return ServerError(
        f"there is no database at {path}; name the data folder with --data, or make a new one "
        "with `carnet migrate` or `carnet serve`",
        code="database_missing",
    )


def _unwritable(path: Path, reason: str) -> ServerError:
    return ServerError(
        f"can't write the database {path}: {reason}; check the folder's owner and free space",
        code="data_unwritable",
    )
