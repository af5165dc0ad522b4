"""What every engine does alike, on a real database each."""

import ast
import asyncio
import itertools
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests import processes

from carnet.errors import ServerError
from carnet.server.store import StoreUnavailable, open_store, statements
from carnet.server.store.migrations import read_migrations

ADD = "INSERT INTO pepper (id, encrypted_secret, created_at) VALUES ($1, $2, $3) RETURNING id"
IDS = "SELECT id FROM pepper ORDER BY id"
COUNT = "SELECT COUNT(*) FROM pepper"
NUMBER = "SELECT value FROM counter WHERE name = $1"

ACCOUNT = ("a1", "alice", "hash", '["ADMIN"]', "{}", 1, "alice")
STATEMENTS = {
    name: sql for name, sql in vars(statements).items() if name.isupper() and isinstance(sql, str)
}
LARGEST = 2**63 - 1


def new_session(secret_hash):
    """Give the values of ADD_SESSION."""
    granted = ("client", "orders", "", "", 1, LARGEST, "", "", None, 1, "pwd", None)
    granted += (None,) * 4
    return statements.AddSession("s1", secret_hash, *granted, *(ACCOUNT[0], 1))


def count_up():
    """Take the next number, and write it down."""
    [(number,)] = yield statements.NEXT_NUMBER, ("revocation",)
    yield statements.ADD_REVOCATION, (number, "session", "s", None, LARGEST)
    return number


def test_values_are_bound_by_position_and_rows_are_tuples_in_a_list(play):
    async def scene(store):
        assert await store.write(ADD, 1, "secret", 5) == [(1,)]
        assert await store.read("SELECT id FROM pepper WHERE id > $1", 5) == []
        rows = await store.read("SELECT * FROM pepper WHERE id = $1 AND created_at = $2", 1, 5)
        assert type(rows) is list
        assert type(rows[0]) is tuple
        return rows

    assert play(scene) == [(1, "secret", 5)]


def test_a_write_that_changes_nothing_gives_no_rows(play):
    async def scene(store):
        assert await store.write(statements.SET_ROLES, "[]", "nobody") == []
        assert await store.write(statements.ENCRYPT_PEPPER, "x", 1) == []
        assert await store.write(statements.ADD_ACCOUNT, *ACCOUNT) == [("a1",)]
        return await store.write(statements.ADD_ACCOUNT, "a2", *ACCOUNT[1:])

    assert play(scene) == []


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "'\"; --", "$1", "%s", "back\\slash", "line\nbreak\r\n\ttab", "\x01\x1f\x7f"),
        *("é", "e\u0301", "\u00a0\u200b\ufeff", "日本語", "🛂👩‍👩‍👧", "\U0010fffd", "x" * 200_000),
        json.dumps({"a": [1, None, 1e300, "ü\u2028"], "": {"b": "\x00"}}, ensure_ascii=False),
        json.dumps({"a": [1, None, 1e300, "ü\u2028"], "": {"b": "\x00"}}, indent=1),
    ],
    ids=ascii,
)
def test_text_comes_back_as_it_was(play, text):
    async def scene(store):
        await store.write(ADD, 1, text, 1)
        found = await store.read("SELECT id FROM pepper WHERE encrypted_secret = $1", text)
        return found, await store.read("SELECT encrypted_secret FROM pepper")

    assert play(scene) == ([(1,)], [(text,)])


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**53 + 1, LARGEST, -(2**63)])
def test_whole_numbers_of_64_bits_come_back_as_they_were(play, number):
    async def scene(store):
        await store.write(ADD, number, "", number)
        return await store.read(
            "SELECT id, created_at FROM pepper WHERE id = $1 AND created_at >= $1", number
        )

    rows = play(scene)
    assert rows == [(number, number)]
    assert type(rows[0][0]) is int


