"""The PostgreSQL store when the database fails: what is told, what is tried again, what is kept."""

import asyncio
import itertools
import signal
import sys
import threading

import asyncpg
import pytest
from tests import processes
from tests.postgres import ESCAPED, PASSWORD

from carnet.errors import ServerError
from carnet.server.service import open_service
from carnet.server.sessions.sessions import NewSession
from carnet.server.settings import Settings
from carnet.server.store import (
    StoreUnavailable,
    open_store,
    postgres_connections,
    postgres_failures,
    statements,
)
from carnet.server.store import postgres as postgres_store
from carnet.server.store.postgres import PostgresStore

ADD = "INSERT INTO pepper (id, encrypted_secret, created_at) VALUES ($1, $2, $3) RETURNING id"
IDS = "SELECT id FROM pepper ORDER BY id"
SET_NUMBER = "UPDATE counter SET value = $1 WHERE name = $2"
NUMBER = "SELECT value FROM counter WHERE name = $1"
WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
SLEEPING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND query = 'SELECT pg_sleep(60)'
"""
LEFT_OPEN = """
SELECT state, query FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


@pytest.fixture
def database(postgres_url):
    return postgres_url


async def until(condition):
    """Wait for what is sure to come."""
    async with asyncio.timeout(30):
        while not (found := await condition()):  # noqa: ASYNC110  # PostgreSQL tells nobody
            await asyncio.sleep(0.01)
    return found


async def one_that_waits(operator):
    """Give the process of the one connection that waits for a lock."""

    async def look():
        await operator.fetch("SELECT pg_stat_clear_snapshot()")
        return await operator.fetch(WAITING)

    return (await until(look))[0][0]


async def end_the_waiting(operator):
    process = await one_that_waits(operator)
    await operator.fetch("SELECT pg_terminate_backend($1)", process)
    return process


async def another_that_waits(operator, ended):
    async def look():
        return await one_that_waits(operator) != ended

    await until(look)


@pytest.fixture
def play_beside(play, database):
    """Run a scene with an open store and an operator's own connection."""

    def run(scene):
        async def with_operator(store):
            operator = await asyncpg.connect(database)
            try:
                return await scene(store, operator)
            finally:
                await operator.close()

        return play(with_operator)

    return run


# The server goes away.


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_restart_under_load_loses_nothing_that_was_answered(play, postgres, number):
    numbers = itertools.count(1)
    answered, refused = set(), set()
    answered_twice, refused_twice = set(), set()

    async def scene(store):
        ending = asyncio.Event()

        async def write():
            while not ending.is_set():
                one = next(numbers)
                try:
                    assert await store.write(ADD, one, "", 1) == [(one,)]
                    answered.add(one)
                except StoreUnavailable:
                    refused.add(one)
                    await asyncio.sleep(0.005)

        async def write_twice():
            while not ending.is_set():
                one = next(numbers)

                def work(one=one):
                    yield ADD, (-one, "", 1)
                    yield statements.ADD_AUDIT, (str(-one), 1, "e", *[None] * 5)

                try:
                    await store.transact(work)
                    answered_twice.add(-one)
                except StoreUnavailable:
                    refused_twice.add(-one)
                    await asyncio.sleep(0.005)

        async def progress():
            before = len(answered), len(answered_twice)

            async def moved():
                return len(answered) > before[0] + 100 and len(answered_twice) > before[1] + 50

            await until(moved)

        async def restart():
            for _ in range(2):
                await progress()
                await asyncio.to_thread(postgres.stop, number)
                await asyncio.sleep(0.1)
                await asyncio.to_thread(postgres.start)
            await progress()
            ending.set()

        await asyncio.gather(
            *(write() for _ in range(24)), *(write_twice() for _ in range(8)), restart()
        )
        rows = {row[0] for row in await store.read(IDS)}
        audit = {int(row[0]) for row in await store.read("SELECT id FROM audit")}
        return rows, audit

    rows, audit = play(scene)
    assert refused
    assert refused_twice
    assert answered | answered_twice <= rows
    assert rows <= answered | refused | answered_twice | refused_twice
    assert {row for row in rows if row < 0} == audit


def test_a_stopped_server_is_told_at_once_and_the_store_works_when_it_is_back(play, postgres):
    async def scene(store):
        await store.write(ADD, 1, "a", 1)
        await asyncio.to_thread(postgres.stop)
        attempts = [store.read(IDS), store.write(ADD, 2, "", 1), store.transact(_add(3))]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        await asyncio.to_thread(postgres.start)
        await store.write(ADD, 4, "a", 1)
        await store.transact(_add(5))
        return outcomes, await store.read(IDS)

    outcomes, rows = play(scene)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    assert all("\n" not in str(outcome) for outcome in outcomes)
    assert rows == [(1,), (4,), (5,)]


