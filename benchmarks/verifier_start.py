"""How soon a service that starts accepts its first token, and what the gate takes a request.

``python -m benchmarks.verifier_start``: the milliseconds from making a verifier, in a process that
has imported it, to the first accepted token: the issuer's metadata and its keys are fetched over
loopback, each time anew. And the processor's microseconds of a subrequest at the gate, asked in
this process without a server, with the same token each time.
"""

from __future__ import annotations

import argparse
import asyncio
from statistics import median
from time import perf_counter, thread_time

from benchmarks import record
from benchmarks.services import issuing
from carnet import Key, Signer
from carnet.verifier import AccessTokenVerifier
from carnet.verifier.gate import Gate

REQUESTS = 500


def starts(issuer: str, token: str, rounds: int) -> list[float]:
    """Give the milliseconds of each start."""
    found = []
    for _ in range(rounds):
        start = perf_counter()
        with AccessTokenVerifier(issuer, "orders", revocations="off") as verifier:
            verifier.verify(token)
            found.append((perf_counter() - start) * 1000)
    return found


async def subrequests(issuer: str, key: Key, token: str, rounds: int) -> list[float]:
    """Give the processor's microseconds of a subrequest in each round."""
    gate = Gate(issuer, "orders", keys=key.public)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/verify",
        "raw_path": b"/verify",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "headers": [(b"host", b"gate"), (b"authorization", f"Bearer {token}".encode())],
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message.get("status", 200) != 200:
            raise SystemExit(f"the gate answered {message['status']}")

    found = []
    for _ in range(rounds + 1):
        start = thread_time()
        for _ in range(REQUESTS):
            await gate.app({**scope, "headers": [*scope["headers"]]}, receive, send)
        found.append((thread_time() - start) / REQUESTS * 1e6)
    return found[1:]


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verifier_start")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    key = Key.generate("ES256")
    with issuing(key) as issuer:
        signer = Signer(key, issuer=issuer, audience="orders", type="at+jwt")
        token = signer.sign({"sub": "ada", "client_id": "web", "scope": "orders:read"})
        taken = starts(issuer, token, given.rounds)
        spent = asyncio.run(subrequests(issuer, key, token, given.rounds))
    figures = {
        "start to first acceptance: p50 ms": median(taken),
        "start to first acceptance: slowest ms": max(taken),
        "gate: processor µs of a subrequest": min(spent),
    }
    lines = [[name, f"{value:.1f}"] for name, value in figures.items()]
    table = record.markdown([["", "in this run"], *lines])
    print(table)
    series = {
        "start": record.less_is_better("ms", taken),
        "gate": record.less_is_better("µs", spent),
    }
    record.write(given.json, "verifier_start", figures, series, {"start": table})


if __name__ == "__main__":
    main()
