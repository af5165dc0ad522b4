"""Choosing the engine."""

from __future__ import annotations

from pathlib import Path

from carnet.errors import ServerError
from carnet.server.store.base import Store

__all__ = ["open_store"]


async def open_store(database: str | Path) -> Store:
    """Open a database and bring it to this version's shape.

    Args:
        database: a ``postgresql://`` URL, or the path of a SQLite file.

    Raises:
        ServerError: if it can't be used.
    """
    if isinstance(database, str):
        try:
            from carnet.server.store.postgres import PostgresStore
        except ModuleNotFoundError as error:
            if error.name != "asyncpg":
                raise
            raise ServerError(
                'PostgreSQL needs the package asyncpg: pip install "carnet[postgres]"',
                code="driver_missing",
            ) from None
        return await PostgresStore.open(database)
    from carnet.server.store.sqlite import SqliteStore

    return SqliteStore(database)
