"""A real cluster: three PostgreSQL servers, each under a Patroni of its own, and one etcd.

All of it is Debian's, on loopback, in a folder that ends with the tests. Patroni is configured as
docs/how-to/patroni.md says; only places, names and times are others.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path

import asyncpg
import httpx
import pytest
import yaml
from tests import processes
from tests.ports import free_ports
from tests.postgres import UNPRIVILEGED

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "patroni.md"
NAMES = ("db1", "db2", "db3")
PASSWORD = "a-password"
# As short as a busy machine allows: ttl is no less than loop_wait and two times retry_timeout.
TIMES = {"ttl": 8, "loop_wait": 1, "retry_timeout": 3}

# Ends the process of a file when it is told to end, or we are gone.
GUARD = "trap 'kill -QUIT $(head -n 1 $0); exit' TERM; while :; do sleep 1; done"


def block(language: str) -> str:
    """Give the page's block in a language."""
    page = PAGE.read_text("utf-8")
    return re.search(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]


def find_programs() -> dict[str, Path] | None:
    """Find what Debian's packages bring, or None where one of them is missing."""
    found = {name: shutil.which(name) for name in ("patroni", "patronictl", "etcd")}
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if binaries is None or not (binaries / "postgres").exists() or None in found.values():
        return None
    return {"binaries": binaries, **{name: Path(path) for name, path in found.items()}}


