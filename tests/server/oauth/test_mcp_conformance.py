"""MCP's own conformance suite, as a client of the authorization server."""

import json
import subprocess

import httpx
import pytest
from tests import processes
from tests.ports import free_ports
from tests.server.flows import Person, add_client

MCP = "https://mcp.example.com/mcp"


def test_the_scenarios_for_authorization_servers(start, carnet, node, root, tmp_path):
    suite = root / "tests/node/node_modules/@modelcontextprotocol/conformance/dist/index.js"
    if not suite.is_file():
        pytest.skip("the packages of tests/node are not installed: run 'make .venv/node'")
    port, results = free_ports(1), tmp_path / "results"
    # The suite proves nothing of itself where the server knows public clients.
    add_client(tmp_path / "data", redirect_uris=(f"http://127.0.0.1:{port}/callback",))
    opened = carnet("resource", "add", MCP, "--unregistered-clients", data=tmp_path / "data")
    assert opened.returncode == 0, opened.stderr
    server = start()
    process = processes.start(
        [
            *(node, str(suite), "authorization", "--url", server.url, "--client-id", "app"),
            *("--resource", MCP, "--port", str(port), "--output-dir", str(results)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    with process:
        try:
            for line in process.stdout:
                said.append(line)
                if line.startswith(f"{server.url}/authorize?"):
                    httpx.get(Person(server).go(line.strip()), trust_env=False, timeout=60)
            assert process.wait(processes.PATIENCE) == 0, "".join(said)
        finally:
            process.kill()
    found = [json.loads(one.read_text()) for one in results.rglob("checks.json")]
    assert {check["id"]: check["status"] for checks in found for check in checks} == {
        "authorization-server-metadata": "SUCCESS",
        "authorization-server-metadata-cimd": "SUCCESS",
        "authorization-code-grant": "SUCCESS",
    }
