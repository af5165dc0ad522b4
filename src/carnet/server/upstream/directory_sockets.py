"""Connections to a directory: encrypted by Python's own TLS, and handed to libldap in the clear.

libldap's TLS can't be trusted with a server that takes connections and says nothing: built with
GnuTLS, as Debian has it, it waits for such a one for ever, at the full speed of a processor. Here
the handshake is over within the timeout, and what is verified is what the rest of this service
verifies. libldap gets one end of a pair of sockets; a thread carries what goes through it.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from typing import Final
from urllib.parse import urlsplit

from carnet.server.directory_settings import DirectorySettings

__all__ = ["connected"]

PORTS: Final = {"ldap": 389, "ldaps": 636}
CHUNK: Final = 16 * 1024

# ExtendedRequest, message 1 (RFC 4511 section 4.14.1), and the beginning of a good response: the
# tag of an ExtendedResponse to it, and the result code `success`.
START_TLS: Final = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
RESPONSE_TO_1: Final = bytes.fromhex("02010178")
SUCCESS: Final = bytes.fromhex("0a0100")
LONGEST_RESPONSE: Final = 1024


def connected(url: str, settings: DirectorySettings) -> int:
    """Give the descriptor of a connection, which whoever gets it closes.

    Args:
        url: of the server.
        settings: the directory's.

    Raises:
        OSError: if there is no such connection, or if the server is not who it has to be.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    outer = socket.create_connection((host, port), settings.timeout)
    try:
        if parts.scheme == "ldap":
            if not settings.start_tls:
                outer.settimeout(None)
                return outer.detach()
            _start_tls(outer)
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        encrypted = context.wrap_socket(outer, server_hostname=host)
    except BaseException:
        outer.close()
        raise
    inner, given = socket.socketpair()
    carrying = threading.Thread(
        target=_carry, args=(encrypted, inner), name="carnet-ldap-tls", daemon=True
    )
    carrying.start()
    return given.detach()


def _start_tls(outer: socket.socket) -> None:
    """Ask for TLS; not a byte is read that comes after the answer (RFC 4511 section 4.14)."""
    outer.sendall(START_TLS)
    head = _exactly(outer, 2)
    size = head[1]
    if size & 0x80:
        # Active Directory writes lengths in four bytes.
        size = int.from_bytes(_exactly(outer, min(size & 0x7F, 4)))
    body = _exactly(outer, min(size, LONGEST_RESPONSE))
    # After the tag comes its length, in one byte or several, and then the result.
    if head[:1] != b"\x30" or not body.startswith(RESPONSE_TO_1) or SUCCESS not in body[4:12]:
        raise ssl.SSLError("the server does not offer StartTLS")


def _exactly(outer: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = outer.recv(size - len(found))
        if not more:
            raise ConnectionResetError("the server has closed the connection")
        found += more
    return found


def _carry(encrypted: ssl.SSLSocket, inner: socket.socket) -> None:
    """Carry what comes from either side to the other, until one of them ends."""
    waiting = select.poll()
    for one in (encrypted, inner):
        waiting.register(one, select.POLLIN)
    with encrypted, inner:
        try:
            while True:
                ready = {number for number, _ in waiting.poll()}
                if inner.fileno() in ready:
                    data = inner.recv(CHUNK)
                    if not data:
                        return
                    encrypted.sendall(data)
                if encrypted.fileno() in ready:
                    # What was decrypted already is not seen by poll.
                    while True:
                        data = encrypted.recv(CHUNK)
                        if not data:
                            return
                        inner.sendall(data)
                        if not encrypted.pending():
                            break
        except OSError:
            # Whoever waits for an answer sees that the connection has ended.
            return
