"""Initial access tokens: what an administrator hands out so that clients may register themselves.

The database holds their hashes alone (RFC 7591 section 3).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import ClientRefused, hash_secret
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["RegistrationToken", "RegistrationTokens"]

TOKEN_SIZE: Final = 32


class RegistrationToken(NamedTuple):
    """An initial access token, without the token itself; moments in microseconds since 1970.

    Attributes:
        id: names it, and opens nothing.
        created_at: when it was made.
        expires_at: when it stops, or None for not by itself.
        uses: how many clients have been registered with it.
        most_uses: how many may be, or None for any number.
    """

    id: str
    created_at: int
    expires_at: int | None
    uses: int
    most_uses: int | None


class RegistrationTokens:
    """The initial access tokens.

    Args:
        store: where their hashes are kept.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self, origin: Origin, lifetime: int | None, most_uses: int | None = None
    ) -> tuple[RegistrationToken, str]:
        """Make a token, and give it with its text, which is shown this once.

        Args:
            origin: who asked.
            lifetime: for how many seconds it is good, or None for ever.
            most_uses: how many clients may be registered with it, or None for any number.
        """
        now, text = self._clock(), new_identifier(TOKEN_SIZE)
        expires_at = None if lifetime is None else now + lifetime * SECOND
        made = RegistrationToken(new_identifier(8), now, expires_at, 0, most_uses)
        row = (made.id, hash_secret(text), now, expires_at, most_uses)

        def work() -> Transaction[None]:
            yield sql.ADD_REGISTRATION_TOKEN, row
            yield from record(now, Event.REGISTRATION_TOKEN_CREATED, origin, reason=made.id)

        await self._store.transact(work)
        return made, text

    async def all(self) -> list[RegistrationToken]:
        """Give every token, the oldest first; those that have expired go after a day."""
        return [RegistrationToken(*row) for row in await self._store.read(sql.REGISTRATION_TOKENS)]

    async def revoke(self, token_id: str, origin: Origin) -> None:
        """End a token; the clients that were registered with it stay.

        Raises:
            ClientRefused: ``unknown_registration_token``.
        """
        now = self._clock()

        def work() -> Transaction[bool]:
            if not (yield sql.REMOVE_REGISTRATION_TOKEN, (token_id,)):
                return False
            yield from record(now, Event.REGISTRATION_TOKEN_REVOKED, origin, reason=token_id)
            return True

        if not await self._store.transact(work):
            raise ClientRefused(
                f"there is no registration token {token_id!r}: `carnet client registration-token "
                "list` names those that there are",
                code="unknown_registration_token",
            )

    async def is_good(self, text: str) -> bool:
        """Tell whether a client could be registered with a token now."""
        return bool(
            await self._store.read(sql.GOOD_REGISTRATION_TOKEN, hash_secret(text), self._clock())
        )

    def using(self, text: str) -> Transaction[str | None]:
        """Use a token once, in the caller's transaction; give its id, or None if it is not good."""
        rows = yield sql.USE_REGISTRATION_TOKEN, (hash_secret(text), self._clock())
        return rows[0][0] if rows else None
