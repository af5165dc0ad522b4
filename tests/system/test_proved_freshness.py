"""What says that it is up to date has just read the database: the whole way, for real."""

import json
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.server.flows import Person, add_client, signed_in
from tests.system.waiting import followed, refusal, until

from carnet import IssuerUnavailable

HEARTBEATS = {"CARNET_REVOCATION_HEARTBEAT": "1"}
POISON = "https://xn--/l"


@contextmanager
def hanging(postgres):
    """Let PostgreSQL hang: it takes connections, and answers nothing."""
    parent = postgres.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    everyone = [parent, *map(int, children)]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in everyone:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def away(postgres):
    """Let PostgreSQL refuse connections."""
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@pytest.mark.parametrize("trouble", [hanging, away])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_its_database_an_issuer_proves_nothing_and_recovers_by_itself(
    start,
    add_user,
    verify,
    postgres,
    postgres_url,
    monkeypatch,
    trouble,
    workers,
):
    monkeypatch.setenv("CARNET_DATABASE", postgres_url)
    add_user()
    server = start("--workers", workers, env=HEARTBEATS)
    required = verify(server.url, revocations="required", revocations_max_age=4)
    token, ended = (server.sign_in().json()["access_token"] for _ in range(2))
    required.verify(token)
    until(lambda: followed(required))
    with trouble(postgres):
        until(lambda: required.health()[0].revocations_age > 4)
        assert not required.health()[0].ready
        for _ in range(20):
            with pytest.raises(IssuerUnavailable, match="which is too long"):
                required.verify(token)
            time.sleep(0.1)
        assert server.client.get("/readyz").status_code == 503
        assert server.client.get("/healthz").status_code == 200
        assert server.client.get("/revocations").status_code == 503
    until(lambda: accepts(required, token), 60)
    until(lambda: server.client.get("/readyz").status_code == 200, 60)
    assert required.health()[0].ready
    server.sign_out(ended)
    assert refusal(required, ended, 20).code == "revoked"


def accepts(verifier, token):
    try:
        return verifier.verify(token)
    except IssuerUnavailable:
        return None


def test_a_database_that_is_only_read_is_not_taken_for_the_one_that_is_written(
    carnet,
    tmp_path,
    postgres,
    postgres_url,
):
    name = postgres_url.rpartition("/")[2]
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    done = carnet("serve", "--port", "0", "--database", postgres_url, data=tmp_path / "data")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_client_that_can_not_be_told_harms_itself_alone(
    request, start, carnet, verify, monkeypatch, tmp_path, engine
):
    if engine == "postgres":
        monkeypatch.setenv("CARNET_DATABASE", request.getfixturevalue("postgres_store"))
    data = tmp_path / "data"
    add_client(data, backchannel_logout_uri="https://127.0.0.1:1/l")
    poison(data)
    server = start(env=HEARTBEATS)
    for round_number in range(2):
        person = Person(server)
        token = signed_in(server, person)["access_token"]
        other = server.sign_in().json()["access_token"]
        required = verify(server.url, revocations="required", revocations_max_age=10)
        required.verify(other)
        until(lambda: followed(required))  # noqa: B023
        person.go("/logout")
        until(lambda: 'outcome="failed"' in server.client.get("/metrics").text)  # noqa: B023
        # Everything else goes on: revocations, keys, clients that are new, readiness.
        server.sign_out(other)
        assert refusal(required, other, 20).code == "revoked"
        with pytest.raises(Exception, match="ended"):
            required.verify(token)
        assert carnet("keys", "rotate", "--now", data=data).returncode == 0
        name = f"new-{round_number}"
        flags = ("--id", name, "--redirect-uri", "https://new.example/", "--auth", "none")
        assert carnet("client", "add", "New", *flags, data=data).returncode == 0
        until(lambda: len(published(server)) == round_number + 2)  # noqa: B023
        query = {"client_id": name, "redirect_uri": "https://new.example/"}
        until(lambda: knows(server, query))  # noqa: B023
        assert server.client.get("/readyz").json() == {"status": "ready"}
        shown = json.loads(carnet("client", "show", "app", "--json", data=data).stdout)
        assert "can't be used" in shown["logout_failure"]["cause"]
        # The row is still there when the server comes back.
        server.stop()
        log = server.process.stderr.read()
        assert "logout_not_told" in log
        assert "Traceback" not in log
        server = start("--issuer", server.url, "--port", server.url.rpartition(":")[2])


def poison(data):
    """Put the address into the database itself, where an older version may have left it."""
    import asyncio

    from carnet.server.service import open_service
    from carnet.server.settings import Settings

    async def scene():
        settings = Settings(data=str(data), database=os.environ.get("CARNET_DATABASE", ""))
        async with open_service(settings) as service:
            await service.store.write(
                "UPDATE client SET metadata = REPLACE(metadata, $1, $2)",
                "https://127.0.0.1:1/l",
                POISON,
            )

    asyncio.run(scene())


def published(server):
    return server.client.get("/.well-known/jwks.json").json()["keys"]


def knows(server, query):
    # A client that is not known is told so, and of one that is known the request is looked at.
    return "nknown" not in server.client.get("/authorize", params=query).text