def test_a_process_that_stands_still_in_a_transaction_keeps_no_lock(play, database, monkeypatch):
    monkeypatch.setattr(postgres_store, "LONGEST_STANDSTILL", 0.1)
    attempts = []

    async def set_number():
        other = await asyncpg.connect(database)
        try:
            await other.execute(SET_NUMBER, 70, "revocation", timeout=processes.PATIENCE)
        finally:
            await other.close()

    def work():
        attempts.append((yield statements.NEXT_NUMBER, ("revocation",)))
        if len(attempts) == 1:
            # Nothing of this process goes on until another one has had the row.
            other = threading.Thread(target=asyncio.run, args=(set_number(),))
            other.start()
            other.join()
        return (yield NUMBER, ("revocation",))

    async def scene(store):
        return await store.transact(work), await store.read(NUMBER, "revocation")

    assert play(scene) == ([(71,)], [(71,)])
    assert attempts == [[(1,)], [(71,)]]


def test_idle_connections_that_were_ended_are_replaced(play_beside):
    async def scene(store, operator):
        for number in range(5):
            await asyncio.gather(*(store.read(IDS) for _ in range(30)))
            await operator.fetch(OTHERS)
            # A read needs no care, and by then the store has noticed.
            await asyncio.gather(*(store.read(IDS) for _ in range(30)))
            await store.write(ADD, number, "", 1)
        return await store.read("SELECT COUNT(*) FROM pepper")

    assert play_beside(scene) == [(5,)]


def test_a_write_whose_connection_ended_is_told_and_not_done_again(play_beside):
    async def scene(store, operator):
        async with operator.transaction():
            await operator.execute(statements.NEXT_NUMBER, "revocation")
            writing = asyncio.create_task(store.write(statements.NEXT_NUMBER, "revocation"))
            await end_the_waiting(operator)
            with pytest.raises(StoreUnavailable, match="connection to the database was lost"):
                await writing
        return await store.read(NUMBER, "revocation")

    assert play_beside(scene) == [(1,)]


def test_a_transaction_whose_connection_ended_before_its_commit_is_done_again(play_beside):
    begun = []

    def work():
        begun.append(True)
        yield ADD, (1, "a", 1)
        yield statements.NEXT_NUMBER, ("revocation",)

    async def scene(store, operator):
        async with operator.transaction():
            await operator.execute(statements.NEXT_NUMBER, "revocation")
            working = asyncio.create_task(store.transact(work))
            await another_that_waits(operator, await end_the_waiting(operator))
        await working
        return await store.read(NUMBER, "revocation"), await store.read(IDS)

    assert play_beside(scene) == ([(2,)], [(1,)])
    assert len(begun) == 2


def test_a_transaction_whose_commit_was_not_answered_is_told_and_not_done_again(
    play_beside, postgres
):
    """The commit waits in a deferred trigger, and its connection ends there."""
    begun = []

    def work():
        begun.append(True)
        yield ADD, (1, "a", 1)

    async def scene(store, operator):
        await operator.execute("""
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM value FROM counter FOR UPDATE; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON pepper DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION wait()
        """)
        async with operator.transaction():
            await operator.execute("SELECT * FROM counter FOR UPDATE")
            working = asyncio.create_task(store.transact(work))
            await end_the_waiting(operator)
            with pytest.raises(StoreUnavailable, match="connection to the database was lost"):
                await working
        return await store.read(IDS)

    assert play_beside(scene) == []
    assert len(begun) == 1


def test_a_read_whose_connection_ended_is_done_again(play_beside):
    async def scene(store, operator):
        async with operator.transaction():
            await operator.execute("LOCK TABLE pepper IN ACCESS EXCLUSIVE MODE")
            await operator.execute(ADD, 1, "a", 1)
            reading = asyncio.create_task(store.read(IDS))
            await another_that_waits(operator, await end_the_waiting(operator))
        return await reading

    assert play_beside(scene) == [(1,)]


