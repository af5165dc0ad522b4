"""The pages of a client's own, as people are shown them where they are asked for consent.

Its picture (``logo_uri``) is not among them. It would be loaded from wherever the client says,
which the policy of our pages (CSP) allows nobody, and which would tell the client that somebody is
about to decide; and a picture can be anybody's. It is kept, and given back to who registered it.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from carnet.server.clients.clients import Client
from carnet.server.clients.subjects import hosts_of
from carnet.server.languages import marked

__all__ = ["PAGES", "OwnPage", "own_pages"]

PAGES: Final = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
"""The members that name pages of a client's own, and its picture."""

_TITLES: Final = {
    "client_uri": marked("Home page"),
    "policy_uri": marked("Privacy policy"),
    "tos_uri": marked("Terms of service"),
}


class OwnPage(NamedTuple):
    """A page of a client's.

    Attributes:
        title: what it is.
        address: where it is.
        host: the host of that.
    """

    title: str
    address: str
    host: str


def own_pages(client: Client) -> list[OwnPage]:
    """Give the pages of a client.

    Of one that nobody has registered those at its own host alone: another's would lend it a good
    name.
    """
    known = ((title, getattr(client.metadata, name)) for name, title in _TITLES.items())
    pages = [
        OwnPage(title, address, urlsplit(address).hostname or "")
        for title, address in known
        if address is not None
    ]
    if not client.unregistered:
        return pages
    own = hosts_of(client.metadata) | {urlsplit(client.id).hostname}
    return [page for page in pages if page.host in own]
