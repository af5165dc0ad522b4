"""Finding sessions by what an administrator has of them: the beginning of an id, or an address."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, NamedTuple

from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["FoundSession", "find_sessions"]

LOOKED_THROUGH: Final = 10_000
"""In how many of the newest entries of the audit log an address is looked for."""

_BEGINNING: Final = re.compile("[A-Za-z0-9_-]{4,64}")
_LAST: Final = "z" * 64


class FoundSession(NamedTuple):
    """A session, whether it lives or has ended; times in microseconds since 1970.

    Attributes:
        id: the ``sid`` of its tokens.
        account_id: whose it is.
        username: what the owner types.
        client_id: the client that it is with.
        user_agent: what the device said it is at sign-in.
        address: where it was used from last.
        created_at: when it began.
        rotated_at: when it was refreshed last.
        ended_at: when it was ended, or None.
        expires_at: when it ends at the latest.
    """

    id: str
    account_id: str
    username: str
    client_id: str
    user_agent: str
    address: str
    created_at: int
    rotated_at: int
    ended_at: int | None
    expires_at: int


async def find_sessions(store: Store, text: str, limit: int) -> list[FoundSession]:
    """Give the sessions whose id begins with a text, or that began at an IP address of late.

    Args:
        store: where they are.
        text: at least four characters of an id, or an IP address.
        limit: how many at most.
    """
    try:
        asked = (LOOKED_THROUGH, str(ip_address(text)), limit)
        rows = await store.read(sql.SESSIONS_FROM_ADDRESS, *asked)
    except ValueError:
        if _BEGINNING.fullmatch(text) is None:
            return []
        rows = await store.read(sql.SESSIONS_BY_PREFIX, text, text + _LAST, limit)
    return [FoundSession(*row) for row in rows]
