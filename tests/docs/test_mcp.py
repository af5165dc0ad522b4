"""docs/mcp.md goes as it is written: server, command, and a client that a person lets in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests import processes
from tests.mcp_proxy.conftest import PASSWORD, Ada
from tests.mcp_proxy.upstream import Upstream
from tests.ports import free_ports

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
[SERVER, CLIENT] = [text for language, text in BLOCKS if language == "python"]
[READY] = [text for language, text in BLOCKS if language == "text"]

# The page's client opens a browser: here it is a program that tells the test the address.
BROWSER = """
import sys, webbrowser
webbrowser.open = lambda address, *_: print("open", address, flush=True)
"""


@pytest.fixture
def ports():
    """Free ports in the place of the page's."""
    first = free_ports(2)
    return {"8000": str(first), "8400": str(first + 1)}


@pytest.fixture
def environment(tmp_path):
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("CARNET_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**inherited, "PATH": path, "PYTHONUNBUFFERED": "1", "HOME": str(tmp_path)}


def with_ports(text, ports):
    for named, free in ports.items():
        text = text.replace(named, free)
    return text


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash: THE PAGE WAS NOT TRIED")
def test_from_an_empty_folder_to_a_tool_call(tmp_path, ports, environment):
    (tmp_path / "notes.py").write_text(SERVER, "utf-8")
    (tmp_path / "password.txt").write_text(f"{PASSWORD}\n")
    # The command of the page, with ports that are free.
    _, _, _, background, *_ = SHELL
    places = "--listen 127.0.0.1:8000 --auth-listen 127.0.0.1:8400"
    script = with_ports(background.replace("mcp protect", f"mcp protect {places}"), ports)
    shell = processes.run(
        ["bash", "-euc", f"{script}\necho $!"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert shell.returncode == 0, shell.stderr
    log = tmp_path / "protect.log"
    group = int(shell.stdout)
    try:
        processes.wait_until(lambda: "to stop" in log.read_text() or processes.has_ended(group))
        said = log.read_text()
        expected = with_ports(READY, ports).replace("python", ".*")
        assert re.search(re.sub(r"kill \d+", r"kill \\d+", expected), said), said
        assert PASSWORD not in said
        (tmp_path / "client.py").write_text(BROWSER + with_ports(CLIENT, ports), "utf-8")
        client = processes.start(
            [sys.executable, "client.py"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        with client:
            address = client.stdout.readline().partition(" ")[2].strip()
            assert address, client.stderr.read()
            go_back_to(Ada().let_in(address))
            told, problems = client.communicate(timeout=processes.PATIENCE)
        assert "1 kept" in told, problems
    finally:
        [number] = re.findall(r"kill (\d+)", log.read_text()) or [str(group)]
        os.kill(int(number), 15)
        processes.wait_until(lambda: processes.has_ended(int(number)))


# What stands behind two of the commands is reached through a reverse proxy, by these names.
PUBLIC = ("https://mcp.example.com/mcp", "https://auth.example.com")


@pytest.mark.parametrize(
    ("number", "resource", "issuer", "starts_one"),
    [
        (2, "http://127.0.0.1:8000/mcp", "http://127.0.0.1:8400", True),
        (4, *PUBLIC, True),
        (5, *PUBLIC, False),
    ],
)
def test_a_command_for_a_server_over_http_leads_clients_to_where_the_page_says(
    tmp_path, ports, number, resource, issuer, starts_one
):
    server = Upstream()
    words = shlex.split(SHELL[number].replace("\\\n", " "))
    assert words[:4] == ["carnet", "mcp", "protect", "http://127.0.0.1:9000/mcp"]
    words[3] = server.url
    own = ("--auth-listen", "127.0.0.1:8400") if starts_one else ()
    places = [with_ports(one, ports) for one in ("--listen", "127.0.0.1:8000", *own)]
    resource, issuer = with_ports(resource, ports), with_ports(issuer, ports)
    process = processes.start(
        [sys.executable, "-m", *words, *places],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = []
        while not said or "to stop" not in said[-1]:
            said.append(process.stdout.readline())
            assert said[-1], said
        assert any(f"{resource} is ready" in line for line in said)
        with httpx.Client(trust_env=False, timeout=60) as client:

            def get(address, method="GET"):
                """Ask as the reverse proxy does, which hands the name on."""
                parts = urlsplit(address)
                port = ports["8400" if parts.netloc == urlsplit(issuer).netloc else "8000"]
                local = parts._replace(scheme="http", netloc=f"127.0.0.1:{port}").geturl()
                return client.request(method, local, headers={"Host": parts.netloc})

            refused = get(resource, "POST")
            assert refused.status_code == 401
            [where] = re.findall(
                r'resource_metadata="([^"]+)"', refused.headers["www-authenticate"]
            )
            document = get(where).json()
            assert document["resource"] == resource
            assert document["authorization_servers"] == [issuer]
            if starts_one:
                metadata = get(f"{issuer}/.well-known/oauth-authorization-server").json()
                assert metadata["issuer"] == issuer
                assert metadata["authorization_endpoint"].startswith(f"{issuer}/")
        # It was asked whether it is there, and nobody without a token has come to it.
        assert all(asked.method != "POST" for asked in server.asked)
    finally:
        process.terminate()
        process.communicate(timeout=processes.PATIENCE)
        server.close()


def go_back_to(address):
    """Follow the way back to the client, which may be about to listen."""

    def answered():
        try:
            return httpx.get(address, trust_env=False)
        except httpx.TransportError:
            return None

    processes.wait_until(answered)
