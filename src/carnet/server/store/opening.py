"""Choosing the engine."""

from __future__ import annotations

from pathlib import Path

from carnet.errors import ServerError
from carnet.server.store.base import Opening, Store

__all__ = ["open_store"]


async def open_store(database: str | Path, opening: Opening = Opening.MIGRATE) -> Store:
    """Open a database; by default it is brought to this version's shape.

    Args:
        database: a ``postgresql://`` URL, or the path of a SQLite file.
        opening: what may be done to it.

    Raises:
        ServerError: if it can't be used; ``database_missing`` or ``migrations_missing`` where it
            would have to be made or changed, and that may not be done.
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
        return await PostgresStore.open(database, opening)
    from carnet.server.store.sqlite import SqliteStore

    return SqliteStore(database, opening)
