"""The service: everything that an endpoint needs, opened and closed together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from carnet.errors import ServerError
from carnet.server.access_tokens import AccessTokens
from carnet.server.accounts import Accounts
from carnet.server.clock import Clock, now
from carnet.server.master_key import MasterKey, create_master_key, read_master_key
from carnet.server.passwords import Passwords
from carnet.server.sessions import Sessions
from carnet.server.settings import Settings
from carnet.server.signing_keys import Keys, load_keys
from carnet.server.store import SqliteStore, Store

__all__ = ["Service", "open_service"]


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of the running service.

    Attributes:
        settings: what it was told.
        store: its database.
        keys: what it signs with and publishes.
        accounts: who may sign in.
        sessions: who is signed in.
        access_tokens: what they are given.
    """

    settings: Settings
    store: Store
    keys: Keys
    accounts: Accounts
    sessions: Sessions
    access_tokens: AccessTokens


@asynccontextmanager
async def open_service(settings: Settings, clock: Clock = now) -> AsyncIterator[Service]:
    """Open the data folder, making at the first start what it needs.

    Args:
        settings: what the service is told.
        clock: gives the microseconds since 1970.

    Raises:
        ServerError: if the folder, the database or the master key can't be used.
    """
    database = settings.folder / "carnet.db"
    master_key = _open_folder(settings.folder, database)
    store = SqliteStore(database)
    passwords = None
    try:
        keys = await load_keys(store, master_key, settings.signing_algorithm, clock)
        passwords = Passwords()
        yield Service(
            settings,
            store,
            keys,
            Accounts(store, passwords, clock),
            Sessions(store, keys, settings, clock),
            AccessTokens(keys, settings),
        )
    finally:
        if passwords is not None:
            passwords.close()
        await store.close()


def _open_folder(folder: Path, database: Path) -> MasterKey:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(
            f"can't make the data folder {folder}: {error.strerror}; name another one with --data",
            code="data_unwritable",
        ) from None
    path = folder / "master.key"
    if path.exists() or (database.exists() and database.stat().st_size > 0):
        return read_master_key(path)
    return create_master_key(path)
