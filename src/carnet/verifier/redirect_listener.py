"""The address on this machine to which a browser comes back after a sign-in (RFC 8252 section 7.3).

Anything on the machine, and any page in its browser, can send requests there: only the one that
brings the expected ``state`` counts, the others are refused and change nothing.
"""

from __future__ import annotations

import hmac
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from carnet.listening import listen

__all__ = ["RedirectListener"]

HOST: Final = "127.0.0.1"
PATH: Final = "/callback"
DONE: Final = "This program has got its answer. You can close this page."
STRANGE: Final = "Nobody has asked for this answer here."


class RedirectListener:
    """Waits for one redirect.

    Args:
        port: the TCP port; 0 lets the system choose one.

    Attributes:
        url: the redirect URI.

    Raises:
        ServerError: if the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self._state = ""
        self._answer: dict[str, str] | None = None
        self._answered = threading.Event()
        self._http = ThreadingHTTPServer(
            (HOST, port), type("Handler", (_Handler,), {"listener": self}), bind_and_activate=False
        )
        self._http.socket.close()
        self._http.socket = listen(HOST, port)
        self.url = f"http://{HOST}:{self._http.socket.getsockname()[1]}{PATH}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.1,), name="carnet-redirect", daemon=True
        )
        self._thread.start()

    def expect(self, state: str) -> None:
        """Say which ``state`` the redirect will bring."""
        self._state = state

    def wait(self, seconds: float) -> dict[str, str] | None:
        """Give the parameters of the redirect, or None if it has not come in time."""
        self._answered.wait(seconds)
        return self._answer

    def close(self) -> None:
        """Stop listening; who waits is let go."""
        self._answered.set()
        self._http.shutdown()
        self._http.server_close()

    def take(self, target: str) -> bool:
        """Take a request's target, and tell whether it is the redirect that was expected."""
        parts = urlsplit(target)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        found = dict(pairs)
        if (
            parts.path != PATH
            or not self._state
            # RFC 6749 section 3.1: no parameter comes twice.
            or len(found) != len(pairs)
            or not hmac.compare_digest(found.get("state", "").encode(), self._state.encode())
            or self._answered.is_set()
        ):
            return False
        self._answer = found
        self._answered.set()
        return True


class _Handler(BaseHTTPRequestHandler):
    listener: RedirectListener
    timeout = 10

    def do_GET(self) -> None:
        expected = self.listener.take(self.path)
        body = (DONE if expected else STRANGE).encode()
        self.send_response(200 if expected else 400)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        # The address holds the code.
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the address holds the code."""
