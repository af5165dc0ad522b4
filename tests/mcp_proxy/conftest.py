"""`carnet mcp protect` as a process, in front of servers of all kinds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from tests import processes
from tests.ports import free_ports
from tests.server.flows import Person

PASSWORD = "a-long-enough-password"


@dataclass
class Protected:
    """A running `carnet mcp protect`."""

    process: subprocess.Popen
    url: str
    issuer: str
    said: list

    def stop(self):
        self.process.terminate()
        return self.process.wait(processes.PATIENCE)


class Starting:
    """Starts the command, and ends it."""

    def __init__(self, folder):
        self._folder = folder
        self._running = []

    def __call__(self, *arguments, server, issuer=None, env=None):
        port = free_ports(2)
        own = ("--issuer", issuer) if issuer else self._own(port + 1)
        process = processes.start(
            [
                *(sys.executable, "-m", "carnet", "mcp", "protect", "--json"),
                *("--listen", f"127.0.0.1:{port}", *own, *arguments, "--", *server),
            ],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        said = []
        reading = threading.Thread(target=lambda: said.extend(process.stderr))
        reading.start()
        self._running.append((process, reading))
        line = process.stdout.readline()
        if not line:
            process.wait(processes.PATIENCE)
            reading.join()
            return Protected(process, "", "", said)
        told = json.loads(line)
        return Protected(process, told["url"], told["issuer"], said)

    def _own(self, port):
        (self._folder / "password").write_text(f"{PASSWORD}\n")
        return (
            *("--auth-listen", f"127.0.0.1:{port}", "--data", str(self._folder / "data")),
            *("--user", "ada", "--password-file", str(self._folder / "password")),
        )

    def close(self):
        for process, reading in self._running:
            if process.poll() is None:
                process.terminate()
            process.wait(processes.PATIENCE)
            reading.join()
            process.stdout.close()
            process.stderr.close()


@pytest.fixture(scope="module")
def protect_once(tmp_path_factory):
    """Start the command for all tests of a module."""
    starting = Starting(tmp_path_factory.mktemp("protect"))
    yield starting
    starting.close()


@pytest.fixture
def protect(tmp_path):
    """Start the command for one test."""
    starting = Starting(tmp_path)
    yield starting
    starting.close()


class Ada:
    """The person with the first account, and her browser.

    Attributes:
        seen: the texts of the pages that she has come to.
    """

    def __init__(self):
        self.seen = []

    def let_in(self, address):
        """Sign in and allow what a client asks for, and give the address that this ends at."""
        parts = urlsplit(address)
        server = SimpleNamespace(url=f"{parts.scheme}://{parts.netloc}")
        person = Person(server, "ada", PASSWORD)
        with person.client:
            person.client.event_hooks = {"response": [self._see]}
            return person.go(address)

    def _see(self, answer):
        self.seen.append(answer.read().decode())


@pytest.fixture
def ada():
    """Somebody who signs in and allows what is asked for."""
    return Ada()
