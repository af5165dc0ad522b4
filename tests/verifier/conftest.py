"""A real issuer on a loopback port, which counts what it is asked and can be told to misbehave.

Where it has revocations, it streams them too.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.verifier.conformance import World

from carnet import Key, KeySet, Signer
from carnet.jose import jws

METADATA = "/.well-known/oauth-authorization-server"


class Issuer:
    """An issuer with one key; `replies` replaces what an address answers.

    Addresses that are `hanging` never answer; `demands` are headers that requests must have.
    """

    def __init__(self):
        self.requests = []
        self.replies = {}
        self.delay = 0.0
        self.hanging = set()
        self.demands = {}
        self.encoding = None
        self.cache_control = "max-age=300"
        self.key = Key.generate("ES256")
        self.revoked = None
        self.positions = []
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"issuer": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self):
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, path):
        if path in self.replies:
            return self.replies[path]
        if path == METADATA:
            metadata = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
            if self.revoked is not None:
                metadata["revocations_uri"] = f"{self.url}/revocations"
            return 200, json.dumps(metadata).encode()
        if path == "/jwks":
            return 200, json.dumps(KeySet([self.key.public]).to_jwks()).encode()
        return 404, b"{}"

    def rotate(self):
        self.key = Key.generate("ES256")

    def token(self, key=None, clock=time.time, **claims):
        signer = Signer(
            key or self.key, issuer=self.url, audience="orders", type="at+jwt", clock=clock
        )
        return signer.sign({"sub": "ada", "client_id": "c", **claims})

    def events(self):
        """The stream: a snapshot of what was revoked by its beginning, then a steady pulse."""
        entries = [["sid", sid] for sid in self.revoked]
        common = {"iss": self.url, "prev": 1, "seq": 1}

        def event(kind, **more):
            return {**common, "iat": int(time.time()), "event": kind, **more}

        yield event("snapshot", part=0, last=True, entries=entries)
        while not self.closing.wait(0.5):
            yield event("heartbeat", entries=[])

    def asked(self, path):
        return self.requests.count(path)


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self):
        self.issuer.requests.append(self.path)
        demanded = all(self.headers.get(n) == v for n, v in self.issuer.demands.items())
        if self.path == "/revocations" and self.issuer.revoked is not None and demanded:
            self._stream()
            return
        time.sleep(self.issuer.delay)
        if self.path in self.issuer.hanging:
            self.issuer.closing.wait(20)
            return
        status, body = self.issuer.answer(self.path)
        if not demanded:
            status, body = 403, b"{}"
        try:
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", f"{self.issuer.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", self.issuer.cache_control)
            if self.issuer.encoding is not None:
                self.send_header("Content-Encoding", self.issuer.encoding)
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _stream(self):
        issuer = self.issuer
        issuer.positions.append(self.headers.get("Last-Event-ID"))
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for event in issuer.events():
                payload = json.dumps(event).encode()
                text = jws.sign(payload, issuer.key, {"typ": "revocations+jwt"})
                self.wfile.write(f"data: {text}\n\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_):
        pass


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now


@pytest.fixture
def issuer():
    one = Issuer()
    yield one
    one.close()


@pytest.fixture(scope="module")
def world():
    """The issuers that a module's services trust: one has ended a session, one is down."""
    one = Issuer()
    one.revoked = ["ended"]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        yield World(one, f"http://127.0.0.1:{nobody.getsockname()[1]}")
    one.close()


@pytest.fixture
def clock():
    return Clock()
