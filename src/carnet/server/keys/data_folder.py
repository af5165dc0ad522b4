"""The data folder: the master key, and the database where it is SQLite."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from carnet.errors import ServerError
from carnet.server.keys.master_key import (
    SIZE,
    MasterKey,
    create_master_key,
    parse_master_key,
    read_master_key,
)
from carnet.server.settings import Settings

__all__ = ["NEXT_KEY", "DataFolder", "find_master_key", "open_folder", "read_folder"]

KEY = "master.key"

NEXT_KEY = "master.key.next"
"""The file of a new master key, until the database has taken it."""


class DataFolder(NamedTuple):
    """What stands in the folder.

    Attributes:
        database: the path of the SQLite database, whether it is used or not.
        master_key: what the private keys are encrypted under.
        key_path: the file of the master key, or None where the settings hold the key itself.
        is_new: whether the master key was made just now.
    """

    database: Path
    master_key: MasterKey
    key_path: Path | None
    is_new: bool

    def find_master_keys(self) -> Iterator[MasterKey]:
        """Give the master keys that are in the folder now.

        While one is changed, the next takes the place of the other: whoever looks for it too late
        beside the other finds it there.
        """
        if self.key_path is None:
            return
        for path in (self.key_path, self.key_path.with_name(NEXT_KEY), self.key_path):
            with suppress(ServerError):
                yield read_master_key(path)


def read_folder(settings: Settings, *, needs_key: bool) -> DataFolder:
    """Give what stands in the data folder, and write nothing.

    Args:
        settings: where it is.
        needs_key: whether anything is encrypted yet; without that, the master key may be missing.

    Raises:
        ServerError: if the master key can't be used.
    """
    database, path = settings.folder / "carnet.db", settings.folder / KEY
    if settings.master_key:
        return DataFolder(database, find_master_key(settings), None, False)
    if needs_key or path.exists():
        return DataFolder(database, read_master_key(path), path, False)
    # It goes with this process: there is nothing to decrypt, and nothing will be encrypted.
    return DataFolder(database, MasterKey(secrets.token_bytes(SIZE)), path, False)


def open_folder(settings: Settings) -> DataFolder:
    """Open the data folder; at the first start it is made, with a new master key.

    Where the settings hold the master key and the database is PostgreSQL, there is none.

    Raises:
        ServerError: if the folder or the master key can't be used.
    """
    folder = settings.folder
    database, path = folder / "carnet.db", folder / KEY
    if settings.master_key and settings.database:
        return DataFolder(database, find_master_key(settings), None, False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = database.exists() and database.stat().st_size > 0
    except OSError as error:
        raise ServerError(
            f"can't make the data folder {folder}: {error.strerror}; name another one with --data",
            code="data_unwritable",
        ) from None
    if settings.master_key:
        return DataFolder(database, find_master_key(settings), None, False)
    if path.exists() or (begun and not settings.database):
        return DataFolder(database, read_master_key(path), path, False)
    return DataFolder(database, create_master_key(path), path, True)


def find_master_key(settings: Settings) -> MasterKey:
    """Give the master key that is there already: the settings' own, or that of the data folder.

    Raises:
        ServerError: if it can't be used.
    """
    if settings.master_key:
        return parse_master_key(settings.master_key, "the setting master_key")
    return read_master_key(settings.folder / KEY)
