"""PostgreSQL behind a real PgBouncer that gives a server connection for a transaction only."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time

import pytest
from tests import processes
from tests.postgres import PASSWORD, UNPRIVILEGED

from carnet.errors import ServerError
from carnet.server.store import open_store
from carnet.server.store import statements as sql

SERVERS = 3


@pytest.fixture
def pooled_url(postgres, postgres_url, tmp_path_factory):
    """The address of a fresh database behind PgBouncer."""
    program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("NOT TESTED BEHIND A POOLER: apt-get install pgbouncer")
    # PgBouncer refuses to run as root, too, and reads its files as the account that it runs as.
    folder = postgres.folder.parent / f"pgbouncer-{time.monotonic_ns()}"
    folder.mkdir(mode=0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "users").write_text(f'"carnet" "{PASSWORD}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = host=127.0.0.1 port={postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {SERVERS}
max_client_conn = 200
"""
    )
    with (folder / "log").open("w") as log:
        process = processes.start(
            [program, folder / "pgbouncer.ini"],
            user=UNPRIVILEGED,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.02)
    yield postgres_url.replace(f":{postgres.port}/", f":{port}/")
    process.terminate()
    process.wait(20)


async def many_at_once(store, clients=24, rounds=20):
    """Statements, grouped statements and transactions, from more places than there are servers."""

    async def one(number):
        for _ in range(rounds):
            await store.read(sql.COUNTERS)
            await store.write(sql.ROTATE, 1, "", number.to_bytes(32, "big"), 0, 0, "c", "")

            def work():
                rows = yield sql.NEXT_NUMBER, ("revocation",)
                yield sql.ADD_REVOCATION, (rows[0][0], "sid", f"{number}", None, 1)

            await store.transact(work)

    await asyncio.gather(*(one(number) for number in range(clients)))
    counters = dict(await store.read(sql.COUNTERS))
    assert counters["revocation"] == clients * rounds
    assert len(await store.read(sql.REVOCATIONS_AFTER, 0, 0, 9999)) == clients * rounds


def test_a_pooler_is_noticed_and_everything_works_behind_it(pooled_url):
    async def scene():
        store = await open_store(pooled_url)
        try:
            await many_at_once(store)
        finally:
            await store.close()

    asyncio.run(scene())


def test_one_run_after_the_other_works_behind_a_pooler(pooled_url, carnet, tmp_path):
    for command in (("migrate",), *[("user", "list")] * 3):
        done = carnet(*command, "--database", pooled_url, data=tmp_path)
        assert done.returncode == 0, done.stderr


def test_statements_are_prepared_once_where_no_pooler_is_between(postgres_url):
    async def scene():
        store = await open_store(postgres_url)
        try:
            for _ in range(3):
                await store.read(sql.COUNTERS)
            return await store.read("SELECT COUNT(*) FROM pg_prepared_statements")
        finally:
            await store.close()

    assert asyncio.run(scene())[0][0] > 0


@pytest.mark.parametrize(("size", "prepared"), [(0, False), (50, True)])
def test_the_url_can_say_how_many_statements_are_kept(postgres_url, size, prepared):
    async def scene():
        store = await open_store(f"{postgres_url}?statement_cache_size={size}")
        try:
            for _ in range(3):
                await store.read(sql.COUNTERS)
            return await store.read("SELECT COUNT(*) FROM pg_prepared_statements")
        finally:
            await store.close()

    assert (asyncio.run(scene())[0][0] > 0) is prepared


@pytest.mark.parametrize("size", ["many", "-1", "", "1.5"])
def test_a_wrong_number_of_statements_is_told_in_one_line(postgres_url, size):
    with pytest.raises(ServerError, match=r"statement_cache_size .* is a whole number"):
        asyncio.run(open_store(f"{postgres_url}?statement_cache_size={size}"))
