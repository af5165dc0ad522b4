"""Issuers that we did not write: what is known of them is found, and nothing else."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from urllib.parse import urljoin

import httpx
import pytest
from tests import processes
from tests.ports import free_ports, is_free

from carnet.conform.probe import KnownClient, Probe
from carnet.conform.runner import run
from carnet.conform.wire import Wire

CALLBACK = "https://app.example/callback"


@pytest.fixture
def start():
    """Start an issuer that prints its address and serves until its standard input closes."""
    running = []

    def started(*command):
        process = processes.start(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        return address

    yield started
    for process in running:
        process.kill()
        process.communicate()


class Person:
    """Somebody who fills in an issuer's forms until they lead elsewhere."""

    def __init__(self, issuer, browser):
        self.issuer = issuer
        self.browser = browser

    async def __call__(self, address):
        return await asyncio.to_thread(self.go, address)

    def go(self, address):
        answer = self.browser.get(address)
        for _ in range(12):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if not address.startswith(self.issuer):
                    return address
                answer = self.browser.get(address)
                continue
            action = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
            typed = dict.fromkeys(re.findall(r'<input[^>]* name="(\w+)"', answer.text), "alice")
            typed |= re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', answer.text)
            answer = self.browser.post(urljoin(str(answer.url), action[1]), data=typed)
        raise AssertionError("the forms have no end")


def check(issuer, *clients, person=None):
    """Give what is found at an issuer, each with its severity, and what holds."""

    async def work(client):
        async with Wire(issuer) as wire:
            return await run(Probe(issuer, wire, client, person))

    found, held = set(), set()
    for client in clients:
        report = asyncio.run(work(client))
        unfinished = [one for one in report.outcomes if one.status == "unfinished"]
        assert not unfinished, unfinished
        found |= {f"{one.severity} {one.check.id}" for one in report.findings}
        held |= {one.check.id for one in report.outcomes if one.status == "holds"}
    return found, held


OIDC_PROVIDER = {
    "should authorization.pkce": "only public clients have to do PKCE",
    "should authorization.frames": "headers for its pages are left to the application",
    "must authorization.frames": "the same, for the page that asks for a password",
    "must logout.frames": "the same",
    "must logout.methods": "POST is off, unless enableHttpPostMethods is on",
}


def test_oidc_provider(start, node, root):
    issuer = start(node, str(root / "tests" / "node" / "conform_provider.js"))
    secret = "a-secret-of-the-test-that-is-long-enough"
    resource = "https://api.example/orders"
    person = KnownClient("conform", secret, None, CALLBACK, "openid")
    job = KnownClient("conform", secret, None, CALLBACK, "openid orders:read", resource)
    with httpx.Client(trust_env=False, timeout=60) as browser:
        found, held = check(issuer, person, person=Person(issuer, browser))
    assert found == set(OIDC_PROVIDER)
    assert held >= {"id_token.valid", "id_token.nonce", "refresh.reuse", "code.once"}
    assert held >= {"dpop.proved", "userinfo.subject", "code.verifier", "code.silent"}
    found, held = check(issuer, job)
    assert found == set(OIDC_PROVIDER)
    assert held >= {"tokens.signature", "tokens.type", "tokens.claims", "dpop.method"}


DJANGO_OAUTH_TOOLKIT = {
    "should discovery.agree": "the two documents offer different response types",
    "should discovery.pkce": "plain is offered, unless a setting of RFC 9700 says otherwise",
    "should discovery.implicit": "so is token",
    "must discovery.password": "so is the password grant",
    "should discovery.response_issuer": "iss is off, unless such a setting says otherwise",
    "must token.missing": "a missing grant_type is answered unsupported_grant_type",
    "must token.twice": "parameters that stand twice are read at the token endpoint",
    "must token.challenge": "the challenge names Bearer, whatever the client has used",
    "should token.both": "a client may prove itself in two ways at once",
    "must authorization.silent": "prompt=none is answered 500: oauthlib wants a method for it",
}


def test_django_oauth_toolkit(start, root):
    pytest.importorskip("oauth2_provider", reason="no toolkit: IT WAS NOT CHECKED")
    program = root / "tests" / "conform" / "django_toolkit.py"
    issuer = start(sys.executable, str(program))
    secret = "a-secret-of-the-test"
    app = KnownClient("conform", secret, None, CALLBACK, "openid")
    job = KnownClient("job", secret, None, CALLBACK, "orders:read")
    found, held = check(issuer, app, job)
    assert found == set(DJANGO_OAUTH_TOOLKIT)
    assert held >= {"redirect.userinfo", "introspection.unknown", "tokens.cache", "keys.served"}


DEX = """
issuer: {issuer}
storage: {{type: memory}}
web: {{http: {address}}}
enablePasswordDB: true
oauth2: {{skipApprovalScreen: true}}
staticClients:
- {{id: conform, name: conform, secret: a-secret-of-the-test, redirectURIs: [{callback}]}}
"""


def test_dex(tmp_path):
    dex = shutil.which("dex")
    # Another program of that name starts desktop files.
    version = processes.run([dex, "version"], capture_output=True, text=True) if dex else None
    if version is None or "Dex Version" not in version.stdout:
        pytest.skip("there is no dex: IT WAS NOT CHECKED")
    port = free_ports(1)
    address = f"127.0.0.1:{port}"
    issuer = f"http://{address}/dex"
    settings = tmp_path / "dex.yaml"
    settings.write_text(DEX.format(issuer=issuer, address=address, callback=CALLBACK))
    process = processes.start([dex, "serve", str(settings)], stderr=subprocess.DEVNULL)
    try:
        processes.wait_until(lambda: not is_free(port))
        client = KnownClient("conform", "a-secret-of-the-test", None, CALLBACK, "openid")
        found, _ = check(issuer, client)
        assert "should discovery.response_issuer" in found
    finally:
        process.kill()
        process.wait()
