"""oauth2-proxy, the reverse proxy that many put before what knows no sign-in, signs people in."""

import secrets
import shutil
import socket
import subprocess
from time import monotonic, sleep

import httpx
import pytest
from tests import processes
from tests.ports import free_ports
from tests.server.flows import Person, add_client

PROGRAM = shutil.which("oauth2-proxy")


@pytest.fixture
def proxy(tmp_path):
    """Start it before a page of its own, for a client of ours."""
    if PROGRAM is None:
        pytest.skip(
            "there is no oauth2-proxy: go install github.com/oauth2-proxy/oauth2-proxy/v7@latest"
        )
    running = []

    def run(port, issuer, secret):
        here = f"http://127.0.0.1:{port}"
        options = {
            "provider": "oidc",
            "oidc-issuer-url": issuer,
            "client-id": "proxy",
            "client-secret": secret,
            "redirect-url": f"{here}/oauth2/callback",
            "code-challenge-method": "S256",
            "http-address": f"127.0.0.1:{port}",
            "cookie-secret": secrets.token_hex(16),
            "cookie-secure": "false",
            "email-domain": "*",
            "upstream": "static://202",
            "skip-provider-button": "true",
            "set-xauthrequest": "true",
        }
        log = tmp_path / "proxy.log"
        with log.open("wb") as file:
            process = processes.start(
                [PROGRAM, *(f"--{name}={value}" for name, value in options.items())],
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        running.append(process)
        until = monotonic() + processes.PATIENCE
        while monotonic() < until and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return log
            sleep(0.05)
        raise AssertionError(log.read_text())

    yield run
    for process in running:
        process.terminate()
        process.wait(processes.PATIENCE)


def test_it_is_given_the_address_of_the_issuer_and_signs_people_in(proxy, start, tmp_path, carnet):
    port = free_ports(1)
    here = f"http://127.0.0.1:{port}"
    secret = add_client(
        tmp_path / "data",
        "proxy",
        client_name="Proxy",
        redirect_uris=(f"{here}/oauth2/callback",),
        token_endpoint_auth_method="client_secret_basic",
    )
    claims = '{"email": "alice@example.com", "email_verified": true}'
    carnet("user", "claims", "alice", claims, "--data", str(tmp_path / "data"))
    server = start()
    log = proxy(port, server.url, secret)
    with httpx.Client(base_url=here, trust_env=False) as browser:
        asked = browser.get("/")
        assert asked.headers["location"].startswith(f"{server.url}/authorize?")
        answer = browser.get(Person(server).go(asked.headers["location"]))
        assert answer.headers["location"] == "/", log.read_text()
        assert browser.get("/").status_code == 202
        who = browser.get("/oauth2/auth")
    assert who.headers["x-auth-request-email"] == "alice@example.com"
