"""Every command that touches the data reads or writes it, and those that read write nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import apsw
import asyncpg
import pytest
from tests import processes

from carnet.cli.commands import root
from carnet.cli.main import main
from carnet.cli.manual import commands
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.keys.data_folder import open_folder
from carnet.server.settings import Settings
from carnet.server.store import open_store
from carnet.server.store.backup import LAST_BACKUP

# What each is called with, apart from where the data is.
READING = {
    "apply": ("clients.toml", "--check"),
    "audit": ("--json",),
    "backup": ("copy.db",),
    "client list": ("--json",),
    "client registration-token list": ("--json",),
    "client show": ("shop",),
    "export": (),
    "keys list": ("--json",),
    "migrate": ("--check",),
    "resource list": ("--json",),
    "scim token list": ("--json",),
    "serve": ("--check",),
    "session list": ("alice",),
    "user email list": ("alice",),
    "user export": ("--all",),
    "user factors": ("alice",),
    "user import": ("users.csv", "--dry-run"),
    "user list": ("--json",),
}
WRITING = {
    "apply",
    "client add",
    "client edit",
    "client new-secret",
    "client registration-token create",
    "client registration-token revoke",
    "client remove",
    "client remove-previous-secret",
    "demo",
    "keys change-master-key",
    "keys retire",
    "keys rotate",
    "mcp protect",
    "migrate",
    "resource add",
    "resource edit",
    "resource remove",
    "restore",
    "scim adopt",
    "scim token create",
    "scim token revoke",
    "serve",
    "session end",
    "user add",
    "user claims",
    "user delete",
    "user disable",
    "user email add",
    "user email remove",
    "user enable",
    "user import",
    "user invite",
    "user link",
    "user merge",
    "user password",
    "user recover",
    "user remove-factor",
    "user rename",
    "user reset-factors",
    "user reset-link",
    "user roles",
    "user unlink",
}
SQLITE_ALONE = {"backup"}
OLDER = Path(__file__).with_name("store") / "stores" / "0004.sql"

every_reading_command = pytest.mark.parametrize("command", READING)


def test_every_command_on_the_data_is_known_to_read_or_to_write():
    found = {
        " ".join(path[1:])
        for path, command in commands(root)
        if "data" in {parameter.name for parameter in command.params}
    }
    assert found == READING.keys() | WRITING


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a reading command in this process, and give its exit status and what it says."""

    def run_one(command, *flags):
        monkeypatch.chdir(tmp_path)
        Path("clients.toml").touch()
        Path("users.csv").write_text("username\n")
        words = (*command.split(), *READING[command], *flags)
        monkeypatch.setattr(sys, "argv", ["carnet", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run_one


def fill(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", "a-long-enough-password", ["ADMIN"])
        metadata = ClientMetadata(client_name="Shop", grant_types=["client_credentials"])
        await service.registry.add_client(metadata, OPERATOR, "shop")

    play(scene)


# Its key has signed for too long, and nobody has worked out what its username looks like: whoever
# opens it to write does both.
DUE = (
    "UPDATE signing_key SET signs_from = 1, created_at = 1",
    "UPDATE account SET skeleton = NULL",
)


@pytest.fixture
def store(play, tmp_path):
    """A data folder in which something is due."""
    fill(play)
    database = apsw.Connection(str(tmp_path / "data" / "carnet.db"))
    for statement in DUE:
        database.execute(statement)
    database.close()
    return tmp_path / "data"


def state_of(folder):
    """The files and their times; the index of the log holds no data, and readers write in it.

    Nor is the note that there is a backup any of the data.
    """
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        if not path.name.endswith("-shm")
        else None
        for path in folder.iterdir()
        if path.name != LAST_BACKUP
    }


@every_reading_command
def test_a_reading_command_leaves_the_data_as_it_is(run, store, command):
    before = state_of(store)
    status, _, said = run(command, "--data", "data")
    assert (status, said) == (0, "")
    assert state_of(store) == before


@every_reading_command
def test_a_reading_command_leaves_what_a_killed_server_has_left(run, store, command):
    program = """
import os, sys, apsw
database = apsw.Connection(sys.argv[1])
database.execute("UPDATE account SET skeleton = NULL")
database.execute("UPDATE counter SET value = value + 1")
os.kill(os.getpid(), 9)
"""
    processes.run([sys.executable, "-c", program, store / "carnet.db"])
    before = state_of(store)
    assert before["carnet.db-wal"][0]
    status, _, said = run(command, "--data", "data")
    assert (status, said) == (0, "")
    assert state_of(store) == before


@every_reading_command
def test_where_nothing_is_a_reading_command_says_so_in_one_line_and_makes_nothing(
    run, tmp_path, command
):
    status, out, said = run(command, "--data", "data")
    assert not (tmp_path / "data").exists()
    if command == "serve":
        assert (status, said) == (0, "")
        assert "the data folder is made at the first start" in out
        return
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith("carnet: there is no database at data/carnet.db; ")
    assert "--data" in said


@every_reading_command
def test_a_reading_command_leaves_an_older_database_as_it_is(run, tmp_path, command):
    data = tmp_path / "data"
    open_folder(Settings(data=str(data)))
    with sqlite3.connect(data / "carnet.db") as older:
        older.execute("PRAGMA journal_mode = wal")
        older.executescript(OLDER.read_text())
    older.close()
    before = state_of(data)
    status, out, said = run(command, "--data", "data")
    assert state_of(data) == before
    if command == "backup":
        assert (status, said) == (0, "")
    elif command == "serve":
        assert (status, said) == (0, "")
        assert "the database is brought to this version's shape at the start" in out
    elif command == "migrate":
        assert (status, said) == (1, "")
        assert out.splitlines()[0] == "missing 0005_logout_failures"
    else:
        assert (status, said.count("\n")) == (2, 1)
        assert "the database lacks 0005_logout_failures, 0006_sign_in" in said
        assert "carnet migrate" in said


def test_a_check_of_a_server_that_must_not_migrate_refuses_an_older_database(run, tmp_path):
    open_folder(Settings(data=str(tmp_path / "data")))
    with sqlite3.connect(tmp_path / "data" / "carnet.db") as older:
        older.executescript(OLDER.read_text())
    older.close()
    status, _, said = run("serve", "--data", "data", "--no-migrate")
    assert (status, said.count("\n")) == (2, 1)
    assert "the database lacks 0005_logout_failures" in said


class TestOnPostgres:
    """The same on PostgreSQL, where what is compared is every row of every table."""

    every_command = pytest.mark.parametrize("command", sorted(READING.keys() - SQLITE_ALONE))

    @pytest.fixture
    def engine(self, postgres_url):
        return postgres_url

    @every_command
    def test_a_reading_command_leaves_the_data_as_it_is(self, run, play, engine, tmp_path, command):
        fill(play)
        before = asyncio.run(rows_of(engine, *DUE))
        files = state_of(tmp_path / "data")
        status, _, said = run(command, "--data", "data", "--database", engine)
        assert (status, said) == (0, "")
        assert asyncio.run(rows_of(engine)) == before
        assert state_of(tmp_path / "data") == files

    @every_command
    def test_an_empty_database_stays_empty(self, run, engine, tmp_path, command):
        status, _, said = run(command, "--data", "data", "--database", engine)
        assert asyncio.run(rows_of(engine)) == {}
        assert not (tmp_path / "data").exists()
        if command in ("serve", "migrate"):
            assert (status, said) == (int(command == "migrate"), "")
        else:
            assert (status, said.count("\n")) == (2, 1)
            assert "the database lacks 0001_accounts_sessions_keys" in said

    def test_what_was_migrated_and_never_served_needs_no_master_key_yet(self, run, engine):
        asyncio.run(migrate(engine))
        assert run("serve", "--data", "data", "--database", engine)[0] == 0
        assert run("user list", "--data", "data", "--database", engine) == (0, "[]\n", "")

    def test_without_its_master_key_it_says_so(self, run, play, engine, tmp_path):
        fill(play)
        (tmp_path / "data" / "master.key").unlink()
        status, _, said = run("user list", "--data", "data", "--database", engine)
        assert (status, said.count("\n")) == (2, 1)
        assert "master.key is missing" in said


async def migrate(url):
    await (await open_store(url)).close()


async def rows_of(url, *first):
    connection = await asyncpg.connect(url)
    try:
        for statement in first:
            await connection.execute(statement)
        names = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        return {
            name: sorted(str(tuple(row)) for row in await connection.fetch(f"SELECT * FROM {name}"))
            for (name,) in names
        }
    finally:
        await connection.close()
