"""Copying everything from one engine to the other: resumable, and checked at its end.

The tables are those of the SQLite side's own schema, so one that a migration adds is copied too.
Rows go over in batches, by primary key; where a batch ended is written in the transaction that
holds it, into the table ``unfinished_copy`` of the target. That table also says that what is there
is a copy's beginning and nobody's data. It goes when both sides have the same rows.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec

from carnet.errors import ServerError
from carnet.server.store.base import Rows, Store, Transaction

__all__ = ["Progress", "Table", "copy_store", "read_tables"]

MAX_PARAMETERS: Final = 30_000
BATCH: Final = 1000
# What every new database has: they are no sign of anybody's data.
OWN: Final = ("migration",)
PREPARED: Final = ("counter",)
UNFINISHED_COPY: Final = "unfinished_copy"


class Table(NamedTuple):
    """A table.

    Attributes:
        name: of the table.
        columns: all of them.
        key: those of the primary key.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Give the key of a row, which comes with its key first."""
        return tuple(row[: len(self.key)])


class Progress(NamedTuple):
    """How far a copy has come.

    Attributes:
        step: ``copy`` or ``check``.
        table: the table's name.
        done: rows that are done.
        total: rows that there are.
    """

    step: str
    table: str
    done: int
    total: int


async def read_tables(sqlite: Store) -> list[Table]:
    """Give the tables of a SQLite database, those that others refer to first."""
    tables, refers = {}, {}
    for (name,) in await sqlite.read(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ):
        if name in (*OWN, UNFINISHED_COPY):
            continue
        rows = await sqlite.read("SELECT name, pk FROM pragma_table_info($1)", name)
        columns = tuple(column for column, _ in rows)
        # 0 for a column that is none of the key's, and otherwise its place in it.
        key = sorted((place, column) for column, place in rows if place)
        tables[name] = Table(name, columns, tuple(column for _, column in key))
        found = await sqlite.read('SELECT "table" FROM pragma_foreign_key_list($1)', name)
        refers[name] = {other for (other,) in found}
    ordered: list[Table] = []
    while tables:
        free = [name for name in sorted(tables) if not refers[name] & tables.keys() - {name}]
        ordered += [tables.pop(name) for name in free]
    return ordered


async def copy_store(source: Store, target: Store, tables: list[Table]) -> AsyncIterator[Progress]:
    """Copy all rows, go on where an earlier copy was interrupted, and compare both sides.

    Args:
        source: is only read, and must not be written meanwhile.
        target: empty, or an unfinished copy.
        tables: what there is.

    Raises:
        ServerError: ``target_in_use`` or ``copy_differs``.
    """
    await _begin(target, tables)
    for table in tables:
        async for progress in _copy(source, target, table):
            yield progress
    for table in tables:
        total = await _count(source, table)
        yield Progress("check", table.name, 0, total)
        if await _digest(source, table) != await _digest(target, table):
            raise ServerError(
                f"the table {table.name} differs: the source has changed meanwhile; stop its "
                "servers, empty the target, and run this again",
                code="copy_differs",
            )
        yield Progress("check", table.name, total, total)
    await target.write(f"DROP TABLE {UNFINISHED_COPY}")


async def _begin(target: Store, tables: list[Table]) -> None:
    def work() -> Transaction[str | None]:
        yield (
            f"CREATE TABLE IF NOT EXISTS {UNFINISHED_COPY} "
            "(table_name TEXT PRIMARY KEY, last_key TEXT)",
            (),
        )
        if (yield f"SELECT table_name FROM {UNFINISHED_COPY}", ()):
            return None
        for table in tables:
            if table.name not in PREPARED and (yield f"SELECT 1 FROM {table.name} LIMIT 1", ()):
                yield f"DROP TABLE {UNFINISHED_COPY}", ()
                return table.name
        for table in tables:
            yield f"INSERT INTO {UNFINISHED_COPY} (table_name) VALUES ($1)", (table.name,)
        return None

    used = await target.transact(work)
    if used is not None:
        raise ServerError(
            f"the target is in use: its table {used} has rows; name an empty database",
            code="target_in_use",
        )


async def _copy(source: Store, target: Store, table: Table) -> AsyncIterator[Progress]:
    total, done = await _count(source, table), 0
    [(text,)] = await target.read(
        f"SELECT last_key FROM {UNFINISHED_COPY} WHERE table_name = $1", table.name
    )
    after = None if text is None else _key_of(text)
    if after is not None:
        done = await _count(target, table)
    yield Progress("copy", table.name, done, total)
    async for rows in _pages(source, table, after):
        last = _text_of(table.key_of(rows[-1]))

        def work(rows: Rows = rows, last: str = last) -> Transaction[None]:
            yield _insert(table, len(rows)), tuple(value for row in rows for value in row)
            yield (
                f"UPDATE {UNFINISHED_COPY} SET last_key = $1 WHERE table_name = $2",
                (last, table.name),
            )

        await target.transact(work)
        done += len(rows)
        yield Progress("copy", table.name, min(done, total), total)


async def _pages(
    store: Store, table: Table, after: tuple[Any, ...] | None = None
) -> AsyncIterator[Rows]:
    """Give the rows in batches, key first, in the store's own order of the key."""
    columns, key = ", ".join(_columns(table)), ", ".join(table.key)
    size = min(BATCH, MAX_PARAMETERS // len(table.columns))
    while True:
        where = ""
        if after is not None:
            places = ", ".join(f"${number}" for number in range(1, len(after) + 1))
            where = f"WHERE ({key}) > ({places})"
        text = f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT {size}"
        rows = await store.read(text, *(after or ()))
        if not rows:
            return
        yield rows
        after = table.key_of(rows[-1])


def _columns(table: Table) -> list[str]:
    return [*table.key, *(name for name in table.columns if name not in table.key)]


def _insert(table: Table, count: int) -> str:
    columns = _columns(table)
    width = len(columns)
    rows = ", ".join(
        f"({', '.join(f'${start + number}' for number in range(1, width + 1))})"
        for start in range(0, count * width, width)
    )
    rest = columns[len(table.key) :]
    # A counter is there already, with another value.
    change = ", ".join(f"{name} = excluded.{name}" for name in rest)
    action = f"UPDATE SET {change}" if rest else "NOTHING"
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {rows} "
        f"ON CONFLICT ({', '.join(table.key)}) DO {action}"
    )


async def _count(store: Store, table: Table) -> int:
    [(count,)] = await store.read(f"SELECT COUNT(*) FROM {table.name}")
    return int(count)


async def _digest(store: Store, table: Table) -> tuple[int, int]:
    """Give the number of rows and the sum of their hashes: no engine orders text as another."""
    count, total = 0, 0
    async for rows in _pages(store, table):
        for row in rows:
            digest = hashlib.sha256(msgspec.msgpack.encode(tuple(row))).digest()
            total = (total + int.from_bytes(digest, "big")) % 2**256
        count += len(rows)
    return count, total


def _text_of(key: tuple[Any, ...]) -> str:
    items = [
        {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for value in key
    ]
    return msgspec.json.encode(items).decode()


def _key_of(text: str) -> tuple[Any, ...]:
    return tuple(
        base64.b64decode(item["bytes"]) if isinstance(item, dict) else item
        for item in msgspec.json.decode(text)
    )
