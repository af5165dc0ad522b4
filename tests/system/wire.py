"""A wire between verifiers and an issuer that can be cut, slowed and truncated: plain TCP."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Wire:
    """An address on loopback whose bytes go to and from a target.

    Attributes:
        port: where the issuer is; to be set before the first connection.
        cut: whether connections are refused; those that live are ended when it is set.
        delay: seconds before each piece of an answer.
        limit: bytes of an answer after which the connection ends, or None.
        connections: how many there have been.
    """

    def __init__(self):
        self.port = 0
        self.cut = False
        self.delay = 0.0
        self.limit = None
        self.connections = 0
        self._live = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def break_off(self):
        """End every connection that lives."""
        with self._lock:
            for one in self._live:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.cut = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_off()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with client, suppress(OSError):
            if self.cut:
                return
            with socket.create_connection(("127.0.0.1", self.port), 10) as issuer:
                issuer.settimeout(None)
                with self._lock:
                    self._live |= {client, issuer}
                if self.cut:  # it was cut meanwhile, and nobody would end this one
                    self.break_off()
                threading.Thread(target=self._ask, args=(client, issuer), daemon=True).start()
                try:
                    self._answer(issuer, client)
                finally:
                    for one in (client, issuer):
                        with suppress(OSError):
                            one.shutdown(socket.SHUT_RDWR)
                    with self._lock:
                        self._live -= {client, issuer}

    def _ask(self, client, issuer):
        with suppress(OSError):
            while piece := client.recv(65536):
                issuer.sendall(piece)

    def _answer(self, issuer, client):
        sent = 0
        while piece := issuer.recv(65536):
            time.sleep(self.delay)
            limit = self.limit
            if limit is not None and sent + len(piece) > limit:
                client.sendall(piece[: max(0, limit - sent)])
                return
            client.sendall(piece)
            sent += len(piece)
