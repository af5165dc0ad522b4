"""Mailed codes that work once instead of a password, where the service allows that.

As with a forgotten password nothing is looked up before the answer: the wish lies in the queue of
mails. A code is good for one page, which has a number of its own; it is kept as the hash of both.
It is worth what a password is: whoever has a second factor is asked for that.
"""

from __future__ import annotations

import secrets
from typing import Final

from carnet.server.accounts.account_record import Account, account_of
from carnet.server.accounts.mail_wishes import meant_by
from carnet.server.accounts.one_time_links import CODE, LIFETIMES, LinkRefused, OneTimeLinks
from carnet.server.accounts.throttle import Throttle
from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.languages import language
from carnet.server.mail.outbox import MOST_ASKED, Letter, Outbox
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["CODE_WANTED", "MailedCodes"]

CODE_WANTED: Final = "code wanted"
"""What a wish for a code is called in the queue."""
DIGITS: Final = 8
MAX_NAME: Final = 256
MAX_CODE: Final = 32


class MailedCodes:
    """Mails codes, and takes them.

    Args:
        store: where they are kept, by their hashes.
        links: keeps them, as it does links.
        outbox: takes wishes and mails.
        throttle: keeps anybody from being flooded.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        links: OneTimeLinks,
        outbox: Outbox,
        throttle: Throttle,
        clock: Clock,
    ) -> None:
        self._store = store
        self._links = links
        self._outbox = outbox
        self._throttle = throttle
        self._clock = clock

    async def ask(self, typed: str, page: str, origin: Origin) -> None:
        """Wish for a code, by username or address.

        Args:
            typed: the name, as it was typed.
            page: the random number of the page that takes the code.
            origin: who asks.

        Raises:
            Delayed: if too many were wished for from there.
        """
        await self._throttle.mail_request(origin.address)
        now = self._clock()
        about = {"page": page, "from": origin.address}
        letter = Letter(CODE_WANTED, typed[:MAX_NAME], about, language().tag)
        keep = LIFETIMES[CODE] * SECOND
        await self._store.transact(lambda: self._outbox.add(letter, now, keep, MOST_ASKED))

    async def answer(self, mail_id: str, wish: Letter) -> None:
        """Look at a wish: send a code to each address that it may be about."""
        now = self._clock()
        origin = SERVICE._replace(address=wish.values["from"])

        def work() -> Transaction[None]:
            for one in (yield from meant_by(wish, mail_id, self._throttle)):
                code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
                about = CODE, _secret(wish.values["page"], code), one.account_id, now
                yield from self._links.keep(*about, one.normalized)
                told = {"account_id": one.account_id, "reason": CODE}
                yield from record(now, Event.LINK_MADE, origin, **told)
                values = {"username": one.username, "code": f"{code[:4]} {code[4:]}"}
                letter = Letter(CODE, one.address, values, one.language)
                yield from self._outbox.add(letter, now, LIFETIMES[CODE] * SECOND)

        await self._store.transact(work)

    async def take(self, page: str, typed: str) -> Account | None:
        """Take a code, and give its account as it is then; None where it is not good.

        What changes the account after that is respected by whoever begins a session for it.
        """
        code = "".join(typed[:MAX_CODE].split())
        now = self._clock()

        def work() -> Transaction[Account | None]:
            link = yield from self._links.take(CODE, _secret(page, code), now)
            rows = yield sql.ACCOUNT_BY_ID, (link.account_id,)
            return account_of(rows[0]) if rows else None

        try:
            return await self._store.transact(work)
        except LinkRefused:
            return None


def _secret(page: str, code: str) -> str:
    return f"{page} {code}"
