"""Whether a request comes from one's own pages: Fetch Metadata, or else the Origin header.

A browser sends cookies along whoever's page makes the request, and ``SameSite`` tells apart only
sites, not the hosts and ports of one. ``Sec-Fetch-Site`` says where a request comes from, and no
page can forge it; browsers before 2023 send only ``Origin``, and that not with every GET.

    request                         from the own origin   same site   another site   says neither
    ──────────────────────────────  ────────────────────  ──────────  ─────────────  ────────────
    opens a page (GET, top level)   yes                   yes         yes            yes
    another GET or HEAD             yes                   no          no             yes
    any other method, a WebSocket   yes                   no          no             no

Whoever types an address or opens a bookmark (``none``) opens a page. That opening a page from
elsewhere is let through is what links live by: a GET changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["comes_from_own_pages"]

SAFE: Final = frozenset({"GET", "HEAD"})


def comes_from_own_pages(
    method: str, headers: Mapping[str, str], origin: str, *, same_site: bool = False
) -> bool:
    """Judge whether a request that cookies speak for comes from where it may.

    Args:
        method: the HTTP method; ``WEBSOCKET`` for a WebSocket's handshake.
        headers: the request's headers, by their names in small letters.
        origin: one's own, such as ``https://app.example.com``.
        same_site: whether pages of the same site's other origins are one's own too.
    """
    safe = method in SAFE
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin" or (site == "same-site" and same_site):
            return True
        return safe and (site == "none" or _opens_a_page(headers))
    given = headers.get("origin")
    if given is None:
        return safe
    return given == origin


def _opens_a_page(headers: Mapping[str, str]) -> bool:
    return (
        headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
