"""The mails that wait: written in the transaction of what they tell, and sent after its commit.

What a mail says is encrypted in its row: a copy of the database holds no link that opens anything.
"""

from __future__ import annotations

from typing import Final

import msgspec

from carnet.server.clock import SECOND
from carnet.server.identifiers import new_identifier
from carnet.server.keys.sealed_secrets import open_secret, seal_secret
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.languages import ENGLISH
from carnet.server.metrics import MAILS
from carnet.server.settings import Settings
from carnet.server.store import Transaction
from carnet.server.store import statements as sql

__all__ = ["DAY", "MOST_ASKED", "MOST_WAITING", "Letter", "Outbox"]

DAY: Final = 86_400 * SECOND
MOST_WAITING: Final = 10_000
MOST_ASKED: Final = 1000
"""What anybody can ask for without having signed in takes no more than this of the queue."""


class Letter(msgspec.Struct, frozen=True):
    """A mail before it is written.

    Attributes:
        template: which template, or what is to be looked at before there is one.
        to: the address, as its owner writes it.
        values: what the template shows.
        language: in which it is written.
    """

    template: str
    to: str
    values: dict[str, str]
    language: str = ENGLISH


class Outbox:
    """The queue.

    Args:
        keys: of which the peppers hide what the mails say.
        settings: whether mail is set up.

    Attributes:
        is_open: whether mail is set up; otherwise nothing is written.
    """

    def __init__(self, keys: SigningKeys, settings: Settings) -> None:
        self.is_open = bool(settings.smtp_host)
        self._keys = keys

    def add(
        self, letter: Letter, now: int, keep: int = DAY, most: int = MOST_WAITING
    ) -> Transaction[bool]:
        """Write a mail, in the caller's transaction, and tell whether there was room for it.

        Args:
            letter: what it says.
            now: microseconds since 1970.
            keep: microseconds after which nobody needs it any more.
            most: how many may wait.
        """
        if not self.is_open:
            return False
        mail_id = new_identifier()
        content = seal_secret(self._keys, msgspec.json.encode(letter), _row(mail_id))
        if (yield sql.ADD_MAIL, (mail_id, content, now, now + keep, most)):
            return True
        MAILS.labels("no_room").inc()
        return False

    def read(self, mail_id: str, content: bytes) -> Letter:
        """Read what a row says.

        Raises:
            ServerError: ``secret_unreadable``.
            MsgspecError: if a later version has written it.
        """
        return msgspec.json.decode(open_secret(self._keys, content, _row(mail_id)), type=Letter)


def _row(mail_id: str) -> str:
    return f"mail {mail_id}"
