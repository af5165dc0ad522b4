"""`carnet migrate-store`, between a real SQLite and a real PostgreSQL, there and back."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys

import pytest
from tests import processes

from carnet.errors import ServerError
from carnet.server.store import open_store
from carnet.server.store.copying import copy_store, read_tables


@pytest.fixture
def lived(start, add_user, tmp_path):
    """A data folder with an account and a session, and its refresh token; no server runs."""
    add_user()
    server = start()
    session = server.sign_in().json()
    ended = server.sign_in().json()
    server.sign_out(ended["access_token"])
    assert server.stop() == 0
    return tmp_path / "data", session, ended


def migrate(carnet, source, target):
    done = carnet("migrate-store", "--from", str(source), "--to", str(target), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["copied"]


def test_sessions_live_on_in_postgresql_and_come_back(lived, carnet, start, postgres_url, tmp_path):
    folder, session, ended = lived
    copied = migrate(carnet, folder, postgres_url)
    assert (copied["account"], copied["session"], copied["pepper"]) == (1, 2, 1)
    server = start("--database", postgres_url)
    refreshed = server.refresh(session["refresh_token"])
    assert refreshed.status_code == 200
    assert refreshed.json()["session_id"] == session["session_id"]
    assert server.refresh(ended["refresh_token"]).status_code == 400
    assert server.sign_in().status_code == 201
    assert server.stop() == 0
    back = tmp_path / "back"
    migrate(carnet, postgres_url, back)
    (back / "master.key").write_bytes((folder / "master.key").read_bytes())
    (back / "master.key").chmod(0o600)
    server = start(data=back)
    assert server.refresh(refreshed.json()["refresh_token"]).status_code == 200


def test_a_target_in_use_is_left_as_it_is(lived, carnet, postgres_url):
    folder, _, _ = lived
    migrate(carnet, folder, postgres_url)
    done = carnet("migrate-store", "--from", str(folder), "--to", postgres_url)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the target is in use" in done.stderr


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("a", "b", "the other a postgresql:// URL"),
        ("nowhere", "postgresql://127.0.0.1:1/x", "there is no database"),
    ],
)
def test_what_cant_be_copied_is_told_in_one_line(carnet, source, target, said):
    done = carnet("migrate-store", "--from", source, "--to", target)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


KILLED = """
import asyncio, os, sys
from pathlib import Path
from carnet.server.store import copying, open_store

async def run():
    source, target = await open_store(Path(sys.argv[1])), await open_store(sys.argv[2])
    seen = 0
    async for progress in copying.copy_store(source, target, await copying.read_tables(source)):
        seen += progress.done > 0
        if seen > int(sys.argv[3]):
            os.kill(os.getpid(), 9)

copying.BATCH = 7
asyncio.run(run())
"""


@pytest.mark.parametrize("batches", [1, 3, 5])
def test_a_killed_copy_goes_on_where_it_was(lived, carnet, postgres_url, batches):
    folder, _, _ = lived
    with sqlite3.connect(folder / "carnet.db") as database:
        database.executemany(
            "INSERT INTO audit (id, at, event) VALUES (?, ?, 'x')",
            [(f"{number}-é", number) for number in range(40)],
        )
    database.close()
    command = [sys.executable, "-c", KILLED, folder / "carnet.db", postgres_url, str(batches)]
    assert processes.run(command).returncode == -9
    migrate(carnet, folder, postgres_url)
    assert rows_of(folder / "carnet.db") == rows_of(postgres_url)


def rows_of(database):
    async def read():
        store = await open_store(database)
        try:
            return sorted(await store.read("SELECT id, at, event FROM audit"))
        finally:
            await store.close()

    return asyncio.run(read())


def test_a_source_that_changes_meanwhile_is_noticed(lived, postgres_url):
    folder, _, _ = lived

    async def run():
        source = await open_store(folder / "carnet.db")
        target = await open_store(postgres_url)
        try:
            async for progress in copy_store(source, target, await read_tables(source)):
                if progress.step == "check" and progress.done == 0:
                    await source.write("UPDATE account SET username = username || '2'")
        finally:
            await source.close()
            await target.close()

    with pytest.raises(ServerError) as refused:
        asyncio.run(run())
    assert refused.value.code == "copy_differs"
