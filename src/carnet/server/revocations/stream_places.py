"""How many revocation streams there may be at a time, in all and for one address."""

from __future__ import annotations

from collections import Counter

from carnet.server.networks import network_of

__all__ = ["StreamPlaces"]


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
