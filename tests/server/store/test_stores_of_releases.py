"""The store of every version so far opens with this one, and nothing that it held is lost.

Each of ``stores/`` was made by that version's own code: an account that has signed in twice and
refreshed once, one session ended, and from 0003 on a client, a resource and a consent. Beside the
dump lie the master key and what the clients held. ``make_store.py`` makes that of a new version.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import asyncpg
import msgspec
import pytest

from carnet import KeySet, Verifier
from carnet.server.clock import SECOND
from carnet.server.service import open_service
from carnet.server.settings import Settings
from carnet.server.store.migrations import read_migrations

STORES = Path(__file__).with_name("stores")
VERSIONS = sorted(file.stem for file in STORES.glob("*.sql"))
ISSUER = "http://127.0.0.1:8499"


def load(version):
    """A database in memory with what the version left."""
    held = sqlite3.connect(":memory:")
    held.executescript((STORES / f"{version}.sql").read_text())
    return held


def test_a_migration_has_no_statement_that_is_a_comment_alone():
    # A semicolon in a comment would make one, and PostgreSQL answers nothing to that.
    for migration in read_migrations():
        for statement in migration.statements:
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            assert "".join(lines).strip(), statement


def fill_sqlite(version, folder):
    with sqlite3.connect(folder / "carnet.db") as file:
        load(version).backup(file)
    file.close()


async def fill_postgres(version, url):
    """The same tables by that version's migrations, and the same rows in them."""
    held = load(version)
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE migration "
        "(number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
    )
    for migration in read_migrations():
        if migration.number > int(version):
            break
        for statement in migration.statements:
            await connection.execute(statement)
    tables = [name for (name,) in held.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    # What is referred to comes before what refers to it.
    for table in sorted(tables, key=lambda name: name != "account"):
        await connection.execute(f"DELETE FROM {table}")
        rows = held.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in rows.description]
        places = ", ".join(f"${number + 1}" for number in range(len(names)))
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"
        await connection.executemany(statement, rows.fetchall())
    await connection.close()


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request, tmp_path):
    """Run a scene with the service on a version's store, a minute after that version stopped."""

    def run(version, scene):
        known = msgspec.json.decode((STORES / f"{version}.json").read_bytes())
        (tmp_path / "master.key").write_text(known["master_key"])
        (tmp_path / "master.key").chmod(0o600)
        settings = {"data": str(tmp_path), "issuer": ISSUER}
        if request.param == "postgres":
            settings["database"] = request.getfixturevalue("postgres_url")
            asyncio.run(fill_postgres(version, settings["database"]))
        else:
            fill_sqlite(version, tmp_path)

        async def play():
            clock = lambda: known["at"] + 60 * SECOND  # noqa: E731
            async with open_service(Settings(**settings), clock) as service:
                return await scene(service, known)

        return asyncio.run(play())

    return run


@pytest.mark.parametrize("version", VERSIONS)
def test_accounts_sessions_and_keys_go_on_as_they_were(opened, version):
    async def scene(service, known):
        account = await service.accounts.authenticate(known["username"], known["password"])
        assert account is not None
        assert account.roles == ("ADMIN",)
        # The token that the old version signed is still good under the keys that are published.
        verifier = Verifier(
            KeySet(list(service.keys.published)),
            issuer=ISSUER,
            audience="default",
            type="at+jwt",
            clock=lambda: known["at"] / SECOND,
        )
        session_id = verifier.verify(known["access_token"])["sid"]
        assert [one.id for one in await service.sessions.of_account(account.id)] == [session_id]
        grant = await service.sessions.refresh(known["refresh_token"])
        assert (grant.session_id, grant.account_id) == (session_id, account.id)
        assert grant.roles == ("ADMIN",)

    opened(version, scene)


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= "0003"])
def test_clients_resources_and_consents_go_on_as_they_were(opened, version):
    async def scene(service, known):
        client = service.registry.client(known["client_id"])
        assert client is not None
        assert client.metadata.redirect_uris == ("https://shop.example.com/callback",)
        assert service.registry.resource("orders") is not None
        account = await service.accounts.authenticate(known["username"], known["password"])
        granted = await service.store.read(
            "SELECT client_id, scope FROM consent WHERE account_id = $1", account.id
        )
        assert granted == [(client.id, "openid profile")]

    opened(version, scene)


def test_there_is_a_store_of_this_version():
    newest = f"{read_migrations()[-1].number:04}"
    assert newest in VERSIONS, "run python -m tests.server.store.make_store"