class Cable:
    """A TCP proxy on loopback that can be cut, and mended.

    Attributes:
        port: where it listens.
        targets: the ports that it leads to, one connection to each in turn.
    """

    def __init__(self, *targets: int) -> None:
        self.targets = targets
        self._whole = True
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Carry nothing more, and end what is open."""
        with self._lock:
            self._whole = False
            ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self.cut()
        # Whoever waits for the next connection wakes up only for this.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        self.targets = (*self.targets[1:], *self.targets[:1])
        with client, suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self.targets[-1]))
            with server:
                with self._lock:
                    if not self._whole:
                        return
                    self._ends += [client, server]
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Node:
    """A server of the cluster: PostgreSQL, and the Patroni that starts and ends it."""

    def __init__(self, cluster: Cluster, name: str, ports: tuple[int, int]) -> None:
        self.name = name
        self.port, self.rest_port = ports
        self.cable = Cable(cluster.etcd_port)
        self.patroni: subprocess.Popen | None = None
        self._cluster = cluster
        self.folder = cluster.folder / name
        self.folder.mkdir()
        self.data = self.folder / "data"
        self.configuration = self.folder / "patroni.yml"
        # JSON is YAML, too.
        self.configuration.write_text(json.dumps(self._configure()))
        if UNPRIVILEGED:
            processes.run(["chown", "-R", UNPRIVILEGED, self.folder], check=True)
        # PostgreSQL is no child of ours, and outlives a Patroni that is killed.
        self._guard = processes.start(["sh", "-c", GUARD, self.data / "postmaster.pid"])

    def _configure(self) -> dict:
        given = yaml.safe_load(block("yaml"))
        address = f"127.0.0.1:{self.port}"
        rest = f"127.0.0.1:{self.rest_port}"
        # Patroni would take the address that etcd tells of itself, past the cable.
        given["etcd3"] = {"hosts": [f"127.0.0.1:{self.cable.port}"], "use_proxies": True}
        given["name"] = self.name
        given["restapi"] = {"listen": rest, "connect_address": rest}
        dcs = given["bootstrap"]["dcs"]
        dcs.update(TIMES)
        dcs["postgresql"]["parameters"].update(max_connections=60, shared_buffers="16MB")
        given["bootstrap"]["initdb"].append("no-sync")
        given["postgresql"].update(
            listen=address,
            connect_address=address,
            data_dir=str(self.data),
            bin_dir=str(self._cluster.programs["binaries"]),
            pgpass=str(self.folder / "pgpass"),
        )
        # No process loses what the system has: only a machine that fails would.
        given["postgresql"]["parameters"].update(fsync="off", unix_socket_directories="")
        for account in given["postgresql"]["authentication"].values():
            account["password"] = PASSWORD
        # There is none here: what it does, the tests do.
        given["watchdog"] = {"mode": "off"}
        return given

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL where it does not run."""
        with (self.folder / "log").open("ab") as log:
            self.patroni = processes.start(
                [self._cluster.programs["patroni"], self.configuration],
                user=UNPRIVILEGED,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal_patroni(self, number: int) -> None:
        self.patroni.send_signal(number)

    def signal_postgres(self, number: int) -> set[int]:
        """Send a signal to every process of PostgreSQL, and give their ids."""
        try:
            postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return set()
        family = {postmaster, *processes.descendants(postmaster)}
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return family

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End Patroni; unless it is killed, it ends PostgreSQL first."""
        if self.patroni is not None:
            self.patroni.send_signal(number)
            self.patroni.wait(processes.PATIENCE)
            self.patroni = None

    def kill(self) -> None:
        """Kill both at once, as a machine that loses its power does."""
        self.stop(signal.SIGKILL)
        self.kill_postgres()

    def kill_postgres(self) -> None:
        """Kill PostgreSQL alone, as a watchdog or a lack of memory does."""
        family = self.signal_postgres(signal.SIGKILL)
        processes.wait_until(lambda: all(map(processes.has_ended, family)))

    def close(self) -> None:
        self.cable.close()
        self._guard.kill()
        self._guard.wait(processes.PATIENCE)

    def ask(self, path: str) -> int:
        """Give the status with which Patroni answers, 0 where it does not."""
        try:
            return httpx.get(
                f"http://127.0.0.1:{self.rest_port}{path}", timeout=2, trust_env=False
            ).status_code
        except httpx.HTTPError:
            return 0


class Cluster:
    """The nodes, and etcd."""

    def __init__(self, programs: dict[str, Path], folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        first = free_ports(2 + 2 * len(NAMES))
        self.etcd_port, self._peer_port = first, first + 1
        self.etcd: subprocess.Popen | None = None
        self._databases = 0
        self.nodes = {
            name: Node(self, name, (first + 2 + 2 * n, first + 3 + 2 * n))
            for n, name in enumerate(NAMES)
        }

    def start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{self._peer_port}"
        with (self.folder / "etcd.log").open("ab") as log:
            self.etcd = processes.start(
                [
                    *(self.programs["etcd"], "--data-dir", self.folder / "etcd"),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", f"default={peer}", "--unsafe-no-fsync"),
                ],
                user=UNPRIVILEGED,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop_etcd(self) -> None:
        self.etcd.terminate()
        self.etcd.wait(processes.PATIENCE)

    def close(self) -> None:
        for node in self.nodes.values():
            if node.patroni is not None:
                node.signal_patroni(signal.SIGCONT)
                node.kill()
            node.close()
        self.stop_etcd()

    @property
    def leader(self) -> Node | None:
        """The node that is primary, by what its Patroni says."""
        return next((one for one in self.nodes.values() if one.ask("/primary") == 200), None)

    def wait_for_leader(self, other_than: Node | None = None) -> Node:
        """Wait until there is a primary, and give it."""
        found: list[Node] = []

        def there_is_one() -> bool:
            one = self.leader
            if one is not None and one is not other_than:
                found.append(one)
            return bool(found)

        processes.wait_until(there_is_one)
        return found[0]

    def heal(self) -> Node:
        """Wait until every node takes part, one as primary and one in step with it; give that."""
        for node in self.nodes.values():
            node.cable.mend()
            if node.patroni is None:
                node.start()
            node.signal_patroni(signal.SIGCONT)

        def is_whole() -> bool:
            nodes = self.nodes.values()
            return (
                self.leader is not None
                and any(node.ask("/synchronous") == 200 for node in nodes)
                and sum(node.ask("/replica") == 200 for node in nodes) == len(nodes) - 1
            )

        processes.wait_until(is_whole)
        return self.wait_for_leader()

    @property
    def synchronous(self) -> Node:
        """The standby that confirms commits."""
        return next(node for node in self.nodes.values() if node.ask("/synchronous") == 200)

    def url(self, database: str, nodes: list[Node] | None = None) -> str:
        """Name the nodes, in this order, as carnet's setting does."""
        places = ",".join(f"127.0.0.1:{one.port}" for one in nodes or self.nodes.values())
        return f"postgresql://postgres:{PASSWORD}@{places}/{database}"

    def new_database(self) -> str:
        """Make a database, and give its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.run(f"CREATE DATABASE {name}", "postgres")
        return name

    def run(self, sql: str, database: str) -> list[tuple]:
        """Run a statement on the primary, as an operator would."""

        async def connected():
            connection = await asyncpg.connect(
                self.url(database), target_session_attrs="read-write", timeout=60
            )
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        return asyncio.run(connected())

    def logs(self) -> str:
        """Give the end of what each Patroni says, for a failure."""
        told = []
        for node in self.nodes.values():
            lines = (node.folder / "log").read_text().splitlines()
            told += [node.name, *[line for line in lines if "no action" not in line][-30:]]
        return "\n".join(told)


@pytest.fixture(scope="module")
def cluster():
    """The cluster, whole; a scene that hurts it leaves that to the next one's `heal`."""
    programs = find_programs()
    if programs is None:
        pytest.skip(
            "NO FAILOVER TESTED: apt-get install patroni etcd-server postgresql-15 (make test does)"
        )
    # Not in pytest's own folder, through which the servers' account may not pass.
    with tempfile.TemporaryDirectory(prefix="carnet-patroni-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if UNPRIVILEGED:
            processes.run(["chown", UNPRIVILEGED, folder], check=True)
        with closing(Cluster(programs, folder)) as one:
            one.start_etcd()
            for node in one.nodes.values():
                node.start()
            one.heal()
            yield one
