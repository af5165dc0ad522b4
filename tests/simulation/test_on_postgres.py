"""Recorded interleavings on a real PostgreSQL: the same statements wait, and give the same."""

import asyncio

import asyncpg
from simulation.choices import Choices
from tests import processes

from carnet.server.store import open_store
from carnet.server.store.postgres import BEGIN, LONGEST_STANDSTILL

HISTORIES = 12
PATIENCE = processes.PATIENCE


def interleavings(ground):
    """Give histories in which somebody waits for a row."""
    found, seed = [], 0
    while len(found) < HISTORIES:
        recorded = []
        violation, _ = ground.history("postgres", Choices(seed), recorded=recorded)
        assert violation is None
        recorded = up_to_what_is_open(recorded)
        if any(one.event == "goes on" for one in recorded):
            found.append(recorded)
        seed += 1
    return found


def up_to_what_is_open(recorded):
    """Leave out what PostgreSQL may do otherwise.

    Of a circle of those who wait it undoes one after a second, another one perhaps; and of several
    who wait, any may go on first.
    """
    waiting = set()
    for place, (event, number, *_) in enumerate(recorded):
        if event == "waits":
            waiting.add(number)
        elif event == "goes on":
            waiting.discard(number)
        if event == "fails" or len(waiting) > 1:
            return recorded[:place]
    return recorded


def beginning(ground):
    """Give the rows that every history begins with."""
    ground.database.reset()
    return {
        table.name: (list(table.places), ground.database.read(f"SELECT * FROM {table.name}", ()))
        for table in ground.database.tables.values()
        if table.name != "migration"
    }


STANDSTILL = BEGIN.format(LONGEST_STANDSTILL).removeprefix("BEGIN ISOLATION LEVEL READ COMMITTED")


async def replay(url, recorded, rows_before):
    admin = await asyncpg.connect(url)
    connections, waiting = {}, {}
    try:
        await admin.execute(f"TRUNCATE {', '.join(rows_before)} CASCADE")
        for name in sorted(rows_before, key=lambda name: name != "account"):
            columns, rows = rows_before[name]
            marks = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
            await admin.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        for event, number, sql, values, rows in recorded:
            if number not in connections:
                connections[number] = await asyncpg.connect(url)
            connection = connections[number]
            if event == "waits":
                task = asyncio.create_task(connection.fetch(sql, *values))
                waiting[number] = task
                await until_it_waits(admin, connection, task)
                continue
            # However busy the machine is: here no transaction stands still for too long.
            asked = sql.removesuffix(STANDSTILL)
            work = waiting.pop(number) if event == "goes on" else connection.fetch(asked, *values)
            got = await asyncio.wait_for(work, PATIENCE)
            assert sorted(map(repr, map(tuple, got))) == sorted(map(repr, rows)), sql
        return await admin.fetch("SELECT id, generation, ended_at FROM session ORDER BY id")
    finally:
        for task in waiting.values():
            task.cancel()
        for connection in [*connections.values(), admin]:
            connection.terminate()


async def until_it_waits(admin, connection, task):
    pid = connection.get_server_pid()
    async with asyncio.timeout(PATIENCE):
        while not await admin.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
            assert not task.done(), "it does not wait"
            await asyncio.sleep(0.001)


def test_postgresql_does_what_the_simulated_one_has_done(made, ground, postgres_url):
    async def migrated():
        await (await open_store(postgres_url)).close()

    asyncio.run(migrated())
    found, rows_before = interleavings(ground), beginning(made)
    for recorded in found:
        asyncio.run(replay(postgres_url, recorded, rows_before))
