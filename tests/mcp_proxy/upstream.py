"""A server behind the proxy that notes what it is sent, and answers as it is told."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: list
    body: bytes

    def values(self, name):
        return [value for found, value in self.headers if found.lower() == name]

    @property
    def text(self):
        """Everything that came, as one text."""
        return f"{self.path}\n{self.headers}\n{self.body!r}"


@dataclass
class Upstream:
    """The server; ``reply`` is status, headers and body, ``stream`` gives events one by one."""

    asked: list = field(default_factory=list)
    reply: tuple = (200, {"Content-Type": "application/json"}, b'{"ok":true}')
    stream: object = None
    gone: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/mcp"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    upstream: Upstream
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _body(self):
        """Read a body; None if it breaks off."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            return body if len(body) == length else None
        body = b""
        while line := self.rfile.readline():
            size = int(line, 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return body
        return None

    def _answer(self):
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        asked = Asked(self.command, self.path, list(self.headers.items()), body)
        self.upstream.asked.append(asked)
        if self.upstream.stream is not None:
            self._stream()
            return
        status, headers, body = self.upstream.reply
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in self.upstream.stream():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.upstream.gone.set()
            self.close_connection = True

    do_GET = do_POST = do_DELETE = do_PUT = _answer  # noqa: N815 - the base class's names