def test_a_database_that_does_not_answer_in_time_is_told(play_beside, monkeypatch, database):
    async def scene(store, operator):
        monkeypatch.setattr(postgres_connections, "COMMAND_SECONDS", 0.2)
        hasty = await open_store(database)
        try:
            async with operator.transaction():
                await operator.execute("LOCK TABLE pepper IN ACCESS EXCLUSIVE MODE")
                attempts = [hasty.read(IDS), hasty.write(ADD, 1, "", 1), hasty.transact(_add(2))]
                outcomes = await asyncio.gather(*attempts, return_exceptions=True)
            await hasty.write(ADD, 3, "", 1)
            return outcomes, await hasty.read(IDS)
        finally:
            await hasty.close()

    outcomes, rows = play_beside(scene)
    assert {str(outcome) for outcome in outcomes} == {
        "the database can't do what was asked: it did not answer in time"
    }
    assert rows == [(3,)]


# Conflicts.


def test_connections_that_are_lost_while_another_hears_nothing_are_left_too(
    play_beside, monkeypatch
):
    monkeypatch.setattr(postgres_connections, "COMMAND_SECONDS", 1)

    async def scene(store, operator):
        await asyncio.gather(*(store.read("SELECT pg_sleep(0.1)") for _ in range(3)))
        slow = asyncio.create_task(store.read("SELECT pg_sleep(60)"))
        await until(lambda: operator.fetch(SLEEPING))
        await operator.fetch(f"{OTHERS} AND state = 'idle'")
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            await slow
        # As many as there may be: none of their places is lost.
        most = range(postgres_connections.MAX_CONNECTIONS)
        return await asyncio.gather(*(store.read("SELECT 1") for _ in most))

    assert play_beside(scene) == [[(1,)]] * postgres_connections.MAX_CONNECTIONS


def test_a_transaction_is_begun_anew_after_a_serialization_conflict(play):
    begun = []

    def count_up():
        begun.append(True)
        yield "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", ()
        [(value,)] = yield NUMBER, ("revocation",)
        yield SET_NUMBER, (value + 1, "revocation")
        return value

    async def scene(store):
        taken = await asyncio.gather(*(store.transact(count_up) for _ in range(12)))
        return sorted(taken), await store.read(NUMBER, "revocation")

    assert play(scene) == (list(range(12)), [(12,)])
    assert len(begun) > 12


def test_a_write_is_done_again_after_a_serialization_conflict(play, play_beside, database):
    async def make_strict(store, operator):
        name = database.rpartition("/")[2]
        await operator.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation TO 'serializable'"
        )

    async def scene(store):
        counting = [store.write(statements.NEXT_NUMBER, "revocation") for _ in range(50)]
        outcomes = await asyncio.gather(*counting)
        return sorted(rows[0][0] for rows in outcomes), store.statements_run

    play_beside(make_strict)
    taken, run = play(scene)
    assert taken == list(range(1, 51))
    assert run > 50


def test_a_conflict_that_does_not_end_is_told(play_beside, monkeypatch):
    monkeypatch.setattr(postgres_store, "LONGEST_PAUSE", 0.01)
    begun = []

    def work():
        begun.append(True)
        yield "SELECT conflict()", ()

    async def scene(store, operator):
        await operator.execute("""
            CREATE FUNCTION conflict() RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no end' USING ERRCODE = '40001'; END $$
        """)
        with pytest.raises(StoreUnavailable, match=r"no end \(40001\)"):
            await store.transact(work)
        with pytest.raises(StoreUnavailable, match=r"no end \(40001\)"):
            await store.write("SELECT conflict()")

    play_beside(scene)
    assert len(begun) == postgres_failures.CONFLICT_ATTEMPTS


def test_transactions_that_wait_for_each_other_are_both_done(play):
    async def scene(store):
        await store.write(ADD, 1, "", 0)
        await store.write(ADD, 2, "", 0)
        change = "UPDATE pepper SET created_at = created_at + 1 WHERE id = $1"

        def both(first, second):
            yield change, (first,)
            yield "SELECT pg_sleep(0.1)", ()
            yield change, (second,)

        await asyncio.gather(store.transact(lambda: both(1, 2)), store.transact(lambda: both(2, 1)))
        return await store.read("SELECT created_at FROM pepper")

    assert play(scene) == [(2,), (2,)]


def test_what_is_made_where_it_is_missing_is_made_once_by_replicas_that_start_together(database):
    def make():
        rows = yield "SELECT encrypted_secret FROM pepper", ()
        if not rows:
            rows = yield ADD + ", encrypted_secret", (1, "made", 1)
        return rows[0][-1]

    async def scene():
        stores = await asyncio.gather(*(open_store(database) for _ in range(8)))
        try:
            return await asyncio.gather(*(store.transact(make) for store in stores * 4))
        finally:
            for store in stores:
                await store.close()

    assert asyncio.run(scene()) == ["made"] * 32


