"""Backing up a SQLite database while servers write it, and putting a backup back.

A backup is a copy of one moment. SQLite's own copying begins again whenever another connection has
written between two of its steps, and under load it never ends. Here the source holds a read
transaction from the first step to the last: in WAL mode that keeps its view of the database, and
nobody who writes waits for it.

What is copied appears under its name only when it is whole, has been checked and is on the disk.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, Self

import apsw

from carnet.errors import ServerError

__all__ = ["LAST_BACKUP", "back_up", "check_backup", "last_backup", "restore"]

PAGES_A_STEP: Final = 2048
BUSY_MILLISECONDS: Final = 10_000
LAST_BACKUP: Final = "last-backup"
"""The file beside a database whose time is that of its last backup."""
SIDE_FILES: Final = ("-wal", "-shm", "-journal")


def back_up(source: Path, target: Path) -> Iterator[tuple[int, int]]:
    """Copy a database into a new file with mode 0600, and check the copy.

    Args:
        source: a SQLite database; others may write it meanwhile.
        target: the file to make; it must not be there.

    Yields:
        The pages that are copied, and those that there are.

    Raises:
        ServerError: ``backup_exists``, ``backup_source_missing``, ``backup_broken`` or
            ``data_unwritable``.
    """
    if not source.is_file():
        raise ServerError(
            f"there is no database at {source}; name the data folder with --data",
            code="backup_source_missing",
        )
    if target.exists():
        raise ServerError(
            f"{target} already exists; name a new file, or move that one away",
            code="backup_exists",
        )
    with _Draft(target) as draft:
        yield from _copy(source, draft.path)
        check_backup(draft.path)
        draft.keep()
    # Where only the database may be read, nobody is told of the backup, but it is one.
    with suppress(OSError):
        source.with_name(LAST_BACKUP).touch(0o600)


def last_backup(database: Path) -> int | None:
    """Give when a database was backed up last, in microseconds since 1970, as far as is known."""
    try:
        return database.with_name(LAST_BACKUP).stat().st_mtime_ns // 1000
    except OSError:
        return None


def check_backup(file: Path) -> str | None:
    """Check that a file is an undamaged database of Carnet's.

    Returns:
        One of its secrets, encrypted under the master key that belongs to it, if it has any.

    Raises:
        ServerError: ``backup_broken``.
    """
    try:
        with closing(_open(file, apsw.SQLITE_OPEN_READONLY)) as database:
            if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise _broken(file, "its pages are inconsistent")
            found = database.execute("SELECT encrypted_secret FROM pepper LIMIT 1").fetchall()
    except apsw.Error as error:
        raise _broken(file, str(error)) from None
    return next((str(secret) for (secret,) in found), None)


def restore(backup: Path, target: Path) -> Path | None:
    """Put a copy of a backup in the place of a database that nobody has open.

    Args:
        backup: what ``back_up`` made.
        target: the database's path; what is there now is kept beside it.

    Returns:
        Where the database that was there before is kept, or None where there was none.

    Raises:
        ServerError: ``backup_broken``, ``database_in_use`` or ``data_unwritable``.
    """
    check_backup(backup)
    if target.exists():
        _check_unused(target)
    # SQLite would write what a log of another database holds into this one.
    before = [path for path in (target, *_side_files(target)) if path.exists()]
    mark = f".replaced-{secrets.token_hex(4)}"
    with _Draft(target) as draft:
        for _ in _copy(backup, draft.path):
            continue
        for path in before:
            path.rename(target.with_name(target.name + mark + path.name[len(target.name) :]))
        draft.keep()
    return target.with_name(target.name + mark) if target in before else None


class _Draft:
    """A file under a name of its own until it is kept; otherwise it goes again."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name(f".{target.name}.{secrets.token_hex(8)}")

    def __enter__(self) -> Self:
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise _unwritable(self._target, error) from None
        return self

    def keep(self) -> None:
        """Give the file its name, durably."""
        try:
            for path in (self.path, self._target.parent):
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
                if path == self.path:
                    self.path.rename(self._target)
        except OSError as error:
            raise _unwritable(self._target, error) from None

    def __exit__(self, *_: object) -> None:
        for path in (self.path, *_side_files(self.path)):
            with suppress(OSError):
                path.unlink()


def _side_files(path: Path) -> list[Path]:
    """Give where SQLite keeps what is not in the database's file yet."""
    return [path.with_name(path.name + ending) for ending in SIDE_FILES]


def _copy(source: Path, target: Path) -> Iterator[tuple[int, int]]:
    had_log = source.with_name(f"{source.name}-wal").exists()
    try:
        with closing(_open(source)) as old, closing(_open(target)) as new:
            # Held until the last page: without it every write of another's begins the copy again.
            # Nor is what a killed server has left in its log tidied up at the end.
            old.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(had_log))
            old.execute("BEGIN")
            old.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
            with new.backup("main", old, "main") as copying:
                while not copying.done:
                    copying.step(PAGES_A_STEP)
                    yield copying.page_count - copying.remaining, copying.page_count
            # The copy of a database in WAL mode is in WAL mode too: one file is what is wanted.
            new.pragma("journal_mode", "delete")
    except apsw.FullError:
        raise ServerError(
            f"there is no space left for {target.parent}; free some, or name another folder",
            code="data_unwritable",
        ) from None
    except apsw.Error as error:
        raise _broken(source, str(error)) from None


def _check_unused(path: Path) -> None:
    """Check that no other process has a database open: only then may it leave WAL mode."""
    try:
        with closing(_open(path)) as database:
            database.set_busy_timeout(0)
            database.pragma("journal_mode", "delete")
    except apsw.BusyError:
        raise ServerError(
            f"a server has {path} open; stop it, and run this again", code="database_in_use"
        ) from None
    except apsw.Error as error:
        # What can't be opened any more is just what a backup is put back for.
        if not isinstance(error, apsw.NotADBError | apsw.CorruptError):
            raise _broken(path, str(error)) from None


def _open(path: Path, flags: int = apsw.SQLITE_OPEN_READWRITE) -> apsw.Connection:
    database = apsw.Connection(str(path), flags=flags)
    database.set_busy_timeout(BUSY_MILLISECONDS)
    return database


def _broken(file: Path, reason: str) -> ServerError:
    return ServerError(f"{file} is not an intact Carnet database: {reason}", code="backup_broken")


def _unwritable(path: Path, error: OSError) -> ServerError:
    return ServerError(f"can't write {path}: {error.strerror}", code="data_unwritable")
