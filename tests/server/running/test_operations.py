"""Running the service: readiness, figures, logs, workers, checks, backup."""

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import apsw
import httpx
import pytest
from tests import processes


def test_readiness_asks_the_database(server):
    assert server.client.get("/readyz").json() == {"status": "ready"}


def test_the_figures_count_requests_sign_ins_and_refreshes(server):
    body = server.sign_in().json()
    server.sign_in(password="wrong")
    server.refresh(body["refresh_token"])
    server.refresh("x")
    text = server.client.get("/metrics").text
    for line in (
        'carnet_sign_ins_total{outcome="accepted"} 1.0',
        'carnet_sign_ins_total{outcome="refused"} 1.0',
        'carnet_refreshes_total{outcome="accepted"} 1.0',
        'carnet_refreshes_total{outcome="malformed"} 1.0',
        'carnet_requests_total{at="issue_token",status="400"} 1.0',
    ):
        assert line in text


def test_the_audit_log_tells_who_did_what_from_where_and_holds_no_secret(server, carnet):
    body = server.sign_in().json()
    server.sign_in(password="wrong-and-secret")
    server.refresh(body["refresh_token"])
    server.sign_out(body["access_token"])
    told = carnet("audit", "--json", data=server.data).stdout
    entries = [json.loads(line) for line in told.splitlines()]
    by_event = {entry["event"]: entry for entry in entries}
    assert by_event["sign_in_refused"]["reason"] == "wrong_username_or_password"
    assert by_event["session_begun"]["address"] == "127.0.0.1"
    assert by_event["session_ended"]["reason"] == "signed_out"
    assert by_event["session_ended"]["session_id"] == body["session_id"]
    for secret in ("wrong-and-secret", body["refresh_token"], body["access_token"]):
        assert secret not in told
    lines = carnet("audit", data=server.data).stdout
    assert "session_ended" in lines
    assert "reason=signed_out" in lines


def test_the_log_is_json_and_holds_no_secret(server):
    token = server.sign_in().json()["refresh_token"]
    server.sign_in(password="wrong-and-secret")
    server.refresh(token)
    server.refresh(token[:-1] + ("A" if token[-1] != "A" else "B"))
    server.stop()
    lines = [json.loads(line) for line in server.process.stderr.read().splitlines()]
    assert [line["event"] for line in lines] == ["sign_in_refused", "refresh_refused"]
    assert all(line["time"].endswith("Z") and line["level"] == "info" for line in lines)
    assert "wrong-and-secret" not in str(lines)
    assert token[:40] not in str(lines)


def test_four_workers_share_the_sessions_the_keys_and_the_figures(start, add_user):
    add_user()
    server = start("--workers", "4")
    token = server.sign_in().json()["refresh_token"]
    answers = []
    for _ in range(30):
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
            form = {"grant_type": "refresh_token", "refresh_token": token}
            answers.append(client.post("/token", data=form))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert 'carnet_refreshes_total{outcome="accepted"} 30.0' in server.client.get("/metrics").text
    assert len(server.client.get("/.well-known/jwks.json").json()["keys"]) == 1
    assert server.stop() == 0


def test_a_dead_worker_is_replaced_and_dead_supervisors_leave_no_worker(start, add_user):
    add_user()
    server = start("--workers", "2")
    first = processes.workers_of(server.process.pid)
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    processes.wait_for_successor(server.process.pid, first[0])
    for _ in range(5):
        with httpx.Client(trust_env=False, timeout=60) as client:
            assert client.get(f"{server.url}/healthz").status_code == 200
    workers = processes.workers_of(server.process.pid)
    server.stop(signal.SIGKILL)
    processes.wait_until(lambda: all(map(processes.has_ended, workers)))


def test_what_is_in_flight_when_the_service_stops_is_finished(server):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(server.sign_in) for _ in range(8)]
        time.sleep(0.05)
        status = server.stop()
        codes = []
        for answer in answers:
            try:
                codes.append(answer.result().status_code)
            except httpx.HTTPError:
                codes.append("not begun")
    assert status == 0
    assert set(codes) <= {201, "not begun"}
    assert 201 in codes


def test_a_check_says_what_the_settings_are_and_that_all_is_well(carnet, add_user, tmp_path):
    fresh = carnet("serve", "--check", "--port", "9999", data=tmp_path / "none")
    assert fresh.returncode == 0
    assert "9999" in fresh.stdout
    assert "made at the first start" in fresh.stdout
    assert not (tmp_path / "none").exists()
    add_user()
    assert "are good" in carnet("serve", "--check", data=tmp_path / "data").stdout
    (tmp_path / "data" / "master.key").unlink()
    broken = carnet("serve", "--check", data=tmp_path / "data")
    assert broken.returncode == 2
    assert "is missing" in broken.stderr


