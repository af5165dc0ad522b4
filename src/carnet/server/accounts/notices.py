"""Telling people by mail what has happened to their account, and a way back where it wasn't them.

A notice goes to every address that the account has proved, and is written in the transaction of
what it tells. Its link ends all sessions and begins a recovery (``recovery``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from carnet.server.accounts.account_record import AccountRow
from carnet.server.accounts.one_time_links import NOT_ME, OneTimeLinks
from carnet.server.audit import OPERATOR, SERVICE, Origin
from carnet.server.languages import ENGLISH, gettext, language, speaking, written_moment
from carnet.server.mail.outbox import Letter, Outbox
from carnet.server.mail_addresses import read_mail_address
from carnet.server.store import Transaction
from carnet.server.store import statements as sql
from carnet.server.user_agents import device_name

__all__ = ["Notices"]


class Notices:
    """Writes notices.

    Args:
        outbox: where they wait.
        links: makes their links.
    """

    def __init__(self, outbox: Outbox, links: OneTimeLinks) -> None:
        self._outbox = outbox
        self._links = links

    def tell(
        self,
        account_id: str,
        event: str,
        now: int,
        origin: Origin,
        detail: str | Callable[[], str] = "",
        former: Iterable[tuple[str, int]] = (),
    ) -> Transaction[None]:
        """Tell that something has happened, in the transaction in which it does.

        Args:
            account_id: to whose account.
            event: what, as the template ``notice`` knows it.
            now: microseconds since 1970.
            origin: who has done it.
            detail: what it is about, or "", or what says that in the language of the mail.
            former: addresses that were the account's until now, and since when they were.
        """
        if not self._outbox.is_open:
            return
        rows = [sql.AddressRow(*row) for row in (yield sql.ADDRESSES_OF_ACCOUNT, (account_id,))]
        proved = ((row.address, row.verified_at) for row in rows if row.verified_at is not None)
        told = dict((*former, *proved))
        if not told:
            return
        for row in [AccountRow(*one) for one in (yield sql.ACCOUNT_BY_ID, (account_id,))]:
            for text, since in told.items():
                address = read_mail_address(text)
                if address is None:
                    continue
                about = NOT_ME, account_id, now, address.normalized
                link = yield from self._links.make(*about, since=since)
                with speaking(row.language or ENGLISH):
                    letter = Letter(
                        "notice",
                        text,
                        {
                            "username": row.username,
                            "event": event,
                            "detail": detail() if callable(detail) else detail,
                            "from_where": _from_where(origin, account_id),
                            "when": written_moment(now),
                            "link": link,
                        },
                        language().tag,
                    )
                yield from self._outbox.add(letter, now)

    def of_new_device(self, account_id: str, now: int, origin: Origin) -> Transaction[bool]:
        """Tell of a sign-in with a device that is not known, in the transaction of its session.

        Returns:
            True: nothing about it keeps the session from beginning.
        """
        own = origin._replace(actor=account_id)
        told = "new_device", now, own, lambda: device_name(origin.user_agent)
        yield from self.tell(account_id, *told)
        return True


def _from_where(origin: Origin, account_id: str) -> str:
    if origin.actor in (OPERATOR.actor, SERVICE.actor):
        return gettext("the service's own administration")
    if origin.actor not in (None, account_id):
        return gettext("an administrator")
    if not origin.address:
        return device_name(origin.user_agent)
    # What a browser says it is may be anything: of it, only a name that is in our table.
    return gettext("{device}, at {address}").format(
        device=device_name(origin.user_agent), address=origin.address
    )
