"""The two stores of the service on the simulated database.

`PostgresStore` is the service's own, with its retries and its groups; only the connections under it
are simulated. For SQLite, whose own store is about files and threads, a store of a few lines keeps
its promise: one transaction after the other, each whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import apsw
import asyncpg

from carnet.server.store.base import PoolUse, Rows, StoreUnavailable
from carnet.server.store.base import Transaction as Statements
from carnet.server.store.postgres import LONGEST_STANDSTILL, PostgresStore
from simulation.database import Blocked, Database, Transaction, View

if TYPE_CHECKING:
    from simulation.world import Process

__all__ = ["Connection", "Recorded", "SimulatedPostgres", "SimulatedSqlite"]

T = TypeVar("T")

NEVER: Final = float("inf")


class Recorded(NamedTuple):
    """Something that a connection has done.

    Attributes:
        event: ``runs``, ``waits`` for a row, ``goes on`` after that, or ``fails``.
        connection: its number.
        sql: the statement.
        values: its parameters.
        rows: what it gave.
    """

    event: str
    connection: int
    sql: str
    values: tuple[Any, ...]
    rows: Rows


class _Record(tuple[Any, ...]):
    """A row of which a column can be asked for by its name, as asyncpg's can."""

    __slots__ = ()

    def __getitem__(self, place: Any) -> Any:
        # The one statement that is grouped begins with the column that tells its rows apart.
        return tuple.__getitem__(self, 0 if place == "secret_hash" else place)


class Connection:
    """A connection to the simulated PostgreSQL; where it is lost, its transaction is undone."""

    def __init__(self, process: Process, database: Database) -> None:
        self._process = process
        self._database = database
        self._transaction: Transaction | None = None
        self._is_lost = False
        # When the database has last answered in an open transaction, and waits for what comes.
        self._answered_at = NEVER
        self._number = process.world.number_connection()

    def is_closed(self) -> bool:
        return self._is_lost

    def terminate(self) -> None:
        self._is_lost = True
        if self._transaction is not None:
            self._database.roll_back(self._transaction)

    async def fetch(self, sql: str, *values: Any, timeout: float | None = None) -> Rows:  # noqa: ASYNC109 - asyncpg's
        fate = await self._arrives(sql)
        if self._transaction is not None:
            self._answered_at = NEVER
            rows = await self._run(self._transaction, sql, values)
            self._answered_at = self._process.world.loop.now
        elif sql.lstrip().startswith("SELECT"):
            rows = self._database.read(sql, values)
            self._record(sql, values, rows)
        else:
            transaction = self._database.begin()
            self._transaction = transaction
            try:
                rows = await self._run(transaction, sql, values)
                self._database.commit(transaction)
            finally:
                self._database.roll_back(transaction)
                self._transaction = None
        if fate != "goes on" or self._is_lost:
            await self._answer(fate)
        return rows

    async def fetchmany(self, sql: str, members: list[tuple[Any, ...]]) -> list[_Record]:
        fate = await self._arrives(sql)
        transaction = self._transaction = self._database.begin()
        self._record("BEGIN")
        try:
            rows = []
            for values in members:
                rows += await self._run(transaction, sql, values)
            self._record("COMMIT")
            self._database.commit(transaction)
        finally:
            self._database.roll_back(transaction)
            self._transaction = None
        await self._answer(fate)
        return [_Record(row) for row in rows]

    async def execute(self, sql: str) -> None:
        if sql == "ROLLBACK":
            # Nobody else can tell when it arrives: the locks are kept until it does.
            if not self._is_lost:
                await self._arrives(sql)
                self._record(sql)
                self._undo()
            return
        fate = await self._arrives(sql)
        self._record(sql)
        if sql == "COMMIT":
            assert self._transaction is not None
            self._database.commit(self._transaction)
            self._transaction = None
        else:
            self._transaction = self._database.begin()
            self._answered_at = self._process.world.loop.now
        await self._answer(fate)

    def end_standstill(self) -> None:
        """Be lost where nothing has come in a transaction for too long."""
        idle = self._process.world.loop.now - self._answered_at
        if self._transaction is not None and idle > LONGEST_STANDSTILL:
            self._record("ROLLBACK")
            self.terminate()

    def _undo(self) -> None:
        if self._transaction is not None:
            self._database.roll_back(self._transaction)
            self._transaction = None

    async def _arrives(self, sql: str) -> str:
        """Wait until a statement is at the database; tell what will become of its answer."""
        if self._is_lost:
            raise asyncpg.InterfaceError("the connection is closed")
        fate = await self._process.statement(sql)
        if self._is_lost or fate == "lost":
            self.terminate()
            raise ConnectionResetError("the connection was lost")
        return fate

    async def _answer(self, fate: str) -> None:
        if fate == "slow":
            await self._process.pause("an answer of the database")
        if fate == "answer lost" or self._is_lost:
            self.terminate()
            raise ConnectionResetError("the connection was lost")

    async def _run(self, transaction: Transaction, sql: str, values: tuple[Any, ...]) -> Rows:
        recorded = self._process.world.recorded
        outcome = self._execute(transaction, sql, values, None)
        has_waited = isinstance(outcome, Blocked)
        if not has_waited and recorded is None:
            return outcome  # type: ignore[return-value]
        if has_waited:
            self._record(sql, values, event="waits")
        while isinstance(outcome, Blocked):
            await self._process.until_ended(outcome.by, sql)
            if self._is_lost:
                raise ConnectionResetError("the connection was lost")
            outcome = self._execute(transaction, sql, values, outcome.view)
        self._record(sql, values, outcome, event="goes on" if has_waited else "runs")
        return outcome

    def _execute(
        self, transaction: Transaction, sql: str, values: tuple[Any, ...], view: View | None
    ) -> Rows | Blocked:
        try:
            return self._database.execute(transaction, sql, values, view)
        except asyncpg.PostgresError:
            self._record(sql, values, event="fails")
            raise

    def _record(
        self, sql: str, values: tuple[Any, ...] = (), rows: Rows | None = None, event: str = "runs"
    ) -> None:
        """Take down what the database does, where somebody wants to compare it with a real one."""
        recorded = self._process.world.recorded
        if recorded is not None:
            recorded.append(Recorded(event, self._number, sql, values, rows or []))


