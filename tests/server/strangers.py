"""A stranger's https server on loopback, which answers whatever it is told to, byte by byte."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.verifier.internet import certificate

JSON = "application/json"


class Stranger:
    """Answers requests with `answer`, a function of the request's head that gives bytes.

    Args:
        folder: where its files are.
        name: the host that its certificate is for.
        address: where it listens.
        port: the port, or 0 for any.
        authority: another such server, whose authority signs this one's certificate, too.
    """

    def __init__(self, folder, name="localhost", address="127.0.0.1", port=0, authority=None):
        self.requests = []
        self.connections = 0
        self.sent = 0
        self.pages = {}
        self.answer = self.page
        if authority is None:
            self.key = ec.generate_private_key(ec.SECP256R1())
            self.ca = certificate("An authority", self.key, None, self.key, ca=True)
            self.ca_file = folder / "strangers-ca.pem"
            self.ca_file.write_bytes(self.ca.public_bytes(Encoding.PEM))
        else:
            self.key, self.ca, self.ca_file = authority.key, authority.ca, authority.ca_file
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = certificate("a stranger", key, self.ca.subject, self.key, host=name)
        file = folder / f"stranger-{name}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(private + leaf.public_bytes(Encoding.PEM))
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(file)
        self._listener = socket.create_server((address, port))
        self.port = self._listener.getsockname()[1]
        self.host = name
        self.url = f"https://{name}:{self.port}"
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def publish(self, path="/client.json", headers=None, status="200 OK", **members):
        """Publish a document that is good but for what is told, and give its address."""
        address = f"{self.url}{path}"
        document = {
            "client_id": address,
            "client_name": "An App",
            "redirect_uris": ["https://app.example/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            **members,
        }
        document = {name: value for name, value in document.items() if value is not ...}
        self.put(path, json.dumps(document).encode(), headers, status)
        return address

    def put(self, path, body, headers=None, status="200 OK"):
        given = {"Content-Type": JSON, "Content-Length": len(body), **(headers or {})}
        lines = [f"HTTP/1.1 {status}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in given.items() if value is not None]
        self.pages[path] = "\r\n".join([*lines, "", ""]).encode() + body

    def page(self, head):
        path = head.split()[1]
        return self.pages.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection):
        try:
            with connection, self._context.wrap_socket(connection, server_side=True) as inner:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += inner.recv(4096) or b"\r\n\r\n"
                head = data.decode("latin-1")
                self.requests.append(head)
                answer = self.answer(head)
                for part in [answer] if isinstance(answer, bytes) else answer:
                    if self._closing.is_set():
                        return
                    inner.sendall(part)
                    self.sent += len(part)
        except OSError:
            pass


@contextmanager
def stranger(folder, monkeypatch, **more):
    """Run one whose authority is trusted, until the end of the block."""
    server = Stranger(folder, **more)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    try:
        yield server
    finally:
        server.close()