def test_connections_are_kept_at_hand_while_they_are_used_and_never_too_many(
    play_beside, monkeypatch
):
    async def scene(store, operator):
        await asyncio.gather(*(store.read("SELECT pg_sleep(0.05)") for _ in range(50)))
        opened = await operator.fetchval(
            "SELECT COUNT(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        at_hand = len(store._connections._free)
        monkeypatch.setattr(postgres_connections, "IDLE_SECONDS", 0)
        for _ in range(20):
            await store.read("SELECT 1")
        return opened, at_hand, len(store._connections._free)

    assert play_beside(scene) == (
        postgres_connections.MAX_CONNECTIONS,
        postgres_connections.MAX_CONNECTIONS,
        1,
    )


SESSION = (
    *("client", "orders", "", "", 1, 2**62, "", "", None, 1, "pwd", None),
    *(None, None, None, None, "a1", 1),
)


async def add_sessions(store, count):
    await store.write(statements.ADD_ACCOUNT, "a1", "ada", "hash", "[]", "{}", 1, "ada")
    for number in range(count):
        key = b"%d" % number
        await store.write(statements.ADD_SESSION, f"s{number}", key, *SESSION)


def rotations(store, count):
    common = ("client", "")
    return [store.write(statements.ROTATE, 2, "", b"%d" % n, 0, 0, *common) for n in range(count)]


def test_rotations_at_the_same_time_share_a_transaction(play_beside):
    async def scene(store, operator):
        await add_sessions(store, 100)
        before = store.statements_run
        answers = await asyncio.gather(*rotations(store, 100))
        assert [len(rows) for rows in answers] == [1] * 100
        assert store.statements_run == before + 100
        return await operator.fetchval("SELECT COUNT(DISTINCT xmin::text) FROM session")

    assert play_beside(scene) == 1


def test_rotations_whose_connection_is_lost_are_all_told_and_not_done_again(play_beside):
    async def scene(store, operator):
        await add_sessions(store, 5)
        async with operator.transaction():
            await operator.execute("SELECT id FROM session WHERE id = 's3' FOR UPDATE")
            waiting = asyncio.gather(*rotations(store, 5), return_exceptions=True)
            await end_the_waiting(operator)
            outcomes = await waiting
        generations = await store.read("SELECT DISTINCT generation FROM session")
        again = await asyncio.gather(*rotations(store, 5))
        return outcomes, generations, [len(rows) for rows in again]

    outcomes, generations, again = play_beside(scene)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
    assert (generations, again) == ([(0,)], [1] * 5)


def test_transactions_see_what_is_committed_whatever_the_database_prefers(
    play, play_beside, database
):
    async def make_strict(store, operator):
        name = database.rpartition("/")[2]
        await operator.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation TO 'serializable'"
        )

    def look():
        return (yield "SHOW transaction_isolation", ())

    async def scene(store):
        return await store.transact(look)

    play_beside(make_strict)
    assert play(scene) == [("read committed",)]


def test_a_table_that_a_newer_version_has_changed_goes_on_working(play_beside):
    def look():
        return (yield "SELECT * FROM pepper", ())

    async def scene(store, operator):
        await store.write(ADD, 1, "a", 1)
        for _ in range(3):
            await asyncio.gather(*(store.transact(look) for _ in range(20)))
            await asyncio.gather(*(store.read("SELECT * FROM pepper") for _ in range(20)))
        await operator.execute("ALTER TABLE pepper ADD COLUMN note TEXT")
        rows = await asyncio.gather(*(store.transact(look) for _ in range(40)))
        rows += await asyncio.gather(*(store.read("SELECT * FROM pepper") for _ in range(40)))
        return rows

    assert play_beside(scene) == [[(1, "a", 1, None)]] * 80


def test_nothing_is_left_open_by_what_failed_or_was_given_up(play_beside):
    def failing():
        yield ADD, (1, "a", 1)
        raise LookupError

    async def scene(store, operator):
        for steps in range(30):
            working = asyncio.create_task(store.transact(_add(steps + 10)))
            failed = asyncio.create_task(store.transact(failing))
            for _ in range(steps):
                await asyncio.sleep(0)
            working.cancel()
            await asyncio.gather(working, failed, return_exceptions=True)
        await asyncio.gather(*(store.read(IDS) for _ in range(30)))

        async def all_closed():
            return not await operator.fetch(LEFT_OPEN)

        await until(all_closed)

    play_beside(scene)


# Opening.


