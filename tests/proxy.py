"""A proxy before a real issuer, which counts, loses answers, and goes away when it is told to."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest


class Proxy:
    """The address that the issuer is known by.

    Attributes:
        requests: method and path of each request that came, "POST /token".
        lose: how many of the next answers to POST requests are lost, after they were given.
        down: whether every connection is closed at once.
        takes_off: the beginning of a path that is not handed on.
        open: while it is not set, POST requests are held back.
        held: whether one has been.
    """

    def __init__(self):
        self.requests = []
        self.lose = 0
        self.down = False
        self.takes_off = ""
        self.target = None
        self.held, self.open = threading.Event(), threading.Event()
        self.open.set()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def asked(self, what):
        return self.requests.count(what)

    def close(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def _forward(self):
        proxy = self.proxy
        proxy.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if proxy.down or self.path == "/revocations":
            self.close_connection = True
            return
        if self.command == "POST" and not proxy.open.is_set():
            proxy.held.set()
            proxy.open.wait(60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        address = proxy.target + self.path.removeprefix(proxy.takes_off)
        answer = httpx.request(
            self.command, address, headers=headers, content=body, trust_env=False
        )
        if self.command == "POST" and proxy.lose:
            proxy.lose -= 1
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in ("date", "server", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_DELETE = _forward  # noqa: N815 - the names that it calls

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy():
    one = Proxy()
    yield one
    one.close()


@pytest.fixture
def issuer_behind_proxy(proxy, start, add_user):
    """A real server with alice, known by the proxy's address."""
    add_user()
    proxy.target = start("--issuer", proxy.url).url
    return proxy
