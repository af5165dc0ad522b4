"""What an address says of who has it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

__all__ = ["Networks", "ip_address_of", "is_public", "network_of"]

_LONGEST: Final = 64
# So many bits stand before an IPv4 address that is written as one of IPv6 (RFC 4291).
_MAPPED_BITS: Final = 96

# With these, addresses of IPv4 are written in those of IPv6 (RFC 6052).
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")

# What no stranger's name may lead to: the special-purpose registries of IANA (RFC 6890), and the
# metadata service of a cloud that stands elsewhere. Of IPv6 only what is given out (RFC 4291
# section 2.4) can be public at all: so neither loopback, link-local, unique local and multicast
# addresses, nor those of IPv4 that are mapped, compatible or translated.
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # a provider's NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services
        "169.254.0.0/16",  # link-local, with the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments, with Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_GIVEN_OUT: Final = ipaddress.IPv6Network("2000::/3")


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet; another text is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found not in _GIVEN_OUT:
        return False
    return not any(found in network for network in _NOT_PUBLIC)


def network_of(address: str) -> str:
    """Give what one customer of a provider has: an IPv4 address, or the first half of an IPv6 one.

    Args:
        address: an IP address; another text stands for itself.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found in _TRANSLATED:
        return str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    return str(ipaddress.IPv6Network((found, 64), strict=False))


def ip_address_of(text: str) -> str | None:
    """Give an IP address in its usual form, one of IPv4 as such, or None where a text is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(found if mapped is None else mapped)


class Networks:
    """Addresses and networks, and which other addresses are among them.

    Args:
        texts: such as ``10.0.0.5``, ``10.0.0.0/8`` or ``2001:db8::/32``.

    Raises:
        ValueError: naming the first text that is neither.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = [_network(text) for text in texts]
        self._holds = lru_cache(4096)(self._look_up)

    def __contains__(self, address: str) -> bool:
        """Tell whether an IP address is in one of the networks; another text is in none."""
        return len(address) <= _LONGEST and self._holds(address)

    def _look_up(self, address: str) -> bool:
        plain = ip_address_of(address)
        if plain is None:
            return False
        found = ipaddress.ip_address(plain)
        return any(found in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        found = ipaddress.ip_network(ip_address_of(text) or text)
    except ValueError:
        pass
    else:
        mapped = getattr(found.network_address, "ipv4_mapped", None)
        if mapped is None or found.prefixlen < _MAPPED_BITS:
            return found
        return ipaddress.ip_network((mapped, found.prefixlen - _MAPPED_BITS))
    try:
        hint = f"; did you mean {ipaddress.ip_network(text, strict=False)}?"
    except ValueError:
        hint = ""
    raise ValueError(
        f"{text} is neither an address such as 10.0.0.5 nor a network such as 10.0.0.0/8{hint}"
    )
