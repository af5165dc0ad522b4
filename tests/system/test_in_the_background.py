"""The commands that stay, as jobs of a shell without job control, which ignore SIGINT."""

import os
import re
import shlex
import signal
import subprocess
import sys

import httpx
import pytest
from tests import processes
from tests.ports import free_ports
from tests.verifier.conftest import Issuer

JOB = 'trap "" HUP; {command} & echo "job $!"; wait $!; echo "ended $?"'


@pytest.fixture
def background():
    """Start a job of a shell; give the shell, the job's id, and the address that it tells."""
    shells = []

    def start(*command):
        line = shlex.join([sys.executable, "-m", "carnet", *map(str, command)])
        shell = processes.start(
            ["sh", "-c", JOB.format(command=line)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        shells.append(shell)
        said = ""
        for line in shell.stdout:
            said += line
            if found := re.search(r"(?:on|^curl.*) (http://127\.0\.0\.1:\d+)", line):
                return shell, int(re.search(r"job (\d+)", said)[1]), found[1]
        raise AssertionError(said)

    yield start
    for shell in shells:
        for pid in processes.descendants(shell.pid):
            os.kill(pid, signal.SIGKILL)
        shell.kill()
        shell.communicate()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_stops_with_its_workers(background, tmp_path, workers):
    shell, job, url = background("serve", "--data", tmp_path, "--port", 0, "--workers", workers)
    assert httpx.get(f"{url}/healthz", trust_env=False, timeout=60).status_code == 200
    ends_all(shell, job, "ended 0\n")


def test_the_gate_stops(background):
    issuer = Issuer()
    try:
        flags = ("--issuer", issuer.url, "--audience", "orders")
        shell, job, url = background("gate", "--port", 0, *flags)
        assert httpx.get(f"{url}/healthz", trust_env=False, timeout=60).status_code == 200
        ends_all(shell, job, "ended 0\n")
    finally:
        issuer.close()


def test_the_demo_stops_with_its_processes(background, tmp_path):
    shell, job, _ = background("demo", "--data", tmp_path, "--port", free_ports(3))
    ends_all(shell, job, "Stopped.\nended 0\n")


def ends_all(shell, job, last_words):
    """Stop a job; see that all it has started has ended, and what was said."""
    started = processes.descendants(job)
    os.kill(job, signal.SIGTERM)
    said, _ = shell.communicate(timeout=processes.PATIENCE)
    assert "Traceback" not in said
    assert said.endswith(last_words)
    processes.wait_until(lambda: all(map(processes.has_ended, started)))
