"""A real server: a process of its own, spoken to over real HTTP, with a real database file."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests import processes
from tests.postgres import postgres, postgres_store, postgres_url  # noqa: F401 - fixtures
from tests.server.oauth_clients import oauth  # noqa: F401 - a fixture

from carnet.server.service import open_service
from carnet.server.settings import Settings
from carnet.server.settings_sources import load_settings

PASSWORD = "a-long-enough-password"


@dataclass
class Server:
    """A running `carnet serve`."""

    process: subprocess.Popen
    url: str
    data: Path
    client: httpx.Client

    def sign_in(self, username="alice", password=PASSWORD, **more):
        return self.client.post(
            "/sessions", json={"username": username, "password": password, **more}
        )

    def sign_in_to_api(self, username="alice", **more):
        """Sign in for the service's own API."""
        return self.sign_in(username, resource=self.url, **more)

    def refresh(self, token, **more):
        form = {"grant_type": "refresh_token", "refresh_token": token, **more}
        return self.client.post("/token", data=form)

    def sign_out(self, access_token):
        return self.client.delete(
            "/sessions/current", headers={"Authorization": f"Bearer {access_token}"}
        )

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(processes.PATIENCE)


@pytest.fixture
def start(tmp_path):
    """Start servers; all are ended with the test."""
    running = []

    def start_one(*arguments, data=None, program=("-m", "carnet"), env=None):
        data = data or tmp_path / "data"
        process = processes.start(
            [
                *(sys.executable, *program, "serve", "--data", str(data), "--port", "0"),
                *("--audience", "orders", "--audience", "billing", *arguments),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        process.stderr = processes.Drained(process.stderr)
        line = process.stderr.readline()
        found = re.fullmatch(r"carnet: serving \S+ on (http://\S+)\n", line)
        assert found, line + process.stderr.read()
        client = httpx.Client(base_url=found[1], timeout=60, trust_env=False)
        server = Server(process, found[1], data, client)
        running.append(server)
        return server

    yield start_one
    for server in running:
        server.client.close()
        workers = processes.descendants(server.process.pid)
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(processes.PATIENCE)
        # One that drains its connections goes on for a while without the others.
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        server.process.stderr.close()


@pytest.fixture
def add_user(tmp_path):
    """Make accounts as `carnet user add` does, but in this process, which is faster."""

    def add(username="alice", password=PASSWORD, roles=("ADMIN",), data=None):
        place = {"data": str(data or tmp_path / "data")}
        settings = load_settings(None, os.environ, place, warnings.warn)

        async def create():
            async with open_service(settings) as service:
                await service.accounts.create(username, password, roles)

        # A thread of its own, for a browser's test has a loop in this one.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, create()).result()

    return add


@pytest.fixture
def server(start, add_user):
    """A server with one account, alice (ADMIN), and a grace of one second."""
    add_user()
    return start("--refresh-grace", "1")


class Clock:
    """A clock that is moved by hand, in microseconds."""

    def __init__(self):
        self.now = 1_800_000_000_000_000

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += int(seconds * 1_000_000)


@pytest.fixture
def engine():
    """Which database the service of a test has: SQLite, unless a file says otherwise."""
    return ""


@pytest.fixture
def play(tmp_path, engine):
    """Run a scene with an open service and its clock, in this process."""

    def run(scene, **settings):
        async def opened():
            clock = Clock()
            given = Settings(data=str(tmp_path / "data"), database=engine, **settings)
            async with open_service(given, clock) as service:
                return await scene(service, clock)

        return asyncio.run(opened())

    return run
