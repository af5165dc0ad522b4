"""The document of a sector: it lists the redirect addresses of all clients in it.

It is what proves that a client belongs to a sector (OpenID Connect Core section 8.1): without it,
whoever names another's host would learn what people are called there. So it is fetched when a
client is saved whose addresses or whose sector are new, and never at any other time. Who may cause
that is an administrator, or somebody with a token for registrations.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.public_fetch import NotFetched, PublicFetch
from carnet.server.settings import Settings

__all__ = ["check_sector"]

MOST_BYTES: Final = 64 * 1024
FETCH_SECONDS: Final = 5.0
MEMBER: Final = "sector_identifier_uri"


async def check_sector(
    metadata: ClientMetadata, settings: Settings, before: ClientMetadata | None = None
) -> None:
    """Check that a client is in the sector that it names.

    Args:
        metadata: the client's.
        settings: which hosts may stand at private addresses.
        before: what was known of it before, or None; what has been checked is not checked again.

    Raises:
        ClientRefused: if the document can't be fetched, or does not list all of its addresses.
    """
    address = metadata.sector_identifier_uri
    if address is None or (before is not None and _said(before) == _said(metadata)):
        return
    host = urlsplit(address).netloc
    fetch = PublicFetch(settings.private_hosts, MOST_BYTES, FETCH_SECONDS)
    try:
        fetched = await fetch.fetch(address, {"Accept": "application/json"})
    except NotFetched as error:
        raise ClientRefused(
            f"{MEMBER} can't be fetched from {host}: {error}", member=MEMBER
        ) from None
    finally:
        fetch.close()
    if fetched.status != 200:
        text = f"{MEMBER} can't be fetched from {host}: it answers {fetched.status}"
        raise ClientRefused(text, member=MEMBER)
    try:
        listed = msgspec.json.decode(fetched.body, type=tuple[str, ...])
    except msgspec.MsgspecError:
        text = f"{MEMBER} leads to a JSON array of addresses; {host} answers with something else"
        raise ClientRefused(text, member=MEMBER) from None
    missing = [one for one in metadata.redirect_uris if one not in listed]
    if missing:
        raise ClientRefused(
            f"{MEMBER} leads to a document that does not list {missing[0]}: it has to list all of "
            "the client's redirect_uris",
            member=MEMBER,
        )


def _said(metadata: ClientMetadata) -> tuple[str | None, frozenset[str]]:
    return metadata.sector_identifier_uri, frozenset(metadata.redirect_uris)
