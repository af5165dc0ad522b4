"""kill -9 between any two statements: no session is lost, none forks, no ended session lives.

Each case kills a real server at its Nth statement (BEGIN, each savepoint, each statement, COMMIT),
counted from the moment that the operation under test is sent, starts it again and looks.
"""

import signal
import sqlite3
from pathlib import Path

import httpx
import pytest

PROGRAM = Path(__file__).with_name("killed.py")
ISSUER = "http://127.0.0.1:1"
# How many statements each operation has: BEGIN, SAVEPOINT, its own, RELEASE, COMMIT.
ROTATION, SIGN_OUT = 3, 9
# Of two transactions: slots are taken; and given back, as the session begins.
SIGN_IN = 7 + 11


@pytest.fixture
def start_doomed(start, tmp_path):
    def start_one(step):
        armed = tmp_path / "armed"
        armed.unlink(missing_ok=True)
        server = start(
            *("--issuer", ISSUER, "--refresh-grace", "30"),
            program=(str(PROGRAM), str(step)),
            env={"KILL_WHEN_ARMED": str(armed)},
        )
        return server, armed.touch

    return start_one


def attempt(request):
    try:
        return request()
    except httpx.HTTPError:
        return None


def restarted(server, start):
    # What a service does when it is stopped is no step of these.
    (server.data.parent / "armed").unlink()
    died = server.stop() == -signal.SIGKILL
    return died, start("--issuer", ISSUER, "--refresh-grace", "30")


@pytest.mark.parametrize("step", range(1, ROTATION + 2))
def test_a_killed_rotation_loses_no_session_and_forks_none(start_doomed, start, add_user, step):
    add_user()
    server, arm = start_doomed(step)
    first = server.sign_in().json()["refresh_token"]
    arm()
    answer = attempt(lambda: server.refresh(first))
    died, server = restarted(server, start)
    assert died is (answer is None) is (step <= ROTATION)
    # The client that got no answer repeats its request.
    repeated = server.refresh(first).json()
    if answer is not None:
        assert repeated["refresh_token"] == answer.json()["refresh_token"]
    assert server.refresh(repeated["refresh_token"]).status_code == 200
    assert generations(server) == [2]


@pytest.mark.parametrize("step", range(1, SIGN_OUT + 2))
def test_a_killed_sign_out_leaves_a_living_session_or_an_ended_and_revoked_one(
    start_doomed, start, add_user, step
):
    add_user()
    server, arm = start_doomed(step)
    body = server.sign_in().json()
    arm()
    answer = attempt(lambda: server.sign_out(body["access_token"]))
    died, server = restarted(server, start)
    assert died is (step <= SIGN_OUT)
    ended, revoked = state(server, body["session_id"])
    assert ended == revoked
    if answer is not None:
        assert answer.status_code == 204
        assert ended
    assert server.refresh(body["refresh_token"]).status_code == (400 if ended else 200)
    if not ended:
        assert server.sign_out(body["access_token"]).status_code == 204


@pytest.mark.parametrize("step", range(1, SIGN_IN + 2))
def test_a_killed_sign_in_leaves_a_whole_session_or_none(start_doomed, start, add_user, step):
    add_user()
    server, arm = start_doomed(step)
    arm()
    answer = attempt(server.sign_in)
    died, server = restarted(server, start)
    assert died is (step <= SIGN_IN)
    sessions = query(server, "SELECT COUNT(*) FROM session")[0][0]
    told = query(server, "SELECT COUNT(*) FROM audit WHERE event = 'session_begun'")[0][0]
    assert sessions == told
    if answer is not None:
        assert sessions == 1
        assert server.refresh(answer.json()["refresh_token"]).status_code == 200
    assert server.sign_in().status_code == 201


@pytest.mark.parametrize("step", range(1, ROTATION + SIGN_OUT + 2))
def test_a_killed_reuse_ends_the_session_whole_at_the_next_attempt(
    start_doomed, start, add_user, step
):
    add_user()
    server, arm = start_doomed(step)
    body = server.sign_in().json()
    second = server.refresh(body["refresh_token"]).json()["refresh_token"]
    third = server.refresh(second).json()["refresh_token"]
    arm()
    attempt(lambda: server.refresh(body["refresh_token"]))
    died, server = restarted(server, start)
    assert died is (step <= ROTATION + SIGN_OUT)
    ended, revoked = state(server, body["session_id"])
    assert ended == revoked
    assert server.refresh(body["refresh_token"]).status_code == 400
    assert server.refresh(third).status_code == 400
    assert state(server, body["session_id"]) == (True, True)


@pytest.mark.parametrize("step", range(1, 18))
def test_a_killed_key_rotation_leaves_exactly_one_key_that_signs(
    carnet, start, add_user, tmp_path, step
):
    add_user()
    armed = tmp_path / "armed"
    armed.touch()
    carnet(
        *("keys", "rotate", "--now"),
        data=tmp_path / "data",
        program=(str(PROGRAM), str(step)),
        env={"KILL_WHEN_ARMED": str(armed)},
    )
    server = start("--issuer", ISSUER)
    assert server.sign_in().status_code == 201
    stages = carnet("keys", "list", data=tmp_path / "data").stdout
    assert stages.count("signing") == 1
    keys = query(server, "SELECT COUNT(*) FROM signing_key")[0][0]
    told = query(server, "SELECT COUNT(*) FROM audit WHERE event = 'key_created'")[0][0]
    assert keys == told


@pytest.mark.parametrize("step", [*range(1, 40, 3), 60])
def test_a_first_start_that_is_killed_is_finished_by_the_next(carnet, start, tmp_path, step):
    armed = tmp_path / "armed"
    armed.touch()
    carnet(
        *("user", "roles", "nobody"),
        data=tmp_path / "data",
        program=(str(PROGRAM), str(step)),
        env={"KILL_WHEN_ARMED": str(armed)},
    )
    made = carnet(
        *("user", "add", "alice", "--password-file", "-"),
        data=tmp_path / "data",
        stdin="a-long-enough-password\n",
    )
    assert made.returncode == 0, made.stderr
    assert start().sign_in().status_code == 201


def query(server, sql, *values):
    connection = sqlite3.connect(server.data / "carnet.db")
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def generations(server):
    return [row[0] for row in query(server, "SELECT generation FROM session")]


def state(server, session_id):
    [(ended,)] = query(server, "SELECT ended_at IS NOT NULL FROM session WHERE id = ?", session_id)
    [(revoked,)] = query(server, "SELECT COUNT(*) FROM revocation WHERE value = ?", session_id)
    return bool(ended), bool(revoked)
