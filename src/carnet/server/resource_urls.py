"""Which spellings of a URL name the same resource (RFC 3986 sections 6.2.2.1 and 6.2.3).

Clients spell the URL of a server as their URL library does: one adds the slash of the root, another
takes it off, a person writes the host with capitals. That much is equal for every program; what
comes behind the host is the resource's own to read, and stays exact.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["canonical_resource"]

_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
# ASCII: a few letters of other alphabets have an ASCII letter as their lower case.
_WEB: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9\-._~%!$&'()*+,;=]+)"
    r"(:(?P<port>[0-9]*))?(?P<rest>[/?].*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)


def canonical_resource(name: str) -> str:
    """Give the one text that all spellings of an http or https URL share, or else the name itself.

    Equal are the case of scheme and host, a port that is the scheme's default, and an empty path
    and the root's slash. Path and query are not touched.

    Args:
        name: of a resource, as somebody has written it.
    """
    found = _WEB.fullmatch(name)
    if found is None:
        return name
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port, rest = found["port"] or "", found["rest"] or ""
    port = "" if port in ("", _DEFAULT_PORTS[scheme]) else f":{port}"
    if rest == "/" or rest.startswith("/?"):
        rest = rest[1:]
    return f"{scheme}://{host}{port}{rest}"
