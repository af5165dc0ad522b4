"""Whose mail was asked for: looked up in the queue, where nobody can measure it."""

from __future__ import annotations

from typing import NamedTuple

from carnet.server.accounts.throttle import Throttle
from carnet.server.accounts.usernames import canonical_username
from carnet.server.mail.outbox import Letter
from carnet.server.mail_addresses import read_mail_address
from carnet.server.store import Transaction
from carnet.server.store import statements as sql

__all__ = ["Meant", "meant_by"]


class Meant(NamedTuple):
    """An account that a wish is about, and may be mailed to.

    Attributes:
        account_id: which.
        username: its name.
        address: where it is reached, as its owner writes it.
        normalized: by which the address is looked up.
        language: in which the account is written to, or the wish was made.
    """

    account_id: str
    username: str
    address: str
    normalized: str
    language: str


def meant_by(wish: Letter, mail_id: str, throttle: Throttle) -> Transaction[list[Meant]]:
    """Take a wish out of the queue, in the caller's transaction, and give whom it is about.

    Args:
        wish: for whom, by username or address.
        mail_id: of the wish; where another process has looked at it, it is about nobody.
        throttle: leaves out who was mailed too much already.
    """
    if not (yield sql.REMOVE_MAIL, (mail_id,)):
        return []
    address = read_mail_address(wish.to)
    names = canonical_username(wish.to), "" if address is None else address.normalized
    found = []
    for row in [sql.RecoverableRow(*one) for one in (yield sql.RECOVERABLE, names)]:
        reached = read_mail_address(row.address)
        if reached is None:
            continue
        about = row.account_id, reached.normalized
        if (yield from throttle.may_mail(*about, by_name=True)):
            known = row.account_id, row.username, row.address, reached.normalized
            found.append(Meant(*known, row.language or wish.language))
    return found
