"""Ports that are free, for programs that can't be given a socket."""

from __future__ import annotations

import socket


def is_free(port):
    """Tell whether nothing listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count):
    """Give the first of some ports in a row that are free at this moment."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        if first < 65_000 and all(is_free(first + number) for number in range(count)):
            return first
