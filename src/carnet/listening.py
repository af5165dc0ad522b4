"""The socket that a program of Carnet's serves on."""

from __future__ import annotations

import errno
import socket

from carnet.errors import ServerError

__all__ = ["listen"]

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address of this machine.

    Args:
        host: the address, or a name of it.
        port: the TCP port; 0 lets the system choose one.

    Raises:
        ServerError: ``port_taken`` or ``address_unusable``.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ServerError(
            f"{host} is not an address of this machine; use --host 127.0.0.1, for example",
            code="address_unusable",
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServerError(
                f"port {port} on {host} is taken; stop what listens there, "
                "or choose another port with --port",
                code="port_taken",
            ) from None
        raise ServerError(
            f"can't listen on {host}, port {port}: {error.strerror}",
            code="address_unusable",
        ) from None
    return listener
