"""Issuers that we did not write: what is known of them is found, and nothing else."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys

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


def check(issuer, *clients, token=None):
    """Give what is found at an issuer, each finding with its severity."""

    async def work(client):
        async with Wire(issuer) as wire:
            return await run(Probe(issuer, wire, client, None, token))

    found, held = set(), set()
    for client in clients:
        report = asyncio.run(work(client))
        unfinished = [one for one in report.outcomes if one.status == "unfinished"]
        assert not unfinished, unfinished
        found |= {f"{one.severity} {one.check.id}" for one in report.findings}
        held |= {one.check.id for one in report.outcomes if one.status == "holds"}
    return found, held


def test_oidc_provider(start, node, root):
    issuer = start(node, str(root / "tests" / "node" / "conform_provider.js"))
    client = KnownClient(
        "conform",
        "a-secret-of-the-test-that-is-long-enough",
        None,
        CALLBACK,
        "openid orders:read",
        "https://api.example/orders",
    )
    found, held = check(issuer, client, token="an-initial-access-token")
    assert found == set()
    assert len(held) > 60


def test_django_oauth_toolkit(start, tmp_path, root):
    pytest.importorskip("oauth2_provider", reason="no toolkit: IT WAS NOT CHECKED")
    issuer = start(sys.executable, str(root / "tests" / "conform" / "django_toolkit.py"), tmp_path)
    secret = "a-secret-of-the-test"
    person = KnownClient("conform", secret, None, CALLBACK, "openid")
    job = KnownClient("job", secret, None, CALLBACK, "orders:read")
    found, held = check(issuer, person, job)
    assert found == set()
    assert len(held) > 50


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