def test_keys_are_listed_rotated_and_retired_while_the_server_runs(server, carnet):
    def published():
        document = server.client.get("/.well-known/jwks.json").json()
        return {key["kid"] for key in document["keys"]}

    [first] = published()
    token = server.sign_in().json()
    assert carnet("keys", "rotate", "--now", data=server.data).returncode == 0
    processes.wait_until(lambda: len(published()) == 2)
    listed = json.loads(carnet("keys", "list", "--json", data=server.data).stdout)
    assert [(row["stage"], row["kid"] == first) for row in listed] == [
        ("retired", True),
        ("signing", False),
    ]
    assert server.sign_out(token["access_token"]).status_code == 204
    other = server.sign_in().json()
    assert carnet("keys", "retire", first, "--yes", data=server.data).returncode == 0
    processes.wait_until(lambda: first not in published())
    assert server.sign_out(other["access_token"]).status_code == 204
    assert server.sign_out(token["access_token"]).status_code == 401
    again = carnet("keys", "retire", first, "--yes", data=server.data)
    assert again.returncode == 2
    assert "keys list" in again.stderr


def test_the_master_key_is_changed_and_the_old_one_opens_nothing(carnet, start, add_user, tmp_path):
    add_user()
    path = tmp_path / "data" / "master.key"
    old = path.read_bytes()
    first = start("--issuer", "http://127.0.0.1:1")
    token = first.sign_in().json()["refresh_token"]
    first.stop()
    assert carnet("keys", "change-master-key", data=tmp_path / "data").returncode == 0
    assert path.read_bytes() != old
    assert path.stat().st_mode & 0o777 == 0o600
    second = start("--issuer", "http://127.0.0.1:1")
    assert second.refresh(token).status_code == 200
    second.stop()
    path.write_bytes(old)
    assert carnet("serve", "--check", data=tmp_path / "data").returncode == 2


def test_a_backup_of_a_running_server_is_restored_and_sessions_heal(start, add_user, tmp_path):
    add_user()
    first = start("--issuer", "http://127.0.0.1:1")
    token = first.sign_in().json()["refresh_token"]
    # As docs/how-to/back-up.md says: SQLite's own backup, and the master key.
    backup = tmp_path / "backup"
    backup.mkdir(mode=0o700)
    source = apsw.Connection(str(first.data / "carnet.db"))
    target = apsw.Connection(str(backup / "carnet.db"))
    with target.backup("main", source, "main") as copying:
        copying.step()
    source.close()
    target.close()
    shutil.copy2(first.data / "master.key", backup / "master.key")
    for _ in range(4):
        token = first.refresh(token).json()["refresh_token"]
    first.stop(signal.SIGKILL)
    second = start("--issuer", "http://127.0.0.1:1", data=backup)
    following = second.refresh(token)
    assert following.status_code == 200
    assert second.refresh(following.json()["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("session", "end", "alice"), "--all"),
        (("session", "end", "alice", "x", "--all"), "--all"),
        (("session", "end", "alice", "unknown"), "session list alice"),
        (("session", "end", "nobody", "--all"), "user list"),
        (("user", "roles", "alice", "a b"), "without white space"),
        (("user", "claims", "alice", "[1]"), "JSON object"),
        (("user", "claims", "alice", '{"sub": "x"}'), "the service itself sets sub"),
        (("keys", "rotate", "--alg", "RS256"), "signing_algorithms"),
        (("user", "disable", "nobody"), "user list"),
    ],
)
def test_a_command_that_cant_be_done_says_what_to_do(carnet, add_user, tmp_path, arguments, said):
    add_user()
    done = carnet(*arguments, data=tmp_path / "data")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def connections_of(pid):
    """Count the sockets that a process has open."""
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(file.readlink()).startswith("socket:")
        except OSError:  # it was closed meanwhile
            continue
    return found


def test_the_successor_of_a_dead_worker_gets_its_share_of_connections(start):
    server = start("--workers", "2")
    first = processes.workers_of(server.process.pid)
    os.kill(first[0], signal.SIGKILL)
    processes.wait_for_successor(server.process.pid, first[0])
    [successor] = set(processes.workers_of(server.process.pid)) - {first[1]}
    with contextlib.ExitStack() as streams:

        def connect():
            # Streams, since a connection that only waits gives way.
            client = streams.enter_context(httpx.Client(trust_env=False, timeout=60))
            stream = client.stream("GET", f"{server.url}/revocations")
            assert streams.enter_context(stream).status_code == 200
            return shares()

        def shares():
            return connections_of(successor), connections_of(first[1])

        # Until it serves there is nothing to share.
        before = shares()
        processes.wait_until(lambda: connect()[0] > before[0] + 5)
        before = shares()
        for _ in range(60):
            connect()
        gained = [now - then for now, then in zip(shares(), before, strict=True)]
    assert gained[0] >= 6, gained
