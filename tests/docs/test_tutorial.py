"""The tutorial goes as it is written, command by command, on ports that are free."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests import processes

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
[ORDERS] = [text for language, text in BLOCKS if language == "python"]
PASSWORD = "what you chose"


@pytest.fixture
def programs(tmp_path):
    """Start programs of the page in a folder of their own, and tell where they listen."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("CARNET_")}
    environment = inherited | {"PATH": path}
    running = []

    def start(command):
        process = processes.start(
            ["bash", "-c", f"exec {command}"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        said = ""
        for line in process.stderr:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                # What it says later must not fill the pipe.
                reading = threading.Thread(target=process.stderr.read)
                reading.start()
                running.append((process, reading))
                return found[1]
        process.communicate()
        pytest.fail(f"{command}: {said}")

    def run(script, stdin=""):
        return processes.run(
            ["bash", "-euc", script],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
        )

    yield start, run
    for process, _ in running:
        process.terminate()
    for process, reading in running:
        reading.join(60)
        process.communicate(timeout=processes.PATIENCE)


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")),
    reason="there is no curl or no bash: apt-get install curl. THE TUTORIAL WAS NOT TRIED",
)
def test_the_tutorial_goes_as_it_is_written(programs, tmp_path):
    start, run = programs
    _, serving, uvicorn, bare, signing_in, inspecting, refreshing, ending = SHELL
    adding, serving = serving.splitlines()
    # The page asks at the terminal.
    added = run(f"{adding} --password-file -", stdin=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    issuer = start(f"{serving} --port 0")
    (tmp_path / "orders.py").write_text(ORDERS.replace("8400", issuer), "utf-8")
    orders = start(uvicorn.replace("8401", "0").strip())

    def shell(script):
        done = run(script.replace("8400", issuer).replace("8401", orders))
        assert done.returncode == 0, done.stderr
        return done.stdout

    answer = shell(bare)
    assert answer.startswith("HTTP/1.1 401")
    assert "token_missing" in answer
    answer = shell(signing_in)
    assert answer.startswith("HTTP/1.1 200")
    session = json.loads((tmp_path / "session.json").read_text())
    token = f"token={session['access_token']}\n"
    said = shell(token + inspecting)
    for claim in ("sub", "aud", "exp", "sid", "roles"):
        assert claim in said
    first, again = json.loads(shell(refreshing)), json.loads(shell(refreshing))
    assert first["refresh_token"] == again["refresh_token"] != session["refresh_token"]
    ended, _, refused = shell(token + ending).partition("HTTP/1.1 ")[2].partition("HTTP/1.1 ")
    assert ended.startswith("204")
    # The stream brings it in a moment, and the page's reader types slower than this test.
    until = time.monotonic() + 60
    while not refused.startswith("401") and time.monotonic() < until:
        refused = shell(token + ending.splitlines()[1]).removeprefix("HTTP/1.1 ")
    assert refused.startswith("401")
    assert '"revoked"' in refused
