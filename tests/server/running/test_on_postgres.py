"""The whole service on a real PostgreSQL, with several workers, through its troubles."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.server.flows import Person, Request, add_client, signed_in


@pytest.fixture(autouse=True)
def _database(postgres_url, monkeypatch):
    monkeypatch.setenv("CARNET_DATABASE", postgres_url)


def test_a_session_goes_through_its_life_with_two_workers(start, add_user, carnet):
    add_user()
    server = start("--workers", "2", "--refresh-grace", "1")
    body = server.sign_in_to_api().json()
    following = server.refresh(body["refresh_token"]).json()
    assert (
        server.refresh(body["refresh_token"]).json()["refresh_token"]
        == (following["refresh_token"])
    )
    assert carnet("user", "roles", "alice", "USER", data=server.data).returncode == 0
    token = server.refresh(following["refresh_token"]).json()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert server.client.get("/account", headers=bearer).json()["roles"] == ["USER"]
    time.sleep(1.1)
    assert server.refresh(body["refresh_token"]).status_code == 400
    assert server.refresh(token["refresh_token"]).status_code == 400
    assert not (server.data / "carnet.db").exists()
    assert server.stop() == 0


def test_a_client_is_let_in_with_two_workers_and_a_second_use_of_its_code_ends_that(
    start, tmp_path
):
    add_client(tmp_path / "data")
    server = start("--workers", "2")
    person = Person(server)
    asked = Request(scope="openid profile")
    code = person.authorize(**asked.parameters)["code"]
    body = asked.exchange(server, code).json()
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    told = server.client.get("/userinfo", headers=bearer).json()
    assert told["preferred_username"] == "alice"
    assert asked.exchange(server, code).json()["error"] == "invalid_grant"
    assert server.client.get("/userinfo", headers=bearer).status_code == 401

    # The consent is remembered, and the logout ends what was granted in the browser.
    bearer = {"Authorization": f"Bearer {signed_in(server, person)['access_token']}"}
    assert person.forms == ["/sign-in", "/authorize/decision"]
    person.go("/logout")
    assert server.client.get("/userinfo", headers=bearer).status_code == 401


def test_sessions_survive_kill_9_and_a_second_replica_serves_them_too(start, add_user):
    add_user()
    one = start("--issuer", "http://127.0.0.1:1")
    other = start("--issuer", "http://127.0.0.1:1")
    body = one.sign_in().json()
    token = other.refresh(body["refresh_token"]).json()["refresh_token"]
    one.stop(signal.SIGKILL)
    token = other.refresh(token).json()["refresh_token"]
    again = start("--issuer", "http://127.0.0.1:1")
    assert again.refresh(token).status_code == 200
    assert again.sign_out(body["access_token"]).status_code == 204


def test_a_replica_with_another_master_key_is_refused_and_leaves_none_behind(
    start, add_user, carnet, tmp_path
):
    add_user()
    start()
    done = carnet("serve", "--port", "0", data=tmp_path / "second")
    assert done.returncode == 2
    assert "the master key does not belong to this database" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "second").iterdir()) == []


def test_a_database_that_does_not_run_is_one_line_without_its_password(carnet, tmp_path):
    url = "postgresql://carnet:very-secret@127.0.0.1:1/carnet"
    done = carnet("serve", "--port", "0", "--database", url, data=tmp_path / "data")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1:1" in done.stderr
    assert "very-secret" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_database_that_restarts_under_load_loses_no_session(start, add_user, postgres, number):
    """SIGINT is a fast shutdown, SIGQUIT is as good as a crash."""
    add_user()
    server = start("--issuer", "http://127.0.0.1:1", "--refresh-grace", "60")
    tokens = [server.sign_in().json()["refresh_token"] for _ in range(8)]
    stop = threading.Event()
    counts = {"refreshed": 0, "unavailable": 0}

    def refresh_all_the_time(token):
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
            while not stop.is_set():
                form = {"grant_type": "refresh_token", "refresh_token": token}
                answer = client.post("/token", data=form)
                if answer.status_code == 200:
                    counts["refreshed"] += 1
                    token = answer.json()["refresh_token"]
                else:
                    # Nothing but "try again": never that the session is over.
                    assert answer.status_code == 503, answer.text
                    assert answer.headers["retry-after"]
                    counts["unavailable"] += 1
                    time.sleep(0.05)
        return token

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(refresh_all_the_time, token) for token in tokens]
        time.sleep(1)
        postgres.stop(number)
        time.sleep(0.5)
        assert server.client.get("/readyz").status_code == 503
        assert server.client.get("/healthz").status_code == 200
        postgres.start()
        until = time.monotonic() + 60
        while server.client.get("/readyz").status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        before = counts["refreshed"]
        time.sleep(1)
        stop.set()
        tokens = [task.result() for task in running]
    assert counts["refreshed"] > before
    assert all(server.refresh(token).status_code == 200 for token in tokens)
