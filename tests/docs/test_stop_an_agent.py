"""docs/how-to/stop-an-agent.md goes as it is written, to the agent's end in the middle."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import processes
from tests.login.conftest import Alice
from tests.processes import Drained
from tests.server import conftest
from tests.server.conftest import PASSWORD

start = conftest.start

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "stop-an-agent.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
[REGISTERING, SERVING, WORKING] = [text for language, text in BLOCKS if language == "sh"]
[SERVICES, AGENT] = [text for language, text in BLOCKS if language == "python"]
[WORKS, STOPPED, REFUSED] = [text for language, text in BLOCKS if language == "text"]


class Folder:
    """The folder of the page's reader, whose programs listen where a port is free."""

    def __init__(self, path, service):
        self.path = path
        self.places = {"8400": service.url.rpartition(":")[2]}
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CARNET_DATA": str(service.data),
            "XDG_STATE_HOME": str(path / "state"),
        }
        self.running = []

    def here(self, text):
        for named, free in self.places.items():
            text = text.replace(named, free)
        return text

    def start(self, command):
        process = processes.start(
            ["bash", "-euc", self.here(command)],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def run(self, command):
        process = self.start(command)
        told, problems = process.communicate(timeout=processes.PATIENCE)
        return process.returncode, told, problems

    def serve(self, command):
        """Start a server on any port, and remember which one it is instead of the page's."""
        begin, _, port = command.rpartition(" ")
        process = self.start(f"exec {begin} 0")
        process.stdout, process.stderr = map(Drained, (process.stdout, process.stderr))
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                break
        self.places[port] = found[1]

    def end(self):
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(processes.PATIENCE)
            for pipe in (process.stdout, process.stderr):
                pipe.close()


@pytest.fixture
def service(start, carnet, tmp_path):
    added = carnet(
        *("user", "add", "alice", "--password-file", "-"),
        data=tmp_path / "data",
        stdin=PASSWORD + "\n",
    )
    assert added.returncode == 0, added.stderr
    return start()


@pytest.fixture
def folder(service, tmp_path):
    made = Folder(tmp_path, service)
    yield made
    made.end()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash: THE PAGE WAS NOT TRIED")
def test_the_agent_works_at_both_services_until_it_is_stopped(folder, service):
    status, told, problems = folder.run(REGISTERING)
    assert status == 0, problems
    folder.environment["PLANNER_SECRET"] = re.search(r"client_secret  (\S+)", told)[1]
    (folder.path / "services.py").write_text(folder.here(SERVICES), "utf-8")
    for command in SERVING.splitlines():
        folder.serve(command)
    (folder.path / "agent.py").write_text(folder.here(AGENT), "utf-8")
    signing_in, working = WORKING.splitlines()
    alice = Alice(service)

    def sign_in():
        login = folder.start(signing_in)
        login.stderr.readline()
        code = login.stderr.readline().removeprefix("Type  ").strip()
        alice.decide(code)
        login.communicate(timeout=processes.PATIENCE)
        assert login.returncode == 0

    sign_in()
    agent = folder.start(working)
    assert [agent.stdout.readline() for _ in range(2)] == WORKS.splitlines(keepends=True)

    page = alice.client.get("/me/applications").text
    assert page.count("Stop Planner at") == 2
    stopped = alice.client.post("/me/agents/stop", data={"id": "planner"})
    assert stopped.headers["location"].endswith("done=stopped")
    _, problems = agent.communicate(timeout=processes.PATIENCE)
    assert (agent.returncode, problems) == (1, STOPPED)
    assert folder.run(working) == (1, "", REFUSED)

    # The person's own token is good, and after another sign-in so is the planner's work.
    assert folder.run(working.partition(" | ")[0])[0] == 0
    alice.client.post("/sign-out")
    sign_in()
    agent = folder.start(working)
    assert agent.stdout.readline() == WORKS.splitlines(keepends=True)[0]
    assert folder.run("carnet logout")[0] == 0
    assert agent.communicate(timeout=processes.PATIENCE)[1] == STOPPED
