"""An issuer with a path behind a real nginx, with the block of docs/how-to/under-a-path.md."""

import re
import shutil
import subprocess
import time

import httpx
import pytest
from tests import processes
from tests.ports import free_ports

PATH = "/auth"


@pytest.fixture
def nginx(root, tmp_path):
    """Start nginx with the page's block, before a service; ended with the test."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx: apt-get install nginx-light")
    page = (root / "docs/how-to/under-a-path.md").read_text("utf-8")
    block = re.search(r"```nginx\n(.*?)```", page, re.DOTALL)[1]
    running = []

    def start(port, service, takes_off):
        text = block.replace("http://127.0.0.1:8400", service)
        if takes_off:
            text = text.replace(f"{service};", f"{service}/;", 1)
            assert f"location {PATH}/ {{\n    proxy_pass {service}/;" in text
        folder = tmp_path / "nginx"
        folder.mkdir()
        places = "".join(
            f"{name}_temp_path {folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;"
            f"events {{}} http {{ access_log off; {places}"
            f"server {{ listen 127.0.0.1:{port};\n{text}\n}} }}"
        )
        process = processes.start(
            [program, "-e", "stderr", "-p", folder, "-c", config],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + processes.PATIENCE
        while True:
            try:
                httpx.get(address, trust_env=False)
                break
            except httpx.HTTPError:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.02)
        return httpx.Client(base_url=address, trust_env=False, timeout=60)

    yield start
    for process in running:
        process.terminate()
        process.wait(processes.PATIENCE)
        process.stderr.close()


def discovery_urls(issuer):
    """The addresses that MCP's discovery demands, in its order."""
    origin = issuer.removesuffix(PATH)
    return [
        f"{origin}/.well-known/oauth-authorization-server{PATH}",
        f"{origin}/.well-known/openid-configuration{PATH}",
        f"{issuer}/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize("takes_off", [False, True])
def test_every_address_where_clients_look_is_passed_on_as_the_page_says(nginx, start, takes_off):
    port = free_ports(1)
    issuer = f"http://127.0.0.1:{port}{PATH}"
    server = start("--issuer", issuer)
    with nginx(port, server.url, takes_off) as client:
        for url in discovery_urls(issuer):
            told = client.get(url, headers={"Origin": "https://app.example"})
            assert told.status_code == 200, url
            assert told.json()["issuer"] == issuer
            assert told.headers["access-control-allow-origin"] == "*"
        named = [
            text
            for name, text in told.json().items()
            if name.endswith(("_endpoint", "_uri")) and name != "revocations_uri"
        ]
        for url in named:
            # Each of them is there: what it lacks is the right request.
            assert client.get(url).status_code != 404, url
        assert client.get(f"{PATH}/metrics").status_code == 403
        # What the host itself is, is not this service's to say.
        assert not client.get("/.well-known/oauth-authorization-server").is_success


def test_these_are_the_addresses_that_the_mcp_sdk_tries():
    utils = pytest.importorskip("mcp.client.auth.utils", reason="the package mcp is not installed")
    issuer = f"https://example.com{PATH}"
    built = utils.build_oauth_authorization_server_metadata_discovery_urls(
        issuer, "https://mcp.example.com/mcp"
    )
    assert built == discovery_urls(issuer)
