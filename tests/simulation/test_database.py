"""The simulated database: what PostgreSQL's READ COMMITTED does, and SQLite's one writer."""

import asyncpg
import pytest
from simulation.database import Blocked, Database

PUT = "INSERT INTO counter (name, value) VALUES ($1, $2)"
RAISE = "UPDATE counter SET value = value + 1 WHERE name = $1 AND value < 10 RETURNING value"
ADDRESS = (
    "INSERT INTO email_address (account_id, normalized, address, is_primary, created_at) "
    "VALUES ($1, $2, $3, $4, $5)"
)
VALUES = "SELECT name, value FROM counter WHERE name IN ('a', 'b', 'c') ORDER BY name"


@pytest.fixture
def database():
    made = Database()
    for name in ("a", "b"):
        made.connection.execute(PUT, (name, 0))
    made.keep()
    return made


def test_what_is_not_committed_is_seen_by_nobody_else(database):
    one, other = database.begin(), database.begin()
    assert database.execute(one, RAISE, ("a",)) == [(1,)]
    assert database.execute(one, VALUES, ()) == [("a", 1), ("b", 0)]
    assert database.execute(other, VALUES, ()) == [("a", 0), ("b", 0)]
    database.commit(one)
    assert database.execute(other, VALUES, ()) == [("a", 1), ("b", 0)]


def test_a_row_that_is_locked_is_waited_for_and_looked_at_again(database):
    one, other = database.begin(), database.begin()
    database.execute(one, RAISE, ("a",))
    waiting = database.execute(other, RAISE, ("a",))
    assert isinstance(waiting, Blocked)
    assert waiting.by is one
    database.commit(one)
    assert database.execute(other, RAISE, ("a",), waiting.view) == [(2,)]


def test_a_row_that_does_not_fit_any_more_after_the_wait_is_left(database):
    one, other = database.begin(), database.begin()
    database.execute(one, "UPDATE counter SET value = 10 WHERE name = 'a'", ())
    waiting = database.execute(other, RAISE, ("a",))
    database.commit(one)
    assert database.execute(other, RAISE, ("a",), waiting.view) == []
    # But it is locked, as PostgreSQL locks it before it looks.
    third = database.begin()
    assert database.execute(third, RAISE, ("a",)) == []
    still = database.execute(third, "UPDATE counter SET value = 0 WHERE name = 'a'", ())
    assert isinstance(still, Blocked)
    assert still.by is other


def test_after_the_wait_everything_but_the_row_is_seen_as_it_was_before(database):
    one, other = database.begin(), database.begin()
    database.execute(one, "UPDATE counter SET value = value + 1 WHERE name IN ('a', 'b')", ())
    both = (
        "UPDATE counter SET value = value + 10 WHERE name = 'a' "
        "AND (SELECT value FROM counter AS other WHERE other.name = 'b') = 0 RETURNING value"
    )
    waiting = database.execute(other, both, ())
    database.commit(one)
    assert database.execute(other, both, (), waiting.view) == [(11,)]


def test_a_row_that_was_added_during_the_wait_is_not_seen(database):
    one, other = database.begin(), database.begin()
    database.execute(one, RAISE, ("a",))
    database.execute(one, PUT, ("c", 0))
    everything = "UPDATE counter SET value = value + 10 WHERE name < 'd' RETURNING name"
    waiting = database.execute(other, everything, ())
    database.commit(one)
    assert sorted(database.execute(other, everything, (), waiting.view)) == [("a",), ("b",)]


def test_what_is_undone_was_never_there(database):
    one, other = database.begin(), database.begin()
    database.execute(one, RAISE, ("a",))
    waiting = database.execute(other, RAISE, ("a",))
    database.roll_back(one)
    assert database.execute(other, RAISE, ("a",), waiting.view) == [(1,)]


def test_of_two_that_wait_for_each_other_one_is_undone(database):
    one, other = database.begin(), database.begin()
    database.execute(one, RAISE, ("a",))
    database.execute(other, RAISE, ("b",))
    assert isinstance(database.execute(one, RAISE, ("b",)), Blocked)
    with pytest.raises(asyncpg.DeadlockDetectedError):
        database.execute(other, RAISE, ("a",))


def test_a_value_that_another_is_about_to_add_is_waited_for(database):
    one, other = database.begin(), database.begin()
    database.execute(one, PUT, ("c", 1))
    waiting = database.execute(other, PUT, ("c", 2))
    database.commit(one)
    with pytest.raises(asyncpg.UniqueViolationError):
        database.execute(other, PUT, ("c", 2), waiting.view)


def test_a_row_that_gets_a_value_by_the_condition_of_its_index_is_waited_for(database):
    for account in ("ada", "bob"):
        values = account, "it@example.com", "it@example.com", 0, 1
        database.connection.execute(ADDRESS, values)
    database.keep()
    prove = "UPDATE email_address SET verified_at = 2 WHERE account_id = $1 RETURNING address"
    one, other = database.begin(), database.begin()
    database.execute(one, prove, ("ada",))
    waiting = database.execute(other, prove, ("bob",))
    assert isinstance(waiting, Blocked)
    database.commit(one)
    with pytest.raises(asyncpg.UniqueViolationError):
        database.execute(other, prove, ("bob",), waiting.view)


def test_a_transaction_of_sqlite_is_whole_or_not_there(database):
    def failing():
        yield RAISE, ("a",)
        raise LookupError

    def fine():
        rows = yield RAISE, ("a",)
        yield RAISE, ("b",)
        return rows

    with pytest.raises(LookupError):
        database.run_whole(failing())
    assert database.read(VALUES, ()) == [("a", 0), ("b", 0)]
    assert database.run_whole(fine()) == [(1,)]
    assert database.read(VALUES, ()) == [("a", 1), ("b", 1)]


def test_a_failover_forgets_the_newest_commits(database):
    for _ in range(3):
        database.run_whole((lambda: (yield RAISE, ("a",)))())
    database.lose(2)
    assert database.read(VALUES, ()) == [("a", 1), ("b", 0)]
    database.reset()
    assert database.read(VALUES, ()) == [("a", 0), ("b", 0)]


@pytest.mark.parametrize("ending", ["commit", "roll_back"])
def test_a_row_whose_key_becomes_another_goes_and_comes_with_its_unique_value(database, ending):
    holders = "SELECT account_id, verified_at FROM email_address ORDER BY account_id"
    before, after = [("gone", 1), ("into", None)], [("into", 1)]
    for account_id, verified_at in before:
        values = account_id, "x@example.com", "x@example.com", 0, 0
        database.connection.execute(ADDRESS, values)
        database.connection.execute(
            "UPDATE email_address SET verified_at = $1 WHERE account_id = $2",
            (verified_at, account_id),
        )
    database.keep()
    one, other = database.begin(), database.begin()
    database.execute(one, "DELETE FROM email_address WHERE account_id = 'into'", ())
    database.execute(one, "UPDATE email_address SET account_id = 'into'", ())
    # What is in SQLite goes to and fro, and the value is one account's each time.
    for _ in range(2):
        assert database.execute(other, holders, ()) == before
        assert database.execute(one, holders, ()) == after
    waiting = database.execute(other, "UPDATE email_address SET is_primary = 0", ())
    assert isinstance(waiting, Blocked)
    getattr(database, ending)(one)
    database.roll_back(other)
    expected = after if ending == "commit" else before
    assert database.read(holders, ()) == expected
    kept = {key[1] for key in database.rows["email_address"]}
    assert kept == {account_id for account_id, _ in expected}
    if ending == "commit":
        database.lose(1)
        assert database.read(holders, ()) == before
