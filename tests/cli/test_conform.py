"""`carnet conform`: what it shows, how it ends, and how a person signs in for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import webbrowser
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from tests import processes
from tests.server.flows import CALLBACK, Person, add_client

from carnet.cli import conform as module
from carnet.cli.conform import conform
from carnet.conform import wire

LOOPBACK = "http://127.0.0.1/callback"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A service of its own process, with a client for each of the tests."""
    folder = tmp_path_factory.mktemp("conform")
    data, secret = folder / "data", folder / "secret"
    by_secret = {"token_endpoint_auth_method": "client_secret_basic", "scope": "openid"}
    secret.write_text(f"{add_client(data, 'probe', **by_secret)}\n")
    add_client(data, "cli", redirect_uris=(LOOPBACK,), scope="openid")
    add_client(data, "app", first_party=True)
    command = [sys.executable, "-m", "carnet", "serve", "--data", str(data), "--port", "0"]
    process = processes.start(
        [*command, "--audience", "orders"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stderr = processes.Drained(process.stderr)
    url = re.search(r"http://\S+$", process.stderr.readline().strip())[0]
    yield SimpleNamespace(url=url, secret=secret)
    process.kill()
    process.wait(processes.PATIENCE)
    process.stderr.close()


def call(*arguments):
    return CliRunner().invoke(conform, list(arguments))


def test_what_is_found_is_shown_counted_and_written(server, tmp_path):
    junit = tmp_path / "conform.xml"
    client = ["--client-id", "probe", "--client-secret-file", str(server.secret)]
    client += ["--redirect-uri", CALLBACK]
    done = call(server.url, *client, "--verbose", "--junit", str(junit))
    assert done.exit_code == 0, done.output
    assert "found: nothing" in done.output
    assert "ok      discovery.issuer  The metadata names the issuer" in done.output
    assert "it needs somebody who signs in: --sign-in" in done.output
    assert server.secret.read_text().strip() not in done.output
    cases = ET.parse(junit).findall(".//testcase")
    assert {case.get("classname") for case in cases} >= {"redirect.userinfo", "dpop.bound"}
    assert not ET.parse(junit).findall(".//failure")


def test_a_finding_of_the_chosen_severity_ends_with_one(server, tmp_path):
    # The same service, by a name that is not its own.
    other = server.url.replace("127.0.0.1", "localhost")
    done = call(other, "--only", "discovery.issuer")
    assert done.exit_code == 1
    assert "must    discovery.issuer" in done.output
    assert "RFC 8414 section 3.3" in done.output
    assert "'http://localhost" in done.output
    junit = tmp_path / "conform.xml"
    done = call(other, "--only", "discovery.issuer", "--json", "--junit", str(junit))
    said = json.loads(done.stdout)
    assert (done.exit_code, said["summary"]["must"]) == (1, 2)
    [failure] = ET.parse(junit).findall("testsuite[@failures='1']/testcase/failure")
    assert failure.get("type") == "must"
    assert "expected: 'http://localhost" in failure.get("message")
    assert said["findings"][0]["id"] == "discovery.issuer"
    assert call(server.url, "--only", "discovery", "--fail-on", "note").exit_code == 0


def test_somebody_signs_in_in_a_browser_that_comes_back_here(server, monkeypatch):
    person = Person(server)

    def browse(address):
        def go():
            end = person.go(address.removeprefix(server.url))
            person.client.get(end)

        threading.Thread(target=go).start()
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    client = ["--client-id", "cli", "--redirect-uri", LOOPBACK]
    groups = [
        f"--only={name}" for name in ("code", "id_token", "refresh", "userinfo.subject", "dpop")
    ]
    done = call(server.url, *client, *groups, "--sign-in", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["findings"] == []
    held = {one["id"] for one in said["checks"] if one["status"] == "holds"}
    assert held >= {"code.once", "code.verifier", "id_token.valid", "refresh.reuse", "dpop.proved"}
    assert not re.search(r"[\w-]{43}\.", done.stdout)


def test_somebody_pastes_the_address_at_which_the_browser_ends(server):
    person = Person(server)
    pasted = []

    def answer(text, err):
        assert CALLBACK in text
        return person.go(pasted.pop())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.click, "prompt", answer)
        patch.setattr(
            module, "_say", lambda line: "http" in line and pasted.append(_path_of(line.strip()))
        )
        client = ["--client-id", "app", "--redirect-uri", CALLBACK, "--only", "code.answer"]
        done = call(server.url, *client, "--sign-in")
    assert done.exit_code == 0, done.output
    assert "1 checks: 1 hold; found: nothing" in done.output


def _path_of(address):
    parts = urlsplit(address)
    assert dict(parse_qsl(parts.query))["code_challenge_method"] == "S256"
    return f"{parts.path}?{parts.query}"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["http://auth.example.com"], "an issuer's address must begin with https://"),
        (["https://a.example", "--only", "nothing"], "there is no check 'nothing'"),
        (["https://a.example", "--key", "x"], "say which client that belongs to"),
        (["https://a.example", "--client-id", "x", "--sign-in"], "--redirect-uri"),
    ],
)
def test_wrong_use_is_told(arguments, text):
    done = call(*arguments)
    assert text in f"{done.output} {done.exception}"


def test_an_issuer_that_is_not_there_ends_with_two(carnet):
    done = carnet("conform", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("carnet: there is no metadata: http://127.0.0.1:1/")


def test_a_client_that_the_issuer_does_not_take_is_told_before_anything_else(server, tmp_path):
    (tmp_path / "secret").write_text("wrong-secret-of-a-client")
    client = ["--client-id", "nobody", "--client-secret-file", str(tmp_path / "secret")]
    done = call(server.url, *client)
    assert "the issuer does not take this client" in str(done.exception)


def test_a_run_ends_where_its_requests_are_used_up(server, monkeypatch):
    monkeypatch.setattr(wire, "MAX_REQUESTS", 5)
    done = call(server.url)
    assert done.exit_code == 2
    assert "the limit of 5 requests" in done.output
