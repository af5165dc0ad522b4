"""Migrations: numbered SQL files, run once each, in order, in one transaction, never undone."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final, NamedTuple

from carnet.errors import ServerError
from carnet.server.clock import now
from carnet.server.store.base import MigrationsMissing, Rows, Transaction

__all__ = ["Migration", "check_shape", "migrate", "missing_migrations"]


APPLIED: Final = "SELECT number, checksum FROM migration"


class Migration(NamedTuple):
    """One SQL file beside this one, such as ``0001_first.sql``."""

    number: int
    checksum: str
    statements: list[str]
    name: str


def missing_migrations(has_history: str) -> Transaction[list[Migration]]:
    """Give the migrations that the database lacks; nothing is written.

    Args:
        has_history: a statement that has a row where the table of the migrations is there.

    Raises:
        ServerError: ``database_too_new`` or ``database_changed``.
    """
    if (yield has_history, ()):
        return _missing((yield APPLIED, ()))
    return _missing([])


def check_shape(has_history: str) -> Transaction[None]:
    """Check that the database lacks nothing.

    Args:
        has_history: as for ``missing_migrations``.

    Raises:
        MigrationsMissing: if it does.
        ServerError: ``database_too_new`` or ``database_changed``.
    """
    missing = yield from missing_migrations(has_history)
    if missing:
        raise MigrationsMissing([one.name for one in missing])


def migrate() -> Transaction[list[str]]:
    """Bring the database to this version's shape, and give the names of what it lacked.

    Raises:
        ServerError: ``database_too_new`` or ``database_changed``.
    """
    yield (
        "CREATE TABLE IF NOT EXISTS migration "
        "(number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
        (),
    )
    missing = _missing((yield APPLIED, ()))
    for migration in missing:
        for statement in migration.statements:
            yield statement, ()
        yield (
            "INSERT INTO migration (number, checksum, applied_at) VALUES ($1, $2, $3)",
            (migration.number, migration.checksum, now()),
        )
    return [migration.name for migration in missing]


def _missing(rows: Rows) -> list[Migration]:
    applied: dict[int, str] = dict(rows)
    migrations = read_migrations()
    if applied and max(applied) > migrations[-1].number:
        raise ServerError(
            "the database was made by a newer version of Carnet; "
            "install that version, or restore a backup from before it",
            code="database_too_new",
        )
    for migration in migrations:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise ServerError(
                f"migration {migration.number} of the database is not the one of this version; "
                "install the version of Carnet that made it",
                code="database_changed",
            )
    return [migration for migration in migrations if migration.number not in applied]


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
        migrations.append(Migration(int(file.name[:4]), checksum, statements, file.name[:-4]))
    return migrations
