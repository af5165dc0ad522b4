"""Many clients at once, one and four workers: one generation, the same successor, session alive."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, monkeypatch):
    """The commands and the servers of a test use this engine."""
    if request.param == "postgres":
        monkeypatch.setenv("CARNET_DATABASE", request.getfixturevalue("postgres_store"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_twenty_uses_at_once_two_hundred_times(database, start, add_user, workers):
    add_user()
    server = start("--workers", str(workers))
    token = server.sign_in().json()["refresh_token"]
    clients = [httpx.Client(base_url=server.url, trust_env=False, timeout=60) for _ in range(20)]
    try:
        with ThreadPoolExecutor(20) as pool:
            for _ in range(200):
                form = {"grant_type": "refresh_token", "refresh_token": token}
                answers = list(pool.map(lambda one: one.post("/token", data=form), clients))  # noqa: B023 - the pool is done before the next round
                assert {answer.status_code for answer in answers} == {200}
                successors = {answer.json()["refresh_token"] for answer in answers}
                assert len(successors) == 1
                [token] = successors
    finally:
        for client in clients:
            client.close()
    assert server.refresh(token).status_code == 200


def test_a_sign_out_while_twenty_refresh_is_final(database, server):
    for _ in range(10):
        body = server.sign_in().json()
        with ThreadPoolExecutor(21) as pool:
            refreshing = [pool.submit(server.refresh, body["refresh_token"]) for _ in range(20)]
            ending = pool.submit(server.sign_out, body["access_token"])
        assert ending.result().status_code == 204
        successors = {
            answer.result().json().get("refresh_token")
            for answer in refreshing
            if answer.result().status_code == 200
        }
        for token in {*successors, body["refresh_token"]}:
            assert server.refresh(token).status_code == 400
