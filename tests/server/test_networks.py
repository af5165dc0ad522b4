"""Whoever has an address of IPv6 has a network of them."""

import pytest

from carnet.server.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix socket", "unix socket"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_counts_as_what_its_owner_has(address, network):
    assert network_of(address) == network
