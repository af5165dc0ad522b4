"""What an account is called in what clients are told of it (OpenID Connect Core section 8).

    subject_type    ``sub`` is
    ──────────────  ────────────────────────────────────────────────────────────────────────────
    public          the account's id, the same for all
    pairwise        an HMAC of the client's sector and that id: whoever is told it in one sector
                    can't find it in another

The key of the HMAC is made of the first pepper, which no rotation changes: a client that knows
somebody by such a name will know no other.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

from carnet.jose.encoding import b64url_encode
from carnet.server.clients.addresses import LOOPBACK_HOST
from carnet.server.clients.clients import Client, ClientMetadata
from carnet.server.keys.signing_keys import SigningKeys

__all__ = ["Subjects", "hosts_of", "sector_of"]

PURPOSE: Final = b"carnet pairwise subject"


class Subjects:
    """Names accounts for clients.

    Args:
        keys: whose first pepper the key is made of.
    """

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def pairwise(self, client: Client, account_id: str) -> str | None:
        """Give what an account is called for a client, or None where that is its id."""
        if client.metadata.subject_type != "pairwise":
            return None
        key = hmac.digest(self._keys.first_pepper, PURPOSE, "sha256")
        # No host and no id has a NUL in it.
        text = f"{sector_of(client)}\0{account_id}"
        return b64url_encode(hmac.digest(key, text.encode(), "sha256"))

    def of(self, client: Client, account_id: str) -> str:
        """Give the ``sub`` of an account for a client."""
        return self.pairwise(client, account_id) or account_id


def hosts_of(metadata: ClientMetadata) -> set[str]:
    """Give the hosts of a client's redirect addresses; none is on a device of somebody's."""
    found = (urlsplit(address) for address in metadata.redirect_uris)
    return {
        parts.hostname or ""
        for parts in found
        if parts.scheme in ("https", "http") and not LOOPBACK_HOST.fullmatch(parts.netloc)
    }


def sector_of(client: Client) -> str:
    """Give the sector of a client: those in one know an account by the same name.

    It is the host of its ``sector_identifier_uri`` or of its redirect addresses. A program on
    people's devices has none, and is a sector by itself, as is one without addresses.
    """
    named = client.metadata.sector_identifier_uri
    if named is not None:
        return urlsplit(named).hostname or ""
    hosts = list(hosts_of(client.metadata))
    # An id has no blank in it, and no host either: neither is taken for the other.
    return hosts[0] if len(hosts) == 1 else f"client {client.id}"
