"""The wire between an issuer and its verifiers: it carries bytes, and can be made to fail."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading

import pytest

STREAM = b"GET /revocations "


class Wire:
    """A TCP proxy on loopback. What goes wrong, goes wrong with revocation streams only.

    Attributes:
        url: the address that the issuer is known by.
        port: where the issuer listens, in truth.
        asked: how many bytes verifiers have sent to the issuer.
        streams: how many connections have asked for the revocations.
        fault: what is wrong: None, "refuse" (they are closed at once), "truncate" (they are closed
            after some hundred bytes, and so in the middle of an event), "trickle" (what comes is
            late and in crumbs) or "stall" (nothing comes, and nothing is closed).
    """

    def __init__(self):
        self.port = 0
        self.asked = 0
        self.streams = 0
        self.fault = None
        self._open = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        # The same lengths in every run.
        self._lengths = random.Random(7)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._closing.set()
        self._listener.close()
        self.cut()

    def cut(self):
        """End the streams that are open, as a cable does: with a reset, in the middle of it."""
        with self._lock:
            streams, self._open = self._open, []
        for end in streams:
            _reset(end)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        try:
            request = client.recv(65536)
            is_stream = request.startswith(STREAM)
            if is_stream:
                with self._lock:
                    self._open.append(client)
                    self.streams += 1
            if is_stream and self.fault == "refuse":
                _reset(client)
                return
            with socket.create_connection(("127.0.0.1", self.port), 10) as issuer:
                issuer.settimeout(None)
                back = threading.Thread(
                    target=self._answer, args=(issuer, client, is_stream), daemon=True
                )
                back.start()
                while request:
                    self.asked += len(request)
                    issuer.sendall(request)
                    request = client.recv(65536)
                _shut(issuer)
                back.join()
        except OSError:
            pass
        finally:
            client.close()

    def _answer(self, issuer, client, is_stream):
        left = self._lengths.randrange(100, 2500)
        try:
            while data := issuer.recv(65536):
                while is_stream and self.fault == "stall" and not self._closing.wait(0.02):
                    pass
                if is_stream and self.fault == "truncate":
                    client.sendall(data[:left])
                    left -= len(data)
                    if left <= 0:
                        break
                elif is_stream and self.fault == "trickle":
                    for start in range(0, len(data), 100):
                        self._closing.wait(0.02)
                        client.sendall(data[start : start + 100])
                else:
                    client.sendall(data)
        except OSError:
            pass
        # Both waits of the other direction end with this.
        _shut(client)
        _shut(issuer)


def _shut(end):
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _reset(end):
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Whoever reads from it, here, wakes up only for this.
    _shut(end)
    end.close()


@pytest.fixture
def wire():
    one = Wire()
    yield one
    one.close()
