"""What a directory proves itself with: a token that an operator has made for it.

Entra and Okta keep one such secret and send it for years, where an access token would be good for
minutes. The database holds its hash alone, it opens nothing else, and it is revoked at once.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from carnet.errors import CarnetError
from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import hash_secret
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["ScimToken", "ScimTokenUnknown", "ScimTokens"]

TOKEN_SIZE: Final = 32
PREFIX: Final = "scim_"
_FORM: Final = re.compile(PREFIX + "[A-Za-z0-9_-]{43}")


class ScimTokenUnknown(CarnetError):
    """There is no such token."""

    code = "scim_token_unknown"


class ScimToken(NamedTuple):
    """A token, without the token itself; moments in microseconds since 1970.

    Attributes:
        id: names it, and opens nothing.
        created_at: when it was made.
        expires_at: when it stops, or None for not by itself.
    """

    id: str
    created_at: int
    expires_at: int | None


class ScimTokens:
    """The tokens.

    Args:
        store: where their hashes are kept.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, origin: Origin, lifetime: int | None) -> tuple[ScimToken, str]:
        """Make a token, and give it with its text, which is shown this once.

        Args:
            origin: who asked.
            lifetime: for how many seconds it is good, or None for ever.
        """
        now, text = self._clock(), PREFIX + new_identifier(TOKEN_SIZE)
        made = ScimToken(
            new_identifier(8), now, None if lifetime is None else now + lifetime * SECOND
        )

        def work() -> Transaction[None]:
            yield sql.ADD_SCIM_TOKEN, (made.id, hash_secret(text), now, made.expires_at)
            yield from record(now, Event.SCIM_TOKEN_CREATED, origin, reason=made.id)

        await self._store.transact(work)
        return made, text

    async def all(self) -> list[ScimToken]:
        """Give every token, the oldest first; those that have expired go after a day."""
        return [ScimToken(*row) for row in await self._store.read(sql.SCIM_TOKENS)]

    async def revoke(self, token_id: str, origin: Origin) -> None:
        """End a token; what the directory has made stays.

        Raises:
            ScimTokenUnknown: if there is none of this id.
        """
        now = self._clock()

        def work() -> Transaction[bool]:
            if not (yield sql.REMOVE_SCIM_TOKEN, (token_id,)):
                return False
            yield from record(now, Event.SCIM_TOKEN_REVOKED, origin, reason=token_id)
            return True

        if not await self._store.transact(work):
            raise ScimTokenUnknown(
                f"there is no SCIM token {token_id!r}: `carnet scim token list` names those that "
                "there are"
            )

    async def good(self, text: str) -> str | None:
        """Give the id of a token, or None where it is not good.

        What has another form is refused without a look at the database.
        """
        if _FORM.fullmatch(text) is None:
            return None
        rows = await self._store.read(sql.GOOD_SCIM_TOKEN, hash_secret(text), self._clock())
        return str(rows[0][0]) if rows else None
