"""Ports that are free, for programs that can't be given a socket."""

from __future__ import annotations

import random
import socket

# Hypothesis seeds the other one: two runs at a time would draw the same ports.
_chance = random.SystemRandom()


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
        # Below those that the system gives to connections, which would take one meanwhile.
        first = _chance.randrange(10_000, 30_000)
        if all(is_free(first + number) for number in range(count)):
            return first
