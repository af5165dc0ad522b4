"""A real issuer on a loopback port, which counts what it is asked and can be told to misbehave."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from carnet import Key, KeySet, Signer

METADATA = "/.well-known/oauth-authorization-server"


class Issuer:
    """An issuer with one key; `replies` replaces what an address answers."""

    def __init__(self):
        self.requests = []
        self.replies = {}
        self.delay = 0.0
        self.cache_control = "max-age=300"
        self.key = Key.generate("ES256")
        handler = type("Handler", (_Handler,), {"issuer": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, path):
        if path in self.replies:
            return self.replies[path]
        if path == METADATA:
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}).encode()
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

    def asked(self, path):
        return self.requests.count(path)


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self):
        self.issuer.requests.append(self.path)
        time.sleep(self.issuer.delay)
        status, body = self.issuer.answer(self.path)
        try:
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", f"{self.issuer.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", self.issuer.cache_control)
            self.end_headers()
            self.wfile.write(body)
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


@pytest.fixture
def clock():
    return Clock()
