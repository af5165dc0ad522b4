"""The MCP server and the agent of examples/, against a real server, with a person who allows it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests import processes
from tests.ports import free_ports
from tests.server.conftest import PASSWORD, start  # noqa: F401 - a fixture

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install 'carnet[mcp]'")

README = Path(__file__).parents[2] / "examples" / "mcp" / "README.md"


def test_an_agent_adds_a_note_for_a_person_who_is_asked_twice(root, start, carnet, tmp_path):  # noqa: F811
    data = tmp_path / "data"
    port = free_ports(1)
    notes = f"http://127.0.0.1:{port}/mcp"
    (made, _) = re.findall(r"```sh\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    for line in made.replace("http://127.0.0.1:8600/mcp", notes).splitlines()[:-1]:
        _, *arguments = shlex.split(line)
        more = ("--password-file", "-") if arguments[0] == "user" else ()
        done = carnet(*arguments, *more, data=data, stdin=f"{PASSWORD}\n")
        assert done.returncode == 0, done.stderr
    issuer = start(data=data).url
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "ISSUER": issuer,
        "PORT": str(port),
        "NOTES": notes,
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONPATH": str(root),
        "ASKED": str(log),
        "BROWSER": shlex.join([sys.executable, str(root / "tests/examples/mcp_browser.py"), "%s"]),
    }
    example = root / "examples" / "mcp"
    server = processes.start(
        [sys.executable, example / "server.py"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        processes.wait_until(lambda: answers(notes))

        def agent(*arguments):
            command = [sys.executable, example / "agent.py", *arguments]
            done = processes.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout.split("\n")

        assert agent("water the fern") == ["water the fern", ""]
        assert agent() == ["water the fern", ""]
    finally:
        server.terminate()
        server.wait(processes.PATIENCE)
    asked = [parse_qs(urlsplit(line).query)["scope"][0] for line in log.read_text().split()]
    assert [set(scope.split()) - {"offline_access"} for scope in asked] == [
        {"notes:read"},
        {"notes:read", "notes:write"},
    ]


def answers(url):
    try:
        return httpx.post(url, trust_env=False).status_code == 401
    except httpx.TransportError:
        return False
