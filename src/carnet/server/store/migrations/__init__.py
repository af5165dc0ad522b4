"""Migrations: numbered SQL files, run once each, in order, in one transaction, never undone."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import NamedTuple

from carnet.errors import ServerError
from carnet.server.clock import now
from carnet.server.store.base import Transaction

__all__ = ["migrate"]


class Migration(NamedTuple):
    """One SQL file beside this one, such as ``0001_first.sql``."""

    number: int
    checksum: str
    statements: list[str]


def migrate() -> Transaction[None]:
    """Bring the database to this version's shape.

    Raises:
        ServerError: ``database_too_new`` or ``database_changed``.
    """
    yield (
        "CREATE TABLE IF NOT EXISTS migration "
        "(number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
        (),
    )
    rows = yield "SELECT number, checksum FROM migration", ()
    applied: dict[int, str] = dict(rows)
    migrations = read_migrations()
    if applied and max(applied) > migrations[-1].number:
        raise ServerError(
            "the database was made by a newer version of Carnet; "
            "install that version, or restore a backup from before it",
            code="database_too_new",
        )
    for migration in migrations:
        checksum = applied.get(migration.number)
        if checksum == migration.checksum:
            continue
        if checksum is not None:
            raise ServerError(
                f"migration {migration.number} of the database is not the one of this version; "
                "install the version of Carnet that made it",
                code="database_changed",
            )
        for statement in migration.statements:
            yield statement, ()
        yield (
            "INSERT INTO migration (number, checksum, applied_at) VALUES ($1, $2, $3)",
            (migration.number, migration.checksum, now()),
        )


def read_migrations() -> list[Migration]:
    """Read the SQL files, in order."""
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    migrations = []
    for file in files:
        text = file.read_text("utf-8")
        statements = [part.strip() for part in text.split(";\n") if part.strip()]
        checksum = hashlib.sha256(text.encode()).hexdigest()
        migrations.append(Migration(int(file.name[:4]), checksum, statements))
    return migrations
