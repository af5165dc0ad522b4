"""A database in memory that runs the real statements, with the locks and snapshots of PostgreSQL.

SQLite holds what is committed, and computes what each statement does. What an open transaction has
changed is kept beside it, row by row: it is put in before one of its statements, and taken out
before a statement of somebody else. So each transaction sees what is committed, and its own
changes, and nobody else's. What is committed is also at hand in `Database.rows`, without SQL.

READ COMMITTED, as PostgreSQL has it:

- A statement sees what was committed when it began.
- A row that a transaction changes, or sets to what it was, is locked until the transaction ends.
- A statement that finds such a row locked by another waits. Then it locks the newest version of
  *that row*, also where it will leave it as it is, and decides by its condition anew. Of everything
  else, such as the rows of its subqueries, it still sees what it saw at its beginning, and rows
  that were added meanwhile it does not see.
- Of transactions that wait for each other in a circle, one is undone.

A unique value is locked like a row. SQLite's own way, one writer at a time, is `run_whole`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import apsw
import asyncpg

from carnet.server.store.base import Rows
from carnet.server.store.base import Transaction as Statements
from carnet.server.store.migrations import migrate

T = TypeVar("T")

WORD: Final = re.compile(r"\w+")
CACHED: Final = 512
"""How many statements are kept parsed: as many as apsw keeps."""

Row = tuple[Any, ...]
Key = tuple[Any, ...]
"""A table's name and the values of its primary key."""


class Change(NamedTuple):
    """A row before and after; None where it was not there."""

    old: Row | None
    new: Row | None


class Table:
    """What must be known of a table to write its rows."""

    def __init__(self, connection: apsw.Connection, name: str) -> None:
        columns = list(connection.execute(f"PRAGMA table_info({name})"))
        self.name = name
        self.places = {column[1]: column[0] for column in columns}
        names = list(self.places)
        by_rank = sorted((column for column in columns if column[5]), key=lambda one: one[5])
        self.key_places = tuple(column[0] for column in by_rank)
        keys = [names[place] for place in self.key_places]
        self.unique = [
            (
                tuple(
                    self.places[part[2]] for part in connection.execute(f"PRAGMA index_info({one})")
                ),
                _condition(connection, one) if is_partial else None,
            )
            for (_, one, is_unique, origin, is_partial) in list(
                connection.execute(f"PRAGMA index_list({name})")
            )
            if is_unique and origin != "pk"
        ]
        self.as_values = f"(SELECT {', '.join(f'? AS {one}' for one in names)})"
        marks = ", ".join("?" * len(names))
        others = [f"{one} = excluded.{one}" for one in names if one not in keys]
        do = f"UPDATE SET {', '.join(others)}" if others else "NOTHING"
        self.put = f"INSERT INTO {name} VALUES ({marks}) ON CONFLICT ({', '.join(keys)}) DO {do}"
        where = f"{name} WHERE {' AND '.join(f'{one} = ?' for one in keys)}"
        self.remove = f"DELETE FROM {where}"

        self.key_of = self._key_of if len(self.key_places) > 1 else self._key_of_one

    def _key_of(self, row: Row) -> Key:
        return (self.name, *[row[place] for place in self.key_places])

    def _key_of_one(self, row: Row) -> Key:
        return (self.name, row[self.key_places[0]])


def _condition(connection: apsw.Connection, index: str) -> str:
    """Give the condition of a partial index."""
    wanted = "SELECT sql FROM sqlite_master WHERE name = ?"
    [(sql,)] = connection.execute(wanted, (index,)).fetchall()
    return str(sql).partition(" WHERE ")[2]


class Transaction:
    """An open transaction.

    Attributes:
        writes: the rows as it has left them.
        olds: the same rows as they were before it.
        tables: of which these rows are, where it has left them as something else.
        locks: what nobody else may change until it ends.
        waits_for: the transaction that it waits for, or None.
        on_end: what to call when it has ended.
    """

    def __init__(self) -> None:
        self.writes: dict[Key, Row | None] = {}
        self.olds: dict[Key, Row | None] = {}
        self.tables: set[str] = set()
        self.locks: set[Key] = set()
        self.waits_for: Transaction | None = None
        self.on_end: list[Callable[[], None]] = []
        self.is_open = True


