"""What protecting a service costs it: ``python -m benchmarks.services``.

For FastAPI under uvicorn and Flask under gunicorn, each with one worker: requests per second of a
bare app, of the same app with Carnet, with PyJWT's PyJWKClient and with Authlib; for FastAPI also
with an empty dependency and with Carnet's ASGI middleware. Every connection
sends the same token again, as a client does. All the apps of a framework run at once, and each
round loads them one after another in a shuffled order; the best round counts.

``--processor`` asks FastAPI's apps in this process instead, without a server, and counts the
processor time of a request, which other programs on the machine disturb less. The empty dependency
shows what FastAPI itself takes for any.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from benchmarks import record
from benchmarks.protected import for_fastapi
from carnet import Key, KeySet, Signer, child_processes

WAYS = ("bare", "Carnet", "PyJWT", "Authlib")
MORE_WAYS = {"FastAPI": ("an empty dependency", "Carnet's ASGI middleware")}
SERVERS = {
    "FastAPI": ("uvicorn", "--no-access-log", "--log-level=warning", "--fd={fd}"),
    "Flask": ("gunicorn", "--log-level=warning", "--threads=4", "--bind=fd://{fd}"),
}
METADATA = "/.well-known/oauth-authorization-server"
CONNECTIONS = 8


class Load(asyncio.Protocol):
    """One connection that asks again as soon as it was answered."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._first = b""
        self._size = 0
        self._received = 0
        self.answers = 0
        self.failed = ""

    def connection_made(self, transport):
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data):
        self._received += len(data)
        if not self._size:
            self._first += data
            head, blank, _ = self._first.partition(b"\r\n\r\n")
            if not blank:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self.failed = head.decode("latin-1")
                self._transport.close()
                return
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            # All the answers are alike; only the first is read.
            self._size = len(head) + 4 + int(length)
        if self._received == self._size:
            self._received = 0
            self.answers += 1
            self._transport.write(self._request)


async def load(port: int, request: bytes, seconds: float) -> float:
    """Load a service and give its answers per second."""
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Load(request), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    answers = sum(protocol.answers for _, protocol in made)
    spent = time.perf_counter() - start
    for transport, protocol in made:
        if protocol.failed or not protocol.answers:
            raise SystemExit(f"a service answered: {protocol.failed or 'nothing'}")
        transport.abort()
    return answers / spent


@contextmanager
def issuing(key: Key):
    """Run an issuer; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            documents = {
                "/jwks": KeySet([key.public]).to_jwks(),
                "/.well-known/oauth-authorization-server": {
                    "issuer": url,
                    "jwks_uri": url + "/jwks",
                },
            }
            document = documents.get(self.path)
            body = json.dumps(document or {}).encode()
            self.send_response(200 if document else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving(framework: str, way: str, issuer: str):
    """Run a service; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # uvicorn takes a socket that it was given for one of another kind, and leaves this unset.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number, port = listener.fileno(), listener.getsockname()[1]
        program = [option.format(fd=number) for option in SERVERS[framework]]
        names = {"FRAMEWORK": framework, "WAY": way, "ISSUER": issuer}
        process = child_processes.start(
            [sys.executable, "-m", *program, "benchmarks.protected:app"],
            pass_fds=[number],
            env={**os.environ, **names},
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


async def processor_time(app, token: str, count: int) -> float:
    """Give the processor's microseconds for a request of an ASGI app."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/orders",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())],
    }

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        if message.get("status", 200) != 200:
            raise SystemExit(f"a service answered: {message['status']}")

    start = time.thread_time()
    for _ in range(count):
        await app({**scope, "headers": scope["headers"].copy()}, receive, send)
    return (time.thread_time() - start) / count * 1e6


async def processor_times(issuer: str, token: str, rounds: int) -> dict[str, list[float]]:
    """Measure FastAPI's apps in turn, and give what each took in each round."""
    ways = (*WAYS, *MORE_WAYS["FastAPI"])
    apps = {way: for_fastapi(way, issuer) for way in ways}
    for app in apps.values():
        await processor_time(app, token, 20)
    found: dict[str, list[float]] = {way: [] for way in ways}
    order = list(ways)
    for _ in range(rounds):
        random.shuffle(order)
        for way in order:
            found[way].append(await processor_time(apps[way], token, 200))
    return found


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.services", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load, a round and service")
    parser.add_argument("--only", choices=SERVERS, help="one framework")
    parser.add_argument("--processor", action="store_true", help="processor time, without servers")
    parser.add_argument("--json", help="a file for the figures")
    given = parser.parse_args()
    key = Key.generate("ES256")
    shuffle = random.Random(7).shuffle
    figures: dict[str, dict[str, float]] = {}
    series: dict[str, record.Series] = {}
    tables: dict[str, str] = {}
    with issuing(key) as issuer:
        token = Signer(key, issuer=issuer, audience="orders", type="at+jwt", lifetime=86_400).sign(
            {"sub": "ada", "client_id": "web", "scope": "orders:read"}
        )
        request = (
            f"GET /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        if given.processor:
            measured = asyncio.run(processor_times(issuer, token, given.rounds))
            times = {way: min(spent) for way, spent in measured.items()}
            for way, spent in measured.items():
                series[f"FastAPI, {way}: processor"] = record.less_is_better("µs", spent)
            lines = [["FastAPI", "processor µs", "× bare"]] + [
                [way, f"{spent:.1f}", f"{spent / times['bare']:.2f}"]
                for way, spent in times.items()
            ]
            tables["FastAPI, processor"] = record.markdown(lines)
            figures["FastAPI, processor"] = times
        for framework in () if given.processor else [given.only] if given.only else SERVERS:
            with ExitStack() as running:
                ways = (*WAYS, *MORE_WAYS.get(framework, ()))
                ports = {
                    way: running.enter_context(serving(framework, way, issuer)) for way in ways
                }
                for port in ports.values():
                    # The answer comes when it has started.
                    httpx.get(
                        f"http://127.0.0.1:{port}/orders",
                        headers={"Authorization": f"Bearer {token}"},
                        timeout=60,
                        trust_env=False,
                    ).raise_for_status()
                found: dict[str, list[float]] = {way: [] for way in ways}
                order = list(ways)
                for _ in range(given.rounds):
                    shuffle(order)
                    for way in order:
                        answers = asyncio.run(load(ports[way], request, given.seconds))
                        found[way].append(answers)
            best = {way: max(answers) for way, answers in found.items()}
            figures[framework] = best
            for way, answers in found.items():
                series[f"{framework}, {way}: answers"] = record.more_is_better("1/s", answers)
            lines = [[framework, "requests/s", "lost"]] + [
                [way, f"{answers:,.0f}", f"{100 * (1 - answers / best['bare']):.1f} %"]
                for way, answers in best.items()
            ]
            tables[framework] = record.markdown(lines)
    print("\n\n".join(tables.values()))
    record.write(given.json, "services", figures, series, tables)


if __name__ == "__main__":
    main()
