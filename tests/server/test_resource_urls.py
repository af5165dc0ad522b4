"""Which spellings of a resource's URL are one resource (RFC 3986 sections 6.2.2.1 and 6.2.3)."""

import pytest

from carnet.errors import ConfigurationError
from carnet.server.resource_urls import canonical_resource
from carnet.server.settings import Settings, check_settings

SAME = [
    ("https://mcp.example.com", "https://mcp.example.com/"),
    ("https://mcp.example.com", "HTTPS://MCP.Example.COM"),
    ("https://mcp.example.com", "https://mcp.example.com:443"),
    ("https://mcp.example.com", "https://mcp.example.com:/"),
    ("http://127.0.0.1/mcp", "http://127.0.0.1:80/mcp"),
    ("https://mcp.example.com:8443", "https://MCP.example.com:8443/"),
    ("https://mcp.example.com/mcp?a=B", "https://mcp.example.com:443/mcp?a=B"),
    ("https://mcp.example.com?a=b", "https://mcp.example.com/?a=b"),
    ("https://[2001:DB8::1]/mcp", "https://[2001:db8::1]:443/mcp"),
]
DIFFERENT = [
    ("https://mcp.example.com", "http://mcp.example.com"),
    ("https://mcp.example.com", "https://mcp.example.com:80"),
    ("https://mcp.example.com", "https://mcp.example.com:8443"),
    ("http://mcp.example.com", "http://mcp.example.com:443"),
    ("https://mcp.example.com", "https://mcp.example.com."),
    ("https://mcp.example.com", "https://mcp.example.com//"),
    ("https://mcp.example.com", "https://mcp.example.com/#"),
    ("https://mcp.example.com", "https://mcp.example.com/?"),
    ("https://mcp.example.com", "https://mcp.example.com@evil.example"),
    ("https://mcp.example.com", "https://user@mcp.example.com"),
    ("https://mcp.example.com", "https:/mcp.example.com"),
    ("https://mcp.example.com", " https://mcp.example.com"),
    ("https://mcp.example.com", "https://mcp.example.com\n"),
    ("https://mcp.example.com/mcp", "https://mcp.example.com/mcp/"),
    ("https://mcp.example.com/mcp", "https://mcp.example.com/MCP"),
    ("https://mcp.example.com/mcp", "https://mcp.example.com//mcp"),
    ("https://mcp.example.com/mcp", "https://mcp.example.com/./mcp"),
    ("https://mcp.example.com/mcp", "https://mcp.example.com/%6dcp"),
    ("https://mcp.example.com/mcp", "https://mcp.example.com/mcp?"),
    ("https://mcp.example.com/mcp?a=b", "https://mcp.example.com/mcp?A=b"),
    ("https://mcp.example.com:443", "https://mcp.example.com:0443"),
    # Their lower case is an ASCII letter: the Kelvin sign, the long s.
    ("https://kit.example", "https://\u212ait.example"),
    ("https://kit.example", "http\u017f://kit.example"),
    ("orders", "Orders"),
    ("orders", "orders/"),
    ("urn:example:orders", "URN:example:orders"),
    ("com.example://orders", "com.example://Orders"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_every_program_takes_for_the_same_url_is_one_resource(one, other):
    assert canonical_resource(one) == canonical_resource(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_everything_else_is_another_resource(one, other):
    assert canonical_resource(one) != canonical_resource(other)


@pytest.mark.parametrize(
    "audiences",
    [
        ("https://api.example.com", "https://api.example.com/"),
        ("https://AUTH.example.com/",),
    ],
)
def test_the_settings_can_not_name_a_resource_in_two_spellings(audiences):
    settings = Settings(issuer="https://auth.example.com", audiences=audiences)
    with pytest.raises(ConfigurationError, match="the setting audiences"):
        check_settings(settings)
