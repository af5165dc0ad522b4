"""How many revocation streams there may be at a time, in all and for one address."""

from __future__ import annotations

import ipaddress
from collections import Counter

__all__ = ["StreamPlaces", "network_of"]


class StreamPlaces:
    """The places of the streams of one process.

    Args:
        most: how many there are.
        most_per_address: how many of them one address may take.
    """

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Take a place for an address, and tell whether there was one."""
        network = network_of(address)
        if self._taken.total() >= self._most or self._taken[network] >= self._most_per_address:
            return False
        self._taken[network] += 1
        return True

    def give_back(self, address: str) -> None:
        """Give back a place that was taken."""
        network = network_of(address)
        self._taken[network] -= 1
        if not self._taken[network]:
            del self._taken[network]


def network_of(address: str) -> str:
    """Give what one customer of a provider has: an IPv4 address, or the first half of an IPv6 one.

    Args:
        address: an IP address; another text stands for itself.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
