"""What a program of Carnet's serves on: the socket, room for its connections, the event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from carnet.errors import ServerError

__all__ = ["listen", "loop_factory", "room_for", "url_of"]

BACKLOG = 2048
# What the system keeps of an answer that is not read; it would take megabytes.
SEND_BUFFER = 256 * 1024
# Files that are open beside the connections: databases, keys, logs.
OTHER_FILES = 100


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address of this machine.

    Args:
        host: the address, or a name of it; ``::`` is all addresses, of IPv4 as well as of IPv6.
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
    listener = None
    try:
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if address[0] == "::":
            # Whatever the system's default for it is.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        if listener is not None:
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


def url_of(listener: socket.socket) -> str:
    """Give the address that a socket listens on as a URL, such as ``http://[::]:8400``."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def room_for(connections: int) -> int:
    """Let this process hold a number of connections, as far as the system allows it.

    Args:
        connections: how many.

    Returns:
        How many it may hold: fewer where the system allows too few open files.
    """
    if sys.platform == "win32":
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    wanted = connections + OTHER_FILES
    if soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # Some systems have a bound of their own below the one that they tell.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    return max(1, min(connections, soft - OTHER_FILES))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Give what makes the event loop of a server: uvloop's, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
