"""Every engine, with a fresh and empty database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from carnet.server.store import open_store


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    """What `open_store` takes, for one engine after the other."""
    if request.param == "sqlite":
        return tmp_path / "carnet.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def is_postgres(database):
    return not isinstance(database, Path)


@pytest.fixture
def play(database):
    """Run a scene with an open store."""

    def run(scene):
        async def opened():
            store = await open_store(database)
            try:
                return await scene(store)
            finally:
                await store.close()

        return asyncio.run(opened())

    return run
