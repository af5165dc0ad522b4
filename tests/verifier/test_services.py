"""A small service of each framework, under its real server, answers what the table says."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
from tests import processes
from tests.server.oauth_clients import Prover
from tests.verifier.conformance import CASES

UVICORN = ("uvicorn", "--no-access-log", "--fd")
GUNICORN = ("gunicorn", "--threads=4", "--bind", "fd://")
SERVICES = {
    "asgi": (UVICORN, "for_asgi:app"),
    "starlette": (UVICORN, "for_starlette:app"),
    "fastapi": (UVICORN, "for_fastapi:app"),
    "litestar": (UVICORN, "for_litestar:app"),
    "django under uvicorn": (UVICORN, "for_django:asgi"),
    "django under gunicorn": (GUNICORN, "for_django:app"),
    "rest framework": (GUNICORN, "for_rest_framework:app"),
    "flask": (GUNICORN, "for_flask:create_app()"),
    "wsgi": (GUNICORN, "for_wsgi:app"),
}


@dataclass
class Service:
    """A running service."""

    client: httpx.Client
    process: subprocess.Popen
    log: object

    def ask(self, asked):
        headers = [("Authorization", value) for value in asked.authorization]
        return self.client.get(f"{asked.path}{asked.query}", headers=headers)


def command(name, number):
    (program, *options), target = SERVICES[name]
    options[-1] += str(number) if options[-1].endswith("//") else ""
    number = [] if options[-1].startswith("fd:") else [str(number)]
    target = f"tests.verifier.services.{target}"
    return [sys.executable, "-m", program, *options, *number, target]


@contextmanager
def running(name, world, root, log, resource=None):
    """Run a service; its address with `resource` behind it is what its metadata are for."""
    # The listener is there before the server: nobody has to wait for a line or a port.
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as written:
        number = listener.fileno()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = processes.start(
            command(name, number),
            pass_fds=[number],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "ISSUERS": f"{world.issuer.url} {world.dead}",
                "PYTHONPATH": str(root),
                **({} if resource is None else {"RESOURCE": url + resource}),
            },
        )
        # The server has the only other end: should it die, a request fails instead of waiting.
        listener.close()
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield Service(client, process, log)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(processes.PATIENCE)
        finally:
            process.kill()
            process.wait(processes.PATIENCE)


@pytest.fixture(scope="module", params=list(SERVICES))
def service(request, world, root, tmp_path_factory):
    log = tmp_path_factory.mktemp("service") / "log"
    with running(request.param, world, root, log) as service:
        yield service


@pytest.mark.parametrize("name", list(CASES))
def test_every_service_answers_what_the_table_says(service, world, name):
    asked = CASES[name](world)
    answer = service.ask(asked)
    assert answer.status_code == asked.status, answer.text + service.log.read_text()
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    challenge = answer.headers.get("www-authenticate")
    if asked.code is None:
        assert challenge is None
        assert answer.json().get("for") == (None if asked.path == "/open" else "ada")
        return
    assert answer.json()["code"] == asked.code
    assert (answer.headers.get("retry-after") == "5") is (asked.status == 503)
    if asked.challenge is None:
        assert challenge is None
    elif asked.challenge == "Bearer":
        assert challenge == "Bearer"
    else:
        assert challenge.startswith(asked.challenge)
        assert ('scope="a:write b"' in challenge) is (asked.code == "scope_missing")


def test_an_oversized_header_is_refused(service):
    try:
        answer = service.client.get("/orders", headers={"Authorization": f"Bearer {'a' * 70_000}"})
    except httpx.NetworkError:
        return  # a server that stops reading may close while we still write
    # A server's own limit may come first.
    assert answer.status_code in (400, 431)


def test_the_log_tells_each_refusal_and_never_a_token(service, world):
    token = world.issuer.token(aud="billing")
    service.client.get("/orders", headers={"Authorization": f"Bearer {token}"})
    log = service.log.read_text()
    assert "refused 401 audience_mismatch claim=aud path='/orders'" in log
    assert "eyJ" not in log


def test_the_issuer_is_asked_once_and_not_for_each_request(service, world):
    before = len(world.issuer.requests)
    for _ in range(20):
        headers = {"Authorization": f"Bearer {world.issuer.token()}"}
        assert service.client.get("/orders", headers=headers).is_success
    assert len(world.issuer.requests) - before <= 3  # the first use may be this one


def test_a_bound_token_comes_with_its_proof_or_not_at_all(service, world):
    prover = Prover()
    token = world.issuer.token(cnf={"jkt": prover.thumbprint})
    url = f"{str(service.client.base_url).rstrip('/')}/orders"
    bound = {"Authorization": f"DPoP {token}", "DPoP": prover.proof(url, "GET", token)}
    assert service.client.get("/orders?a=1", headers=bound).status_code == 200
    for headers in (
        bound,
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"DPoP {token}"},
        {**bound, "DPoP": prover.proof(f"{url}/1", "GET", token)},
        {**bound, "DPoP": prover.proof(url, "POST", token)},
        {**bound, "DPoP": Prover().proof(url, "GET", token)},
    ):
        assert service.client.get("/orders", headers=headers).status_code == 401
