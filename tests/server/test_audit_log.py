"""The audit log: how long it is kept, and how it is carried elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from tests import processes

from carnet.server import audit
from carnet.server.audit import Event, Following, Origin, newest, record
from carnet.server.background import BATCH
from carnet.server.store import StoreUnavailable

DAY, SECOND = 86_400_000_000, 1_000_000


async def add(service, *moments):
    def work():
        for at in moments:
            yield from record(at, Event.SESSION_BEGUN, Origin("192.0.2.1"), reason=str(at))

    await service.store.transact(work)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return request.getfixturevalue("postgres_store") if request.param == "postgres" else ""


def begun(entries):
    return [int(entry.reason) for entry in entries if entry.event == "session_begun"]


def test_what_is_older_than_the_retention_is_swept_in_batches(play):
    async def scene(service, clock):
        now = clock()
        old = [now - 30 * DAY - 1 - number for number in range(BATCH + 7)]
        await add(service, *old, now - 30 * DAY, now)
        sizes, write = [], service.store.write

        async def counting(sql, *values):
            rows = await write(sql, *values)
            if "audit" in sql:
                sizes.append(len(rows))
            return rows

        service.background._store = type("Counting", (), {"write": staticmethod(counting)})
        await service.background.sweep()
        return sizes, begun(await newest(service.store, 10_000)), now

    sizes, kept, now = play(scene, audit_retention=30 * 86_400)
    assert sizes == [BATCH, 7]
    assert kept == [now, now - 30 * DAY]


def test_without_a_retention_everything_is_kept(play):
    async def scene(service, clock):
        await add(service, 1, clock())
        await service.background.sweep()
        return len(begun(await newest(service.store, 100)))

    assert play(scene) == 2


def test_each_entry_is_followed_once_also_those_that_come_late(play, monkeypatch):
    monkeypatch.setattr(audit, "FOLLOWED_AT_ONCE", 3)

    async def scene(service, clock):
        store, start = service.store, clock() + SECOND
        following = Following(start)

        async def read():
            entries = following.read(store, clock())
            return [int(one.reason) - start async for _, one in entries]

        await add(service, start - 1, *(start + number for number in range(7)), start + 6)
        seen = [await read(), await read()]
        clock.advance(60)
        await add(service, start + 50 * SECOND)
        # A clock that is far ahead, and a transaction that took its time.
        await add(service, start + 3600 * SECOND, start + 30 * SECOND)
        seen.append(await read())
        await add(service, start + 40 * SECOND)
        return [*seen, await read(), await read()]

    assert play(scene) == [
        [0, 1, 2, 3, 4, 5, 6, 6],
        [],
        [30 * SECOND, 50 * SECOND, 3600 * SECOND],
        [40 * SECOND],
        [],
    ]


def test_a_long_log_is_given_a_page_at_a_time_and_goes_on_after_a_failure(play, monkeypatch):
    monkeypatch.setattr(audit, "FOLLOWED_AT_ONCE", 10)

    async def scene(service, clock):
        store, start, reads, seen = service.store, clock() + SECOND, [], []
        await add(service, *(start + number * SECOND for number in range(100)))
        clock.advance(200)
        following, real = Following(start), store.read

        async def failing(*values):
            reads.append(len(seen))
            if len(reads) == 5:
                raise StoreUnavailable("the database is away")
            return await real(*values)

        async def take():
            async for _, entry in following.read(store, clock()):
                seen.append((int(entry.reason) - start) // SECOND)

        monkeypatch.setattr(store, "read", failing)
        with pytest.raises(StoreUnavailable):
            await take()
        await take()
        return reads[:5], seen

    assert play(scene) == ([0, 10, 20, 30, 40], list(range(100)))


def test_the_log_is_followed_as_json_lines_beside_a_running_server(server):
    process = processes.start(
        [sys.executable, "-m", "carnet", "audit", "--follow", "--since", "-1h", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CARNET_DATA": str(server.data)},
    )
    try:
        found = []
        server.sign_in(password="wrong")
        while not found or found[-1]["event"] != "sign_in_refused":
            found.append(json.loads(process.stdout.readline()))
        session = server.sign_in().json()["session_id"]
        found.append(json.loads(process.stdout.readline()))
        assert (found[-1]["event"], found[-1]["session_id"]) == ("session_begun", session)
        assert {"account_created", "key_created"} <= {one["event"] for one in found}
        assert len({one["id"] for one in found}) == len(found)
        process.send_signal(signal.SIGINT)
        assert process.wait(processes.PATIENCE) == 130
        assert process.stderr.read().strip() == ""
    finally:
        process.kill()
        process.wait(processes.PATIENCE)
        process.stdout.close()
        process.stderr.close()