class _Connections:
    """Gives connections; none is refused, and none has to be waited for."""

    def __init__(self, process: Process, database: Database) -> None:
        self._process = process
        self._database = database
        self._free: list[Connection] = []
        self.made: list[Connection] = []

    async def take(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        connection = Connection(self._process, self._database)
        self.made.append(connection)
        return connection

    async def give_back(self, connection: Connection) -> None:
        self._free.append(connection)

    async def give_up(self, connection: Connection) -> None:
        connection.terminate()

    def leave(self, connection: Connection) -> None:
        connection.terminate()

    def leave_idle(self) -> None:
        for connection in self._free:
            connection.terminate()

    def pool_use(self) -> PoolUse:
        return PoolUse(len(self.made), len(self.made) - len(self._free), 0)

    async def close(self) -> None:
        self.terminate()

    def terminate(self) -> None:
        for connection in self.made:
            connection.terminate()

    def end_standstill(self) -> None:
        for connection in self.made:
            connection.end_standstill()


class SimulatedPostgres(PostgresStore):
    """The service's own store, on simulated connections."""

    def __init__(self, process: Process, database: Database) -> None:
        self._simulated = _Connections(process, database)
        super().__init__(self._simulated)  # type: ignore[arg-type]

    def end(self) -> None:
        """Lose every connection, as a process that is killed does."""
        self._simulated.terminate()

    def end_standstill(self) -> None:
        """Undo the transactions in which nothing has come for too long, as the database does."""
        self._simulated.end_standstill()


class SimulatedSqlite:
    """One transaction after the other; what was answered stays."""

    def __init__(self, process: Process, database: Database) -> None:
        self.statements_run = 0
        self.migrated: list[str] = []
        self._process = process
        self._database = database

    def pool_use(self) -> PoolUse:
        return PoolUse(2, 0, 0)

    async def read(self, sql: str, *values: Any) -> Rows:
        await self._process.statement(sql)
        return self._database.read(sql, values)

    async def write(self, sql: str, *values: Any) -> Rows:
        def work() -> Statements[Rows]:
            return (yield sql, values)

        return await self._transact(work, sql)

    async def transact(self, work: Callable[[], Statements[T]]) -> T:
        return await self._transact(work, "BEGIN")

    async def close(self) -> None:
        """Nothing is open."""

    def end(self) -> None:
        """Nothing is undone by a process that is killed: each transaction was whole."""

    def end_standstill(self) -> None:
        """Nobody stands still in the middle of one."""

    async def _transact(self, work: Callable[[], Statements[T]], sql: str) -> T:
        fate = await self._process.statement(sql)
        if fate == "lost":
            raise StoreUnavailable("the database can't be written: the disk is full")
        try:
            return self._database.run_whole(work())
        except apsw.Error as error:
            raise StoreUnavailable(f"the database can't be written: {error}") from None