@pytest.mark.parametrize(
    "secret_hash", [b"", b"\x00", bytes(range(256)), b"'\\x00", b"\xff" * 100_000], ids=len
)
def test_bytes_come_back_as_they_were(play, secret_hash):
    async def scene(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        await store.write(statements.ADD_SESSION, *new_session(secret_hash))
        rows = await store.read("SELECT secret_hash FROM session")
        found = await store.read(statements.SESSION_BY_SECRET, secret_hash)
        return type(rows[0][0]), rows, found[0][1]

    assert play(scene) == (bytes, [(secret_hash,)], "s1")


def test_nothing_comes_back_as_none(play):
    async def scene(store):
        await store.write(statements.ADD_REVOCATION, 1, "session", "s", None, LARGEST)
        await store.write(statements.ADD_AUDIT, "x", 1, "started", *[None] * 5)
        revocations = await store.read(statements.REVOCATIONS_AFTER, 0, 0, 9)
        return revocations, await store.read(statements.AUDIT, 2, 9)

    assert play(scene) == (
        [(1, "session", "s", None, LARGEST)],
        [(1, "started", None, None, None, None, None)],
    )


def test_text_is_told_apart_and_sorted_by_its_code_points(play):
    names = ["a", "B", "A", "b", "ä", "Z", "z", "_", "\U0001f600", "ﬀ", "aa"]

    async def scene(store):
        for number, name in enumerate(names):
            await store.write(statements.ADD_ACCOUNT, str(number), name, *ACCOUNT[2:6], name)
        return [row[1] for row in await store.read(statements.ACCOUNTS, "", 100)]

    assert play(scene) == sorted(names)


def test_each_statement_has_a_name_of_its_own():
    # Of two with one name, the later one would be run wherever the other is meant.
    names = [
        target.id
        for path in Path(statements.__file__).parent.glob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
    ]
    assert sorted(names) == sorted({*names})


VALUES = {
    "HOLD_ACCOUNT": ("a", 1),
    "ADD_SESSION": new_session(b"h"),
    "SESSION_BY_SECRET": (b"h",),
    "ROTATE": (1, "", b"h", 1, 1, "c", ""),
    "USE_REFRESH_TOKEN": (1, "", b"h", 1, 1, "c", ""),
    "HEAL": (1, 1, b"h"),
    "ADD_ACCOUNT": ACCOUNT,
    "ACCOUNTS": ("", 1),
    "IMPORT_ACCOUNT": ("a", "n", "!", "[]", "{}", 1, "n", None),
    "ACCOUNTS_TO_DELETE": (1, "", 1),
    "EMPTIED_ACCOUNTS": (1, "", 1),
    "LEAVE_ACCOUNT": (1, "a", 1),
    "EMPTY_ACCOUNT": (1, "a", 1, 1),
    "DROP_TOLD_SESSIONS": ("a", 1),
    "AUDIT_OF_ACCOUNT": ("a", 1),
    "ADD_REMEMBERED_BROWSER": ("b", b"h", "", 1, 1, "a"),
    "REMEMBERED_BROWSERS": ("a", 1),
    "USE_REMEMBERED_BROWSER": (1, b"h", "a"),
    "FORGET_OLD_BROWSERS": ("a", 1),
    "SWEEP_REMEMBERED_BROWSERS": (1, 1),
    "AUDIT": (1, 1),
    "AUDIT_PAGE": (1, "i", 1, "e", "a", 1),
    "AUDIT_AFTER": (1, "i", 1),
    "SWEEP_AUDIT": (1, 1),
    "ADD_ACTIVITY": (1, 1, 1, 1),
    "ACTIVITY_SINCE": (1, 1),
    "SWEEP_ACTIVITY": (1, 1),
    "ADMINISTRATORS": ("%", 1),
    "ACCOUNT_SUMMARIES": (1, 1, "", "%", "a", 1),
    "SESSIONS_BY_PREFIX": ("s", "sz", 1),
    "SESSIONS_FROM_ADDRESS": (1, "192.0.2.1", 1),
    "SET_PASSWORD": ("h", "a"),
    "SET_UNFINISHED": (1, "a"),
    "UNFINISHED_ACCOUNTS": (1, "", 1),
    "HOLD_UNFINISHED": (1, "a"),
    "MOVE_IDENTITIES": ("a", 1, "b"),
    "MOVE_ADDRESSES": ("a", 1, "b"),
    "SET_ROLES": ("[]", "a"),
    "SET_CLAIMS": ("{}", "a"),
    "DISABLE_ACCOUNT": (1, "a"),
    "REHASH_PASSWORD": ("h", "a", "h"),
    "SESSIONS_OF_ACCOUNT": ("a", 1, 1),
    "SUBJECTS_OF_ACCOUNT": ("a", 1),
    "END_SESSION": (1, "r", "s"),
    "END_SESSION_OF_ACCOUNT": (1, "r", "s", "a"),
    "END_SESSIONS_OF_LOGIN": (1, "r", "s"),
    "END_SESSIONS_OF_CLIENT": (1, "r", "c", "a"),
    "LOGIN_BY_SECRET": (b"h", 0, "c", 1, 1),
    "ADD_CODE": (b"h", "s", "{}", 1, "a"),
    "CODE_BY_HASH": (b"h",),
    "TAKE_CODE": ("s", b"h"),
    "SWEEP_CODES": (1, 1),
    "ADD_DEVICE_CODE": (b"h", b"u", "c", "{}", 1),
    "DEVICE_CODE_BY_HASH": (b"h",),
    "UNDECIDED_DEVICE_CODE": (b"u", 1),
    "DECIDE_DEVICE_CODE": ("allowed", "a", 1, 1, "pwd", b"u", 1),
    "TAKE_DEVICE_CODE": ("s", b"h"),
    "SWEEP_DEVICE_CODES": (1, 1),
    "ADD_ADDRESS": ("n", "t", 1, "a"),
    "PROVE_ADDRESS": (1, "a", "n"),
    "REMOVE_YOUNGER_ADDRESSES": ("a", 1, "n"),
    "RESTORE_ADDRESS": ("n", "t", 1, "a"),
    "WAYS_IN_SINCE": ("a", 1),
    "ADD_LINK": (b"h", "p", "n", 1, 1, 1, "a"),
    "LINK_BY_HASH": (b"h",),
    "NEWEST_LINK": ("a", "p", "n", 1),
    "TAKE_LINK": (1, b"h", "p"),
    "VOID_LINKS": (1, "a", "p"),
    "VOID_YOUNGER_LINKS": (1, "a", "p", 1),
    "SWEEP_LINKS": (1, 1),
    "ADD_MAIL": ("m", b"c", 1, 1, 0),
    "LEASE_MAILS": (1, 1, 1),
    "POSTPONE_MAIL": (1, "c", 1, "m"),
    "RELEASE_MAIL": (1, "m"),
    "SWEEP_MAILS": (1, 1),
    "EXCHANGEABLE": ("c", "orders", "s", "a", 1, 1, "j"),
    "ADD_AGENT": ("s", b"h", "c", "orders", "", "", 1, "", "p"),
    "TOUCH_AGENT": (1, "", "", "s", ""),
    "AGENTS_OF_ACCOUNT": ("a", 1, 1),
    "END_AGENTS_OF_SESSION": (1, "s"),
    "STOP_AGENT": (1, 1, "a", "c"),
    "KEEP_UPSTREAM_TOKEN": ("https://idp.example", "x", b"s", 1),
    "LEASE_UPSTREAM_TOKENS": (2, 1, 1),
    "ROTATE_UPSTREAM_TOKEN": (b"s", 2, "https://idp.example", "x", 1),
    "LEASED_UPSTREAM_TOKEN": ("https://idp.example", "x", 1),
    "DROP_UPSTREAM_TOKEN": ("https://idp.example", "x", 1),
    "LIVE_SESSION_OF_IDENTITY": ("https://idp.example", "x", 1, 1),
    "ADD_IDENTITY": ("https://idp.example", "x", 1, "a"),
    "SIGN_IN_ELSEWHERE": ("c", "https://idp.example", 1, "x"),
    "ADD_IDENTITY_SESSION": ("s", b"h", "c", "", "", 1, 1, 1, "https://idp.example", "a"),
    "CARRY_IDENTITY_SESSION_ON": (1, "", 1, "s"),
    "END_SESSIONS_OF_IDENTITY": (1, "r", "a", "https://idp.example", "s"),
    "END_SESSIONS_OF_PROVIDER": (1, "r", "https://idp.example", None, None),
    "FORGET_IDENTITY_OF_SESSION": ("s", "https://idp.example", "up"),
    "USE_IDENTITY": ("n", 1, "https://idp.example", "x"),
    "SIGNED_IN": ("s", "c", 1, 1),
    "ADD_FACTOR": ("f", "totp", "n", None, b"s", 1, "", 1, "a"),
    "FACTORS_OF_ACCOUNT": ("a",),
    "FACTOR_BY_CREDENTIAL": (b"c",),
    "USE_FACTOR": (1, 1, "", "f"),
    "REMOVE_FACTOR": ("f", "a"),
    "REMOVE_FACTORS": ("a",),
    "ADD_RECOVERY_CODE": (b"h", "a"),
    "TAKE_RECOVERY_CODE": ("a", b"h"),
    "REMOVE_RECOVERY_CODES": ("a",),
    "RECOVERY_CODES_LEFT": ("a",),
    "ADD_CONSENT": ("c", "orders", "openid", 1, "a"),
    "RENEW_LOGIN": (0, 2, "pwd", 2, "", 3, None, None, None, b"h", "c", "a", 1),
    "LOGOUTS_DUE": (1,),
    "LEASE_LOGOUTS": (2, 1, 1),
    "NOTE_LOGOUT_FAILURE": ("c", 1, "it did not answer"),
    "POSTPONE_LOGOUT": (1, "s"),
    "TOUCH_SESSION": (1, "", "s"),
    "UNREGISTERED_CLIENTS": ("", 1),
    "SAVE_UNREGISTERED_CLIENT": ("c", "document", "{}", "", 1, None, 1),
    "FRESHEN_UNREGISTERED_CLIENT": (1, "c"),
    "USE_UNREGISTERED_CLIENT": (1, 1, "c", 1),
    "EXPIRED_UNREGISTERED_CLIENTS": (1, 1),
    "REMOVE_EXPIRED_UNREGISTERED_CLIENT": ("c", 1),
    "SWEEP_UNREGISTERED_CLIENTS": (1, 1),
    "ADD_DYNAMIC_CLIENT": ("dynamic.c", None, b"h", "{}", 1, 1),
    "HOLD_DYNAMIC_CLIENT": ("dynamic.c", b"h"),
    "REPLACE_DYNAMIC_CLIENT": (None, "{}", 1, "dynamic.c"),
    "ADD_REGISTRATION_TOKEN": ("t", b"h", 1, None, None),
    "USE_REGISTRATION_TOKEN": (b"h", 1),
    "GOOD_REGISTRATION_TOKEN": (b"h", 1),
    "SWEEP_REGISTRATION_TOKENS": (1, 1),
    "ADD_SCIM_TOKEN": ("t", b"h", 1, None),
    "GOOD_SCIM_TOKEN": (b"h", 1),
    "SWEEP_SCIM_TOKENS": (1, 1),
    "SCIM_USERS": (1, 0),
    "SCIM_USERS_AFTER": ("", 1),
    "ADD_SCIM_USER": (None, "{}", 1, "a"),
    "SET_SCIM_USER": (None, "{}", 1, "a"),
    "SCIM_GROUPS": (1, 0),
    "SCIM_GROUPS_AFTER": ("", 1),
    "ADD_SCIM_GROUP": ("g", None, "n", 1),
    "SET_SCIM_GROUP": (None, "n", 1, "g"),
    "END_SESSIONS_OF_ACCOUNT": (1, "r", "a", "s"),
    "SWEEP_SESSIONS": (1, 1),
    "SWEEP_REVOCATIONS": (1, 1),
    "SWEEP_THROTTLES": (1, 1),
    "NEXT_NUMBER_AFTER": ("revocation", 0),
    "REVOCATIONS_AFTER": (1, 1, 1),
    "ADD_REVOCATION": (1, "session", "s", None, 1),
    "ADD_SIGNING_KEY": ("k", "ES256", "jwe", 1, 1),
    "RETIRE_SIGNING_KEY": (1, "k"),
    "ENCRYPT_SIGNING_KEY": ("jwe", "k"),
    "ENCRYPT_PEPPER": ("jwe", 1),
    "ADD_PEPPER": (1, "jwe", 1),
    "ACCOUNTS_WITHOUT_SKELETON": (1,),
    "CHANGE_PASSWORD": ("h", "a", "h", 1, "s", 1),
    "TAKE_SLOT": ("a", 1, 1, 1, 1, 1),
    "GIVE_SLOT_BACK": (1, "a"),
    "FAMILIAR": ("a", 1),
    "ADD_FAMILIAR": ("a", 1, 1),
    "SWEEP_FAMILIAR": (1, 1),
    "ADD_CLIENT": ("c", b"h", b"p", 1, "{}", 1),
    "REPLACE_CLIENT": (b"h", None, None, "{}", "c"),
    "SET_CLIENT_SECRET": (b"h", "c"),
    "ADD_CLIENT_SECRET": (1, b"h", "c"),
    "END_ALL_SESSIONS_OF_CLIENT": (1, "r", "c"),
    "ADD_RESOURCE": ("a", "{}", 1),
    "USE_ONCE": (b"h", 1),
    "SWEEP_USED_ONCE": (1, 1),
    "WAS_USED": (b"h",),
    "ADD_AUDIT": ("i", 1, "e", None, None, None, None, None),
}
"""What a statement is run with that takes more than texts."""


class Undone(Exception):
    """The work was done, and is taken back."""


def test_every_statement_runs_with_nothing_in_the_database(play):
    async def scene(store):
        failures = {}
        for name, sql in STATEMENTS.items():
            wanted = len(set(re.findall(r"\$\d+", sql)))
            given = VALUES.get(name, ("x",) * wanted)
            assert len(given) == wanted, name

            def work(sql=sql, given=given):
                rows = yield sql, given
                assert isinstance(rows, list)
                raise Undone

            try:
                await store.transact(work)
            except Undone:
                continue
            except Exception as error:
                failures[name] = error
        return failures

    assert play(scene) == {}


def test_two_hundred_writes_at_once_are_all_done(play):
    async def scene(store):
        await asyncio.gather(*(store.write(ADD, number, "a", 1) for number in range(200)))
        return await store.read(IDS)

    assert play(scene) == [(number,) for number in range(200)]


def test_of_two_hundred_writes_that_exclude_each_other_one_is_done(play):
    async def scene(store):
        outcomes = await asyncio.gather(
            *(
                store.write(statements.ADD_ACCOUNT, str(number), *ACCOUNT[1:])
                for number in range(200)
            )
        )
        return [rows for rows in outcomes if rows], await store.read("SELECT id FROM account")

    winners, rows = play(scene)
    assert winners == [rows]


def test_of_two_hundred_rotations_of_one_generation_one_is_done(play):
    async def scene(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        await store.write(statements.ADD_SESSION, *new_session(b"hash"))
        values = (2, "", b"hash", 0, 0, "client", "")
        rotate = [store.write(statements.ROTATE, *values) for _ in range(200)]
        outcomes = await asyncio.gather(*rotate)
        return [rows for rows in outcomes if rows]

    assert play(scene) == [
        [(b"hash", "s1", "a1", "client", "orders", "", "", 1, "pwd", 1, None, '[1,["ADMIN"],{}]')]
    ]


def test_rotations_of_many_sessions_at_once_each_give_their_own(play):
    async def scene(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        for number in range(50):
            _, _, *more = new_session(b"")
            await store.write(statements.ADD_SESSION, f"s{number}", b"%d" % number, *more)

        def rotate(number, generation=0, address=""):
            key = b"%d" % number
            return store.write(statements.ROTATE, 2, address, key, generation, 0, "client", "")

        some = [rotate(number, generation=number % 2) for number in range(49)]
        # A text that PostgreSQL can't hold, and several for one session.
        bad, *same = rotate(49, 0, "\x00"), rotate(48, 0), rotate(48, 0)
        outcomes = await asyncio.gather(*some, bad, *same, return_exceptions=True)
        return [
            outcome if isinstance(outcome, Exception) else [(*row[:2], row[9]) for row in outcome]
            for outcome in outcomes
        ]

    *some, bad, again, too = play(scene)
    for number, rows in enumerate(some[:48]):
        assert rows == ([] if number % 2 else [(b"%d" % number, f"s{number}", 1)])
    assert sorted([some[48], again, too]) == [[], [], [(b"48", "s48", 1)]]
    assert isinstance(bad, StoreUnavailable) or bad == [(b"49", "s49", 1)]


def test_what_a_write_has_answered_is_seen_at_once_by_another_store(play, database):
    async def scene(store):
        other = await open_store(database)
        try:
            for number in range(50):
                await store.write(ADD, number, "a", 1)
                assert await other.read(COUNT) == [(number + 1,)]
                assert await store.read(COUNT) == [(number + 1,)]
        finally:
            await other.close()

    play(scene)


def test_a_transaction_is_done_whole_and_sees_its_own_work(play):
    async def scene(store):
        def twice():
            yield ADD, (1, "a", 1)
            rows = yield COUNT, ()
            yield ADD, (2, "b", 1)
            return rows[0][0]

        return await store.transact(twice), await store.read(COUNT)

    assert play(scene) == (1, [(2,)])


def test_a_transaction_without_statements_gives_its_result(play):
    async def scene(store):
        def nothing():
            return 7
            yield

        return await store.transact(nothing)

    assert play(scene) == 7


def test_what_fails_leaves_nothing_and_harms_no_neighbour(play):
    class Refused(Exception):
        pass

    def refusing():
        yield ADD, (100, "a", 1)
        raise Refused

    def conflicting():
        yield ADD, (200, "a", 1)
        yield ADD, (200, "b", 1)

    def misspelt():
        yield ADD, (300, "a", 1)
        yield "INSERT INTO nowhere (id) VALUES ($1)", (1,)

    async def scene(store):
        outcomes = await asyncio.gather(
            *(store.write(ADD, 1, "a", 1), store.transact(refusing), store.write(ADD, 2, "a", 1)),
            *(store.transact(conflicting), store.transact(misspelt), store.write(ADD, 3, "a", 1)),
            return_exceptions=True,
        )
        again = await asyncio.gather(store.write(ADD, 2, "again", 1), return_exceptions=True)
        return [type(outcome) for outcome in outcomes + again], await store.read(IDS)

    kinds, rows = play(scene)
    assert kinds == [
        *(list, Refused, list, StoreUnavailable, StoreUnavailable, list, StoreUnavailable)
    ]
    assert rows == [(1,), (2,), (3,)]


def test_a_failure_is_one_line_without_the_values(play):
    def conflicting():
        yield ADD, (4711, "a-secret", 1)
        yield ADD, (4711, "a-secret", 1)

    async def scene(store):
        attempts = [
            store.transact(conflicting),
            store.read("SELECT a_secret FROM nowhere"),
            store.write("INSERT INTO pepper (id) VALUES ($1)", 4711),
        ]
        return await asyncio.gather(*attempts, return_exceptions=True)

    for failure in play(scene):
        assert isinstance(failure, StoreUnavailable)
        assert "\n" not in str(failure)
        assert "4711" not in str(failure)
        assert "a-secret" not in str(failure)


def test_the_statements_of_a_failed_generator_end_with_it(play):
    ended = []

    def work():
        try:
            yield "SELECT id FROM nowhere", ()
        finally:
            ended.append(True)

    async def scene(store):
        with pytest.raises(StoreUnavailable):
            await store.transact(work)

    play(scene)
    assert ended


def test_numbers_taken_at_once_by_two_stores_have_no_gap_and_no_double(play, database):
    async def scene(store):
        other = await open_store(database)
        try:
            taken = await asyncio.gather(*(one.transact(count_up) for one in [store, other] * 100))
        finally:
            await other.close()
        return sorted(taken), await store.read(NUMBER, "revocation")

    assert play(scene) == (list(range(1, 201)), [(200,)])


def test_a_reader_never_sees_a_number_before_the_ones_below_it(play, database):
    async def scene(store):
        other = await open_store(database)
        done = asyncio.Event()
        seen = []

        async def follow():
            while not done.is_set() or not seen:
                rows = await other.read(statements.REVOCATIONS_AFTER, 0, 0, 1000)
                seen.append([row[0] for row in rows])
                await asyncio.sleep(0)

        async def change():
            await asyncio.gather(*(store.transact(count_up) for _ in range(200)))
            done.set()

        try:
            await asyncio.gather(follow(), change())
        finally:
            await other.close()
        return seen

    for numbers in play(scene):
        assert numbers == list(range(1, len(numbers) + 1))


def test_threads_with_a_store_each_share_one_database(play, database):
    taken = []

    def run():
        async def opened():
            store = await open_store(database)
            try:
                for _ in range(25):
                    taken.append(await store.transact(count_up))  # noqa: PERF401
            finally:
                await store.close()

        asyncio.run(opened())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 101))


OPEN = """
import asyncio, sys
from pathlib import Path
from carnet.server.store import open_store

def add():
    [(number,)] = yield "UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value", (
        "revocation",
    )
    return number

async def main(database):
    sys.stdin.readline()
    store = await open_store(database if "://" in database else Path(database))
    for _ in range(25):
        print(await store.transact(add))
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


def test_processes_that_start_at_the_same_moment_make_the_database_once(database):
    started = [
        processes.start(
            [sys.executable, "-c", OPEN, str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=processes.PATIENCE) for process in started]
    assert [errors for _, errors in outcomes] == [""] * 6
    numbers = sorted(int(line) for output, _ in outcomes for line in output.split())
    assert numbers == list(range(1, 151))


def test_stores_opened_at_the_same_moment_migrate_once(database):
    async def scene():
        stores = await asyncio.gather(*(open_store(database) for _ in range(8)))
        try:
            return await stores[0].read("SELECT number, checksum FROM migration ORDER BY number")
        finally:
            for store in stores:
                await store.close()

    expected = [(migration.number, migration.checksum) for migration in read_migrations()]
    assert asyncio.run(scene()) == expected


def test_an_open_database_is_opened_again_as_it_is(play):
    async def fill(store):
        await store.write(ADD, 1, "a", 1)
        return await store.read("SELECT * FROM migration ORDER BY number")

    async def look(store):
        assert await store.read(IDS) == [(1,)]
        return await store.read("SELECT * FROM migration ORDER BY number")

    assert play(fill) == play(look)


def test_the_database_of_a_newer_version_is_refused(play):
    async def newer(store):
        await store.write("INSERT INTO migration VALUES ($1, $2, $3)", 9999, "checksum", 1)

    async def look(store):
        raise AssertionError("it was opened")

    play(newer)
    with pytest.raises(ServerError, match="newer version of Carnet") as caught:
        play(look)
    assert caught.value.code == "database_too_new"


def test_a_database_that_was_made_otherwise_is_refused(play):
    async def change(store):
        await store.write("UPDATE migration SET checksum = $1 WHERE number = 1", "other")

    async def look(store):
        raise AssertionError("it was opened")

    play(change)
    with pytest.raises(ServerError) as caught:
        play(look)
    assert caught.value.code == "database_changed"


def test_a_migration_that_was_interrupted_has_left_nothing(play, database, monkeypatch):
    from carnet.server.store import migrations

    complete = read_migrations()
    statements = ["CREATE TABLE half (id BIGINT)", "CREATE TABLE nonsense ("]
    broken = migrations.Migration(len(complete) + 1, "x", statements, "broken")

    async def look(store):
        with pytest.raises(StoreUnavailable):
            await store.read("SELECT * FROM half")
        return await store.read("SELECT COUNT(*) FROM migration")

    monkeypatch.setattr(migrations, "read_migrations", lambda: [*complete, broken])
    with pytest.raises(ServerError):
        play(look)
    monkeypatch.undo()
    assert play(look) == [(len(complete),)]


@pytest.mark.parametrize(
    ("name", "values", "ended"),
    [
        ("END_SESSION", ("s1",), ["s1"]),
        ("END_SESSION", ("over",), []),
        ("END_SESSION_OF_ACCOUNT", ("s1", "a1"), ["s1"]),
        ("END_SESSION_OF_ACCOUNT", ("s1", "a2"), []),
        ("END_SESSION_OF_ACCOUNT", ("over", "a1"), []),
        ("END_SESSIONS_OF_LOGIN", ("login",), ["s1", "s2"]),
        ("END_SESSIONS_OF_CLIENT", ("app", "a1"), ["s1", "s3"]),
        ("END_SESSIONS_OF_ACCOUNT", ("a1", "s1"), ["s2", "s3"]),
        ("END_ALL_SESSIONS_OF_CLIENT", ("app",), ["s1", "s3", "s4"]),
    ],
)
def test_what_ends_sessions_ends_those_alone_and_none_twice(play, name, values, ended):
    sessions = [
        # id     account  client   login
        ("s1", "a1", "app", "login"),
        ("s2", "a1", "other", "login"),
        ("s3", "a1", "app", "another"),
        ("s4", "a2", "app", "another"),
        ("over", "a1", "app", "login"),
    ]

    async def scene(store):
        for number in ("1", "2"):
            await store.write(statements.ADD_ACCOUNT, f"a{number}", number, *ACCOUNT[2:6], number)
        for session, account, client, login in sessions:
            given = (session, session.encode(), client, "orders", "", "", 1, 9)
            more = ("", "", login, 1, "pwd", None, None, None, None, None, account, 1)
            assert await store.write(statements.ADD_SESSION, *given, *more)
        await store.write("UPDATE session SET ended_at = 2, ended_reason = 'x' WHERE id = 'over'")
        await store.write(getattr(statements, name), 5, "why", *values)
        rows = await store.read(
            "SELECT id FROM session WHERE ended_at = 5 AND ended_reason = 'why' ORDER BY id"
        )
        return [row[0] for row in rows]

    assert play(scene) == ended


def test_a_login_of_an_account_that_may_not_sign_in_is_none(play):
    async def scene(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        granted = ("app", "orders", "", "", 1, 9, "", "", None, 1, "pwd", None)
        given = ("s1", b"h", *granted, None, None, None, None, "a1", 1)
        await store.write(statements.ADD_SESSION, *given)
        look = (statements.LOGIN_BY_SECRET, b"h", 0, "app", 2, 0)
        found = [len(await store.read(*look))]
        await store.write(statements.DISABLE_ACCOUNT, 1, "a1")
        return [*found, len(await store.read(*look))]

    assert play(scene) == [1, 0]


def test_an_account_is_held_only_as_it_was_read_and_while_it_may_sign_in(play):
    async def scene(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        held = [await store.write(statements.HOLD_ACCOUNT, "a1", number) for number in (1, 2)]
        await store.write(statements.DISABLE_ACCOUNT, 1, "a1")
        return [*held, await store.write(statements.HOLD_ACCOUNT, "a1", 2)]

    assert play(scene) == [[("a1",)], [], []]


@pytest.mark.parametrize("name", ["CONSENT", "HOLD_CONSENT"])
def test_a_consent_is_that_of_one_account_to_one_client_for_one_resource(play, name):
    every = [
        (account, client, resource)
        for account in ("a1", "a2")
        for client in ("app", "other")
        for resource in ("orders", "billing")
    ]

    async def scene(store):
        for number in ("1", "2"):
            await store.write(statements.ADD_ACCOUNT, f"a{number}", number, *ACCOUNT[2:6], number)
        for account, client, resource in every:
            granted = f"{account} {client} {resource}"
            await store.write(statements.ADD_CONSENT, client, resource, granted, 1, account)
        return [await store.write(getattr(statements, name), *one) for one in every]

    assert play(scene) == [[(" ".join(one),)] for one in every]


def test_only_that_consent_without_resource_is_forgotten_which_another_replaces(play):
    every = [("a1", "app", ""), ("a1", "app", "orders"), ("a1", "other", ""), ("a2", "app", "")]

    async def scene(store):
        for number in ("1", "2"):
            await store.write(statements.ADD_ACCOUNT, f"a{number}", number, *ACCOUNT[2:6], number)
        for account, client, resource in every:
            await store.write(statements.ADD_CONSENT, client, resource, "openid", 1, account)
        await store.write(statements.FORGET_CONSENT_TO_NO_RESOURCE, "a1", "app")
        return await store.read(
            "SELECT account_id, client_id, resource FROM consent "
            "ORDER BY account_id, client_id, resource"
        )

    assert play(scene) == every[1:]


def test_a_consent_from_before_resources_is_kept_for_none_of_them(play, monkeypatch):
    from carnet.server.store import migrations

    complete = read_migrations()
    before = [one for one in complete if one.number < 7]

    async def consent(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        await store.write("INSERT INTO consent VALUES ('a1', 'app', 'openid roles', 7)")

    async def look(store):
        again = await store.write(statements.ADD_CONSENT, "app", "orders", "openid", 8, "a1")
        return again, await store.read("SELECT * FROM consent ORDER BY granted_at")

    monkeypatch.setattr(migrations, "read_migrations", lambda: before)
    play(consent)
    monkeypatch.undo()
    kept = [("a1", "app", "", "openid roles", 7), ("a1", "app", "orders", "openid", 8)]
    assert play(look) == ([], kept)


def test_a_session_heals_forward_and_is_touched_only_while_it_lives(play):
    async def scene(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        await store.write(statements.ADD_SESSION, *new_session(b"h"))
        healed = [bool(await store.write(statements.HEAL, to, 1, b"h")) for to in (5, 5, 3, 7)]
        await store.write(statements.END_SESSION, 1, "r", "s1")
        await store.write(statements.TOUCH_SESSION, 99, "elsewhere", "s1")
        healed.append(bool(await store.write(statements.HEAL, 9, 1, b"h")))
        return healed, await store.read("SELECT generation, rotated_at, address FROM session")

    assert play(scene) == ([True, False, False, True, False], [(7, 1, "")])


def test_a_caller_that_gives_up_stops_nobody_else(play):
    async def scene(store):
        for number in range(40):
            impatient = asyncio.create_task(store.write(ADD, number, "a", 1))
            transaction = asyncio.create_task(store.transact(count_up))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            impatient.cancel()
            transaction.cancel()
            await asyncio.gather(impatient, transaction, return_exceptions=True)
        await asyncio.gather(*(store.write(ADD, 1000 + n, "a", 1) for n in range(40)))
        numbers = await asyncio.gather(*(store.transact(count_up) for _ in range(40)))
        rows = await store.read(statements.REVOCATIONS_AFTER, 0, 0, 1000)
        return numbers, [row[0] for row in rows]

    numbers, rows = play(scene)
    assert rows == list(range(1, max(numbers) + 1))


def test_closing_finishes_what_is_under_way(database):
    async def scene():
        store = await open_store(database)
        writing = [asyncio.create_task(store.write(ADD, n, "a", 1)) for n in range(50)]
        await asyncio.sleep(0)
        await store.close()
        answered = await asyncio.gather(*writing)
        store = await open_store(database)
        rows = await store.read(IDS)
        await store.close()
        return answered, rows

    answered, rows = asyncio.run(scene())
    assert answered == [[(n,)] for n in range(50)]
    assert rows == [(n,) for n in range(50)]


def test_statements_are_counted(play):
    async def scene(store):
        before = store.statements_run
        await store.write(ADD, 1, "a", 1)
        await store.read(COUNT)
        await store.transact(count_up)
        return store.statements_run - before

    assert play(scene) == 4


def test_random_transactions_at_once_lose_and_invent_nothing(play):
    """Money is moved between accounts by transactions of which some fail half-way."""
    moves = list(itertools.islice(itertools.product(range(5), range(5), (False, True)), 50)) * 4

    async def scene(store):
        for number in range(5):
            await store.write(ADD, number, "", 1000)

        def move(source, target, fails):
            change = "UPDATE pepper SET created_at = created_at + $1 WHERE id = $2"
            # In the order of the rows, so that no two of them wait for each other.
            first, second = sorted([(-1, source), (1, target)], key=lambda change: change[1])
            yield change, first
            if fails:
                raise LookupError
            yield change, second

        def work(arguments):
            return lambda: move(*arguments)

        outcomes = await asyncio.gather(
            *(store.transact(work(arguments)) for arguments in moves), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {type(None), LookupError}
        return await store.read("SELECT id, created_at FROM pepper ORDER BY id")

    expected = dict.fromkeys(range(5), 1000)
    for source, target, fails in moves:
        if not fails:
            expected[source] -= 1
            expected[target] += 1
    assert dict(play(scene)) == expected


def test_each_notice_is_leased_to_one_and_only_of_a_session_that_has_ended(play):
    async def scene(store):
        await store.write(statements.ADD_ACCOUNT, *ACCOUNT)
        for number in range(40):
            values = new_session(b"%d" % number)._replace(
                session_id=f"s{number}", logout_uri="https://app.example.com/logout"
            )
            await store.write(statements.ADD_SESSION, *values)
        for number in range(30):
            await store.write(statements.END_SESSION, 5, "why", f"s{number}")
        leased = []
        for _ in range(10):
            due = await asyncio.gather(
                *(store.write(statements.LEASE_LOGOUTS, 100, 10, 3) for _ in range(8))
            )
            leased += [row[0] for rows in due for row in rows]
        living = await store.read(statements.LOGOUTS_DUE, 10)
        again = await store.write(statements.LEASE_LOGOUTS, 200, 100, 40)
        return sorted(leased), living, len(again)

    assert play(scene) == (sorted(f"s{number}" for number in range(30)), [], 30)
