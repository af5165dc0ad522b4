"""Every https host there is, on one loopback port: what a provider publishes, at its own address.

It is a proxy that opens no connection: whatever host is asked for, it answers itself, with a
certificate of an authority of its own. So an issuer's true addresses are asked over real TLS.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
from contextlib import contextmanager

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from carnet.verifier import fetch


@contextmanager
def on_the_internet(internet, monkeypatch):
    """Let every https address lead to this one, until the end of the block."""
    internet.pages.clear()
    internet.requests.clear()
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", internet.proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(internet.ca_file))
    # Not through the process's cache, which a thread of an earlier test may fill meanwhile.
    context = httpx.create_ssl_context()
    monkeypatch.setattr(fetch, "tls_context", lambda: context)
    yield


def certificate(name, key, issuer, signing, *, ca=False, host=None):
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if host is not None:
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    return builder.sign(signing, hashes.SHA256())


class Internet:
    """Answers what `pages` holds, by host and path; everything else is 404."""

    def __init__(self, folder):
        self.pages = {}
        self.requests = []
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._ca = certificate("An authority of the tests", self._key, None, self._key, ca=True)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._ca.public_bytes(Encoding.PEM))
        self._contexts = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.proxy = f"http://127.0.0.1:{self.port}"
        self.url = f"https://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def publish(self, address, document):
        self.pages[address.removeprefix("https://")] = document

    def asked(self):
        return [address for address, _ in self.requests]

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        try:
            with connection:
                host = "127.0.0.1"
                if connection.recv(1, socket.MSG_PEEK) != b"\x16":
                    host = self._read(connection)[0].split()[1].partition(":")[0]
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with self._context(host).wrap_socket(connection, server_side=True) as inner:
                    first, *headers = self._read(inner)
                    authority = host if host != "127.0.0.1" else f"127.0.0.1:{self.port}"
                    address = authority + first.split()[1]
                    self.requests.append((address, headers))
                    document = self.pages.get(address)
                    status = b"200 OK" if document is not None else b"404 Not Found"
                    body = (
                        document if isinstance(document, bytes) else json.dumps(document).encode()
                    )
                    inner.sendall(
                        b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                        % (status, len(body), body)
                    )
        except (OSError, IndexError):
            pass

    def _read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(4096) or b"\r\n\r\n"
        return data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")

    def _context(self, host):
        context = self._contexts.get(host)
        if context is None:
            key = ec.generate_private_key(ec.SECP256R1())
            leaf = certificate("a host", key, self._ca.subject, self._key, host=host)
            file = self._folder / f"{host}.pem"
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            file.write_bytes(private + leaf.public_bytes(Encoding.PEM))
            context = self._contexts[host] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(file)
        return context
