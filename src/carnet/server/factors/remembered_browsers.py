"""Browsers with which an account is not asked for its second factor after the password.

A sign-in with one has proved the password and says so: ``amr`` is ``pwd``. So whatever demands a
second factor, of a role, a client or a request, asks for it all the same, and so does what changes
how somebody signs in. Another password, or a factor that goes, forgets all of them.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final, NamedTuple

from carnet.server.accounts.account_record import Account
from carnet.server.audit import Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["MOST_BROWSERS", "RememberedBrowser", "RememberedBrowsers"]

MOST_BROWSERS: Final = 10
MAX_USER_AGENT: Final = 256


class RememberedBrowser(NamedTuple):
    """A browser that is remembered; times in microseconds since 1970."""

    id: str
    user_agent: str
    created_at: int
    used_at: int | None
    expires_at: int


class RememberedBrowsers:
    """The browsers that are remembered, of all accounts.

    Args:
        store: where they are kept.
        settings: for how long.
        clock: gives the microseconds since 1970.

    Attributes:
        seconds: for how long; 0 where none is.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self.seconds = settings.remembered_browser_lifetime
        self._store = store
        self._clock = clock

    async def of_account(self, account_id: str) -> list[RememberedBrowser]:
        """Give those of an account, the newest first."""
        rows = await self._store.read(sql.REMEMBERED_BROWSERS, account_id, self._clock())
        return [RememberedBrowser(*row) for row in rows]

    async def remember(self, account: Account, origin: Origin) -> bytes:
        """Remember a browser whose owner has just proved a second factor.

        Of more than ten the oldest are forgotten.

        Returns:
            What the browser has to show from now on; nothing where the account has changed.
        """
        secret, now = secrets.token_bytes(32), self._clock()
        values = sql.AddRememberedBrowser(
            id=new_identifier(),
            secret_hash=_hash(secret),
            user_agent=origin.user_agent[:MAX_USER_AGENT],
            now=now,
            expires_at=now + self.seconds * SECOND,
            account_id=account.id,
        )

        def work() -> Transaction[bool]:
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                return False
            yield sql.ADD_REMEMBERED_BROWSER, values
            yield sql.FORGET_OLD_BROWSERS, (account.id, MOST_BROWSERS)
            yield from record(now, Event.BROWSER_REMEMBERED, origin, account_id=account.id)
            return True

        return secret if await self._store.transact(work) else b""

    async def knows(self, account_id: str, secret: bytes) -> bool:
        """Tell whether a browser is one of an account's, and write down that it was used."""
        if not secret or not self.seconds:
            return False
        now = self._clock()
        used = now, _hash(secret), account_id
        return bool(await self._store.write(sql.USE_REMEMBERED_BROWSER, *used))

    async def forget(self, account_id: str, browser_id: str, origin: Origin) -> bool:
        """Forget one of an account's, and tell whether it was there."""
        now = self._clock()

        def work() -> Transaction[bool]:
            gone = yield sql.FORGET_BROWSER, (browser_id, account_id)
            if gone:
                yield from record(now, Event.BROWSER_FORGOTTEN, origin, account_id=account_id)
            return bool(gone)

        return await self._store.transact(work)


def _hash(secret: bytes) -> bytes:
    # It is random, so that its hash can't be guessed.
    return hashlib.sha256(b"carnet remembered browser" + secret).digest()
