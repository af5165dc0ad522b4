"""How many revocation streams one worker feeds: ``python -m benchmarks.streams``.

A real server with one worker, and any number of readers in one other process. In each round a
session ends, and the time runs from the request until the last of the readers has the increment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks import record
from carnet import child_processes

PASSWORD = "paper-boat-harbour"


async def read(port: int, arrivals: asyncio.Queue[float], ready: asyncio.Semaphore) -> None:
    """Hold a stream open, and note when each increment arrives."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(b"GET /revocations HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    try:
        while line := await reader.readline():
            if line.startswith(b"event: snapshot"):
                ready.release()
            elif line.startswith(b"event: increment"):
                arrivals.put_nowait(time.perf_counter())
    finally:
        writer.close()


async def measure(url: str, readers: int, rounds: int) -> list[float]:
    """Give the milliseconds of each round."""
    arrivals: asyncio.Queue[float] = asyncio.Queue()
    ready = asyncio.Semaphore(0)
    port = int(url.rpartition(":")[2])
    tasks = [asyncio.create_task(read(port, arrivals, ready)) for _ in range(readers)]
    for _ in range(readers):
        await ready.acquire()
    taken = []
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        for _ in range(rounds):
            given = {"username": "alice", "password": PASSWORD}
            token = (await client.post("/sessions", json=given)).json()["access_token"]
            await asyncio.sleep(0.2)
            begun = time.perf_counter()
            headers = {"Authorization": f"Bearer {token}"}
            await client.delete("/sessions/current", headers=headers)
            taken.append(1000 * (max([await arrivals.get() for _ in range(readers)]) - begun))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return taken


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--readers", type=int, nargs="+", default=[100, 1000, 4000])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The server has its own share of files, by inheritance.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print("| streams | p50 ms | slowest ms | server MB |\n|--:|--:|--:|--:|")
    figures, series = {}, {}
    for readers in given.readers:
        with tempfile.TemporaryDirectory() as data:
            carnet = [sys.executable, "-m", "carnet"]
            add = [*carnet, "user", "add", "alice", "--password-file", "-", "--data", data]
            subprocess.run(add, input=PASSWORD, text=True, check=True, capture_output=True)
            limits = {
                "CARNET_CONNECTIONS": str(readers + 100),
                "CARNET_REVOCATION_STREAMS": str(readers),
                "CARNET_REVOCATION_STREAMS_PER_ADDRESS": str(readers),
            }
            process = child_processes.start(
                [*carnet, "serve", "--data", data, "--port", "0"],
                env={**os.environ, **limits},
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                found = re.search(r"on (http://\S+)", process.stderr.readline())
                taken = asyncio.run(measure(found[1], readers, given.rounds))
                status = Path(f"/proc/{process.pid}/status").read_text()
                memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024
                middle = statistics.median(taken)
                series[f"{readers} streams"] = record.less_is_better("ms", taken)
                figures[str(readers)] = {"p50 ms": middle, "slowest ms": max(taken), "MB": memory}
                print(f"| {readers:,} | {middle:.0f} | {max(taken):.0f} | {memory} |", flush=True)
            finally:
                process.terminate()
                process.wait(30)
                process.stderr.close()
    record.write(given.json, "streams", figures, series)


if __name__ == "__main__":
    main()