def refuse(url):
    async def opened():
        store = await PostgresStore.open(url)
        await store.close()

    with pytest.raises(ServerError) as caught:
        asyncio.run(opened())
    assert caught.value.code == "database_unreachable"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_server_that_is_not_there_is_told_with_its_address(postgres):
    postgres.stop()
    message = refuse(f"postgresql://carnet:a-secret@127.0.0.1:{postgres.port}/carnet")
    postgres.start()
    assert f"127.0.0.1:{postgres.port}/carnet" in message
    assert "a-secret" not in message


def test_a_wrong_password_is_told_and_not_shown(postgres):
    message = refuse(postgres.url("postgres", password="a-wrong-password"))
    assert "password authentication failed" in message
    assert "a-wrong-password" not in message


def test_a_database_that_is_not_there_is_told(postgres):
    message = refuse(postgres.url("nowhere"))
    assert 'database "nowhere" does not exist' in message
    assert PASSWORD not in message
    assert ESCAPED not in message


def test_a_user_who_may_not_make_tables_is_told(postgres, postgres_url):
    postgres.run("CREATE ROLE reader LOGIN PASSWORD 'reader'")
    name = postgres_url.rpartition("/")[2]
    message = refuse(f"postgresql://reader:reader@127.0.0.1:{postgres.port}/{name}")
    assert "permission denied" in message
    assert "may create tables" in message


@pytest.mark.parametrize("mark", ["/", "?", "#", "@", ":", "%", " ", "[", "]", "\\", "12/34", "é"])
def test_a_password_that_was_not_escaped_is_not_shown(postgres, mark):
    url = f"postgresql://carnet:hush{mark}hush@127.0.0.1:{postgres.port}/postgres"
    assert "hush" not in refuse(url)
    digits = f"postgresql://carnet:77{mark}88@127.0.0.1:{postgres.port}/postgres"
    message = refuse(digits).replace(str(postgres.port), "")
    assert "77" not in message
    assert "88" not in message


@pytest.mark.parametrize(
    "values", [("hush", "", 1), (1, "hush\x00", 1), (1, "", 2**63), (1, "hush\ud800", 1)], ids=ascii
)
def test_values_that_the_database_can_not_hold_are_refused_and_not_shown(play, values):
    async def scene(store):
        with pytest.raises(StoreUnavailable) as caught:
            await store.write(ADD, *values)
        with pytest.raises(StoreUnavailable):
            await store.transact(_add(*values))
        await store.write(ADD, 5, "", 1)
        return str(caught.value), await store.read(IDS)

    message, rows = play(scene)
    assert "hush" not in message
    assert str(2**63) not in message
    assert rows == [(5,)]


def test_what_comes_after_closing_is_refused(database):
    async def scene():
        store = await open_store(database)
        await store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.read(IDS)

    asyncio.run(scene())


def test_sqlite_needs_no_driver_of_postgresql():
    program = """
import asyncio, sys, tempfile
from pathlib import Path
from carnet.server.store import open_store

async def main():
    with tempfile.TemporaryDirectory() as folder:
        await (await open_store(Path(folder, "carnet.db"))).close()

asyncio.run(main())
print("asyncpg" in sys.modules)
"""
    done = processes.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_a_missing_driver_is_told_with_what_to_install():
    program = """
import asyncio, sys
from carnet.errors import ServerError
from carnet.server.store import open_store

sys.modules["asyncpg"] = None
try:
    asyncio.run(open_store("postgresql://127.0.0.1/carnet"))
except ServerError as error:
    print(error.code, error)
"""
    done = processes.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("driver_missing PostgreSQL needs"), done.stderr
    assert "carnet[postgres]" in done.stdout


# What the service builds on it.


def test_a_sign_in_at_the_moment_of_a_disabling_leaves_no_living_session(database, tmp_path):
    async def scene():
        settings = Settings(data=str(tmp_path / "data"), database=database)
        async with open_service(settings) as service:
            account = await service.accounts.create("alice", "a-long-enough-password")
            operator = await asyncpg.connect(database)
            try:
                async with operator.transaction():
                    await operator.fetch(statements.DISABLE_ACCOUNT, 1, account.id)
                    ended = (1, "account_disabled", account.id, "")
                    await operator.fetch(statements.END_SESSIONS_OF_ACCOUNT, *ended)
                    begun = asyncio.create_task(
                        service.sessions.begin(account, NewSession("carnet", "default"))
                    )
                    # It has been refused by then, or waits for the account.
                    await asyncio.wait([begun], timeout=0.5)
                await begun
                return await operator.fetch("SELECT id FROM session WHERE ended_at IS NULL")
            finally:
                await operator.close()

    assert asyncio.run(scene()) == []


def _add(*values):
    values = (*values, "", 1)[:3]

    def work():
        return (yield ADD, values)

    return work
