"""The SQLite store: group commit, transactions that stand alone, failures that are told."""

import asyncio
import threading

import apsw
import pytest

from carnet.errors import ServerError
from carnet.server.store import Opening, StoreUnavailable
from carnet.server.store.sqlite import SqliteStore

ADD = "INSERT INTO pepper (id, encrypted_secret, created_at) VALUES ($1, $2, $3) RETURNING id"
COUNT = "SELECT COUNT(*) FROM pepper"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "carnet.db"


def run(path, work):
    async def opened():
        store = SqliteStore(path)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def test_values_are_bound_by_position_and_rows_come_back(path):
    async def work(store):
        assert await store.write(ADD, 1, "secret", 5) == [(1,)]
        return await store.read("SELECT * FROM pepper WHERE id = $1", 1)

    assert run(path, work) == [(1, "secret", 5)]


def test_what_a_write_has_answered_is_seen_by_another_connection(path):
    async def work(store):
        await store.write(ADD, 1, "a", 1)
        other = apsw.Connection(str(path))
        [(count,)] = other.execute(COUNT)
        other.close()
        return count

    assert run(path, work) == 1


def test_writes_at_the_same_time_share_a_commit(path):
    async def work(store):
        commits = []
        store._writer.set_commit_hook(lambda: bool(commits.append(1)))
        await asyncio.gather(*(store.write(ADD, number, "a", 1) for number in range(300)))
        store._writer.set_commit_hook(None)
        [(count,)] = await store.read(COUNT)
        return count, len(commits)

    count, commits = run(path, work)
    assert count == 300
    assert commits < 30


def test_a_transaction_is_done_whole(path):
    async def work(store):
        def twice():
            yield ADD, (1, "a", 1)
            rows = yield COUNT, ()
            yield ADD, (2, "b", 1)
            return rows[0][0]

        seen = await store.transact(twice)
        return seen, (await store.read(COUNT))[0][0]

    assert run(path, work) == (1, 2)


def test_a_transaction_that_fails_leaves_nothing_and_harms_no_neighbour(path):
    class Refused(Exception):
        pass

    def refusing():
        yield ADD, (100, "a", 1)
        raise Refused

    def conflicting():
        yield ADD, (200, "a", 1)
        yield ADD, (200, "b", 1)

    async def work(store):
        outcomes = await asyncio.gather(
            store.write(ADD, 1, "a", 1),
            store.transact(refusing),
            store.write(ADD, 2, "a", 1),
            store.transact(conflicting),
            store.write(ADD, 2, "again", 1),
            store.write(ADD, 3, "a", 1),
            return_exceptions=True,
        )
        return outcomes, await store.read("SELECT id FROM pepper ORDER BY id")

    outcomes, rows = run(path, work)
    assert [type(outcome) for outcome in outcomes] == [
        *(list, Refused, list, StoreUnavailable, StoreUnavailable, list)
    ]
    assert rows == [(1,), (2,), (3,)]


def test_closing_finishes_what_is_under_way(path):
    async def work(store):
        return await asyncio.gather(*(store.write(ADD, n, "a", 1) for n in range(50)))

    assert len(run(path, work)) == 50
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith("carnet-writer")
    ]


def test_a_full_disk_fails_the_writes_and_nothing_else(path):
    async def work(store):
        await store.write(ADD, 1, "a", 1)
        [(pages,)] = await store.read("PRAGMA page_count")
        limit = f"PRAGMA max_page_count = {pages}"
        await asyncio.to_thread(lambda: list(store._writer.execute(limit)))
        big = "x" * 100_000
        outcomes = await asyncio.gather(
            store.write(ADD, 2, big, 1), store.write(ADD, 3, big, 1), return_exceptions=True
        )
        assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes), outcomes
        await asyncio.to_thread(
            lambda: list(store._writer.execute("PRAGMA max_page_count = 1000000"))
        )
        await store.write(ADD, 4, big, 1)
        return await store.read("SELECT id FROM pepper ORDER BY id")

    assert run(path, work) == [(1,), (4,)]


def test_the_journal_is_wal_and_every_commit_is_synced(path):
    async def work(store):
        return [
            *await store.read("PRAGMA journal_mode"),
            *[tuple(row) for row in store._writer.execute("PRAGMA synchronous")],
        ]

    assert run(path, work) == [("wal",), (2,)]


def test_a_caller_that_gives_up_does_not_stop_the_others(path):
    async def work(store):
        impatient = asyncio.create_task(store.write(ADD, 1, "a", 1))
        await asyncio.sleep(0)
        impatient.cancel()
        await store.write(ADD, 2, "a", 1)
        return (await store.read("SELECT id FROM pepper WHERE id = 2"))[0]

    assert run(path, work) == (2,)


def test_many_that_open_a_new_database_at_once_all_get_it(tmp_path):
    def open_and_close(path, together, refused):
        async def opened():
            together.wait()
            try:
                store = SqliteStore(path)
            except ServerError as error:
                refused.append(str(error))
            else:
                await store.close()

        asyncio.run(opened())

    for number in range(30):
        path, together, refused = tmp_path / f"{number}.db", threading.Barrier(6), []
        arguments = (path, together, refused)
        threads = [threading.Thread(target=open_and_close, args=arguments) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == []


def test_what_a_statement_puts_aside_is_in_memory_and_in_no_file(path):
    async def work(store):
        return await store.read("SELECT temp_store FROM pragma_temp_store")

    assert run(path, work) == [(2,)]


def test_a_database_that_is_opened_to_read_takes_no_writes(path):
    async def scene():
        await SqliteStore(path).close()
        store = SqliteStore(path, Opening.READ)
        try:
            assert await store.read("SELECT COUNT(*) FROM account") == [(0,)]
            with pytest.raises(StoreUnavailable, match="readonly"):
                await store.write("DELETE FROM account")
        finally:
            await store.close()

    asyncio.run(scene())