class View:
    """What a statement that has waited sees.

    Attributes:
        version: the commit at which it began.
        newest: the rows of which it sees the newest version.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        # In an order, so that a history is the same in every process.
        self.newest: dict[Key, None] = {}


class Blocked(NamedTuple):
    """A statement has to wait for another transaction, and then goes on with this view."""

    by: Transaction
    view: View


class Database:
    """One database; `reset` brings it back to what `keep` was called at.

    Args:
        more: statements that make tables besides those of the service.

    Attributes:
        connection: of SQLite.
        version: how many commits there were.
        commits: what each has changed.
        rows: what is committed, of each table, by the keys of its rows.
        on_commit: is told of each commit, when it is done.
        outcomes: how often each statement gave rows, and how often none.
    """

    def __init__(self, more: str = "") -> None:
        # Each statement is parsed once, and not again whenever a hundred others have come between.
        self.connection = apsw.Connection(":memory:", statementcachesize=CACHED)
        # Nor anew for every value that it is run with.
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        self._execute = self.connection.cursor().execute
        self.outcomes: Counter[tuple[str, bool]] = Counter()
        self.connection.execute("BEGIN")
        statements = migrate()
        rows = self._run(next(statements))
        while True:
            try:
                rows = self._run(statements.send(rows))
            except StopIteration:
                break
        self.connection.execute(more)
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        self.tables = {
            name: Table(self.connection, name) for (name,) in list(self.connection.execute(names))
        }
        self._named: dict[str, frozenset[str]] = {}
        self.connection.preupdate_hook(self._see)
        self._seen: dict[Key, Change] | None = None
        self.on_commit: Callable[[dict[Key, Change]], None] | None = None
        self.keep()

    def keep(self) -> None:
        """Let everything that is there be the beginning of every history."""
        self.connection.execute("COMMIT; BEGIN")
        self._kept = {
            table.name: {
                table.key_of(row): row
                for row in self.connection.execute(f"SELECT * FROM {table.name}")
            }
            for table in self.tables.values()
        }
        self._forget()

    def reset(self) -> None:
        """Go back to the beginning."""
        self._execute("ROLLBACK")
        self._execute("BEGIN")
        self._forget()

    def places_of(self, sql: str) -> dict[str, tuple[int, ...]]:
        """Give the tables that a statement names, and where their columns are that it names."""
        words = WORD.findall(sql)
        return {
            name: tuple(
                place for column, place in self.tables[name].places.items() if column in words
            )
            for name in self._tables_of(sql)
        }

    def _forget(self) -> None:
        self.version = 0
        self.commits: list[dict[Key, Change]] = []
        self._changed_at: dict[Key, int] = {}
        self._locks: dict[Key, Transaction] = {}
        self.open: set[Transaction] = set()
        self.rows = {name: rows.copy() for name, rows in self._kept.items()}
        # Whose changes are in SQLite besides what is committed.
        self._inside: Transaction | None = None

    def begin(self) -> Transaction:
        """Open a transaction."""
        transaction = Transaction()
        self.open.add(transaction)
        return transaction

    def read(self, sql: str, values: Sequence[Any]) -> Rows:
        """Run a statement on what is committed; it changes nothing."""
        inside = self._inside
        if inside is not None and not inside.tables.isdisjoint(self._tables_of(sql)):
            self._take_out()
        rows: Rows = self._execute(sql, values).fetchall()
        self.outcomes[sql, bool(rows)] += 1
        return rows

    def execute(
        self,
        transaction: Transaction,
        sql: str,
        values: Sequence[Any],
        view: View | None = None,
    ) -> Rows | Blocked:
        """Run a statement of a transaction, or tell what it has to wait for.

        Args:
            transaction: which.
            sql: the statement.
            values: its parameters.
            view: what `Blocked` held, where it has waited.

        Raises:
            asyncpg.DeadlockDetectedError: if the others wait for this one.
            asyncpg.UniqueViolationError: if a value is there already.
        """
        transaction.waits_for = None
        if view is not None:
            for key in list(view.newest):
                # Whether or not it still fits: it is locked before it is looked at again.
                holder = self._locks.get(key)
                if holder not in (None, transaction):
                    return self._blocked(transaction, holder, view, key, key)
                if key in self.rows[key[0]]:
                    self._lock(transaction, key)
        while True:
            rows, seen = self._compute(transaction, sql, values, view)
            again = False
            for key, change in seen.items():
                if (
                    view is not None
                    and key not in view.newest
                    and self._changed_at.get(key, 0) > view.version
                ):
                    view.newest[key] = None
                    again = True
                    continue
                for lock in (key, *self._unique_values(key, change)):
                    holder = self._locks.get(lock)
                    if holder is not None and holder is not transaction:
                        if view is None:
                            self._undo(seen)
                        return self._blocked(transaction, holder, view, key, lock)
                    self._lock(transaction, lock)
            if not again:
                self.outcomes[sql, bool(rows)] += 1
                break
        for key, change in seen.items():
            transaction.olds.setdefault(key, change.old)
            transaction.writes[key] = change.new
            if change.new != change.old:
                transaction.tables.add(key[0])
        return rows

    def _lock(self, transaction: Transaction, key: Key) -> None:
        self._locks[key] = transaction
        transaction.locks.add(key)

    def _blocked(
        self, transaction: Transaction, holder: Transaction, view: View | None, key: Key, lock: Key
    ) -> Blocked:
        one: Transaction | None = holder
        while one is not None:
            if one is transaction:
                raise asyncpg.DeadlockDetectedError("deadlock detected")
            one = one.waits_for
        view = view or View(self.version)
        view.newest[key] = None
        if lock != key:
            # Which row will have the value is not known: it sees everything anew.
            view.version = 2**62
        transaction.waits_for = holder
        return Blocked(holder, view)

    def commit(self, transaction: Transaction) -> None:
        """Make what a transaction has done visible to everybody, and give back its locks."""
        changes = {
            key: Change(transaction.olds[key], row) for key, row in transaction.writes.items()
        }
        if self._inside is transaction:
            self._inside = None
        else:
            self._put_in(transaction)
        self._committed(changes)
        self._end(transaction)

    def roll_back(self, transaction: Transaction) -> None:
        """Undo what a transaction has done, and give back its locks."""
        if self._inside is transaction:
            self._take_out()
        if transaction.is_open:
            self._end(transaction)

    def run_whole(self, statements: Statements[T]) -> T:
        """Run a transaction while nobody else does anything, as SQLite has it."""
        self._seen = seen = {}
        try:
            try:
                rows = self._run(next(statements))
                while True:
                    rows = self._run(statements.send(rows))
            except StopIteration as done:
                result: T = done.value
        except BaseException:
            self._seen = None
            self._undo(seen)
            raise
        self._seen = None
        self._committed(seen)
        return result

    def lose(self, count: int) -> list[dict[Key, Change]]:
        """Forget the newest commits, as a failover does to what no standby had, and give them."""
        assert not self._locks, "a failover ends every connection first"
        assert self._inside is None
        lost = [self.commits.pop() for _ in range(count)]
        self.version = len(self.commits)
        for changes in lost:
            self._put_all([(key, change.old) for key, change in changes.items()])
            for key, change in changes.items():
                self._keep_row(key, change.old)
                self._changed_at[key] = self.version
        return lost

    def _end(self, transaction: Transaction) -> None:
        transaction.is_open = False
        transaction.waits_for = None
        self.open.discard(transaction)
        for key in transaction.locks:
            del self._locks[key]
        for call in transaction.on_end:
            call()

    def _committed(self, changes: dict[Key, Change]) -> None:
        if not changes:
            return
        self.version += 1
        self.commits.append(changes)
        for key, change in changes.items():
            self._changed_at[key] = self.version
            self._keep_row(key, change.new)
        if self.on_commit is not None:
            self.on_commit(changes)

    def _compute(
        self, transaction: Transaction, sql: str, values: Sequence[Any], view: View | None
    ) -> tuple[Rows, dict[Key, Change]]:
        """Compute what a statement gives and changes, with the transaction's changes in SQLite.

        Where it sees something older, everything is left as it was.
        """
        if view is not None:
            return self._compute_again(transaction, sql, values, view)
        if self._inside is not transaction:
            self._take_out()
            self._put_in(transaction)
            self._inside = transaction
        self._seen = seen = {}
        try:
            return self._execute(sql, values).fetchall(), seen
        except apsw.ConstraintError as error:
            # SQLite has undone it.
            raise asyncpg.UniqueViolationError(str(error)) from None
        finally:
            self._seen = None

    def _compute_again(
        self, transaction: Transaction, sql: str, values: Sequence[Any], view: View
    ) -> tuple[Rows, dict[Key, Change]]:
        """Compute what a statement gives and changes that has waited."""
        self._take_out()
        self._execute("SAVEPOINT statement")
        try:
            self._go_back(view)
            self._put_all([*transaction.writes.items()])
            self._seen = seen = {}
            return self._execute(sql, values).fetchall(), seen
        except apsw.ConstraintError as error:
            raise asyncpg.UniqueViolationError(str(error)) from None
        finally:
            self._seen = None
            self._execute("ROLLBACK TO statement")
            self._execute("RELEASE statement")

    def _put_in(self, transaction: Transaction) -> None:
        if transaction.tables:
            olds = transaction.olds
            self._put_all([one for one in transaction.writes.items() if one[1] != olds[one[0]]])

    def _take_out(self) -> None:
        """Leave nothing in SQLite but what is committed."""
        transaction, self._inside = self._inside, None
        if transaction is not None and transaction.tables:
            writes, olds = transaction.writes, transaction.olds
            changed = [key for key in reversed(writes) if olds[key] != writes[key]]
            self._put_all([(key, olds[key]) for key in changed])

    def _tables_of(self, sql: str) -> frozenset[str]:
        """Give the tables that a statement names."""
        found = self._named.get(sql)
        if found is None:
            found = self._named[sql] = frozenset(self.tables).intersection(WORD.findall(sql))
        return found

    def _undo(self, seen: dict[Key, Change]) -> None:
        self._put_all([(key, seen[key].old) for key in reversed(seen)])

    def _keep_row(self, key: Key, row: Row | None) -> None:
        if row is None:
            self.rows[key[0]].pop(key, None)
        else:
            self.rows[key[0]][key] = row

    def _go_back(self, view: View) -> None:
        """Put back what was committed after a view began, but for the rows that it sees anew."""
        for changes in reversed(self.commits[view.version :]):
            olds = [(key, change.old) for key, change in changes.items()]
            self._put_all([one for one in olds if one[0] not in view.newest])

    def _put_all(self, rows: list[tuple[Key, Row | None]]) -> None:
        try:
            for key, row in rows:
                self._put(key, row)
        except apsw.ConstraintError:
            # A unique value passes from one row to another: all of them go before any comes.
            for key, _ in rows:
                self._put(key, None)
            for key, row in rows:
                self._put(key, row)

    def _put(self, key: Key, row: Row | None) -> None:
        table = self.tables[key[0]]
        if row is None:
            self._execute(table.remove, key[1:])
        else:
            self._execute(table.put, row)

    def _unique_values(self, key: Key, change: Change) -> list[Key]:
        """Give the unique values that a row has now, and had not before."""
        if change.new is None:
            return []
        table, found = self.tables[key[0]], []
        for places, condition in table.unique:
            new = tuple(change.new[place] for place in places)
            old = None if change.old is None else tuple(change.old[place] for place in places)
            if None in new or change.new == change.old:
                continue
            if condition is not None:
                if not self._fits(table, condition, change.new):
                    continue
                if change.old is not None and not self._fits(table, condition, change.old):
                    old = None
            if new != old:
                found.append((key[0], places, *new))
        return found

    def _fits(self, table: Table, condition: str, row: Row) -> bool:
        """Tell whether a row belongs to a partial index."""
        sql = f"SELECT {condition} FROM {table.as_values}"
        return bool(self._execute(sql, row).fetchall()[0][0])

    def _run(self, statement: tuple[str, Sequence[Any]]) -> Rows:
        rows: Rows = self._execute(*statement).fetchall()
        self.outcomes[statement[0], bool(rows)] += 1
        return rows

    def _see(self, update: Any) -> None:
        """Take down what SQLite changes."""
        seen = self._seen
        if seen is None:
            return
        old, new = update.old, update.new
        table = self.tables[update.table_name]
        key = table.key_of(old if new is None else new)
        if old is not None and new is not None and (former := table.key_of(old)) != key:
            # A row whose key becomes another one goes, and another one comes.
            before = seen.get(former)
            seen[former] = Change(old if before is None else before.old, None)
            old = None
        before = seen.get(key)
        seen[key] = Change(old if before is None else before.old, new)
