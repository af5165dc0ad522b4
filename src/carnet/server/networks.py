"""What an address says of who has it."""

from __future__ import annotations

import ipaddress
from typing import Final

__all__ = ["network_of"]

# With these, addresses of IPv4 are written in those of IPv6 (RFC 6052).
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")


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
