"""Sending the mails that wait.

A mail is sent at least once: it goes from the queue when the mail server has taken it, and any of
several processes may send it, again after a crash. What becomes of each:

    what happens                                   what becomes of the mail
    ─────────────────────────────────────────────  ─────────────────────────────────────────────────
    the server takes it                            it is gone
    the server refuses it for good (5xx)           it is gone, counted and logged
    the server can't take it now (4xx)             it waits, each time twice as long, up to an hour
    the server is away, hangs, has no TLS …        the same, and this task fails until it is back
    its row can't be read                          it is gone, counted and logged
    nobody needs it any more                       it is gone, counted and logged

Some of what waits is no mail yet, but somebody's wish for one, such as for a new password:
``answers`` look at it here, where nobody can measure what they find.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from carnet.server.clock import SECOND, Clock
from carnet.server.mail.outbox import Letter, Outbox
from carnet.server.mail.smtp import MailServer, NotSent
from carnet.server.metrics import MAILS, MAILS_WAITING
from carnet.server.settings import Settings
from carnet.server.store import Store, StoreUnavailable
from carnet.server.store import statements as sql

if TYPE_CHECKING:
    from carnet.server.mail.letters import Letters

__all__ = ["LONGEST_RUN", "Answer", "Delivery", "Queue"]

BATCH: Final = 10
MAX_CAUSE: Final = 200
LEASE: Final = 600 * SECOND
FIRST_RETRY: Final = 5 * SECOND
LONGEST_RETRY: Final = 3600 * SECOND
BEGINS_SECONDS: Final = 30.0
"""For how long a run begins another batch."""
LONGEST_RUN: Final = 500.0
"""How long a run takes at most: that, and one batch more."""

Answer = Callable[[str, Letter], Awaitable[None]]
"""Looks at a wish of this id, and removes it in the transaction that answers it."""

_log = structlog.get_logger()


class Queue(NamedTuple):
    """How the queue is.

    Attributes:
        waiting: how many mails wait.
        oldest: since when the oldest does, in microseconds since 1970, or None.
        cause: why the last one that failed did, or "".
    """

    waiting: int
    oldest: int | None
    cause: str


class Delivery:
    """Sends what waits.

    Args:
        store: where it waits.
        outbox: reads it.
        settings: the mail server, the sender, and the templates.
        clock: gives the microseconds since 1970.

    Attributes:
        answers: by what a wish is called, who looks at it.
    """

    def __init__(self, store: Store, outbox: Outbox, settings: Settings, clock: Clock) -> None:
        self.answers: dict[str, Answer] = {}
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._settings = settings
        self._letters = _letters(settings) if outbox.is_open else None
        self._failure: NotSent | None = None

    async def send_due(self) -> None:
        """Send what is due now.

        Raises:
            NotSent: if the mail server takes none, or had taken none when it was asked last.
        """
        until = time.monotonic() + BEGINS_SECONDS
        while time.monotonic() < until:
            now = self._clock()
            [row] = await self._store.read(sql.MAILS_WAITING)
            waiting = sql.MailsWaitingRow(*row)
            MAILS_WAITING.set(waiting.number)
            if not waiting.number:
                self._failure = None
            if waiting.due_at is None or waiting.due_at > now:
                break
            rows = await self._store.write(sql.LEASE_MAILS, now + LEASE, now, BATCH)
            # What a wish was answered with is due at once.
            await self._send([sql.MailRow(*row) for row in rows])
            if self._failure is not None:
                break
        if self._failure is not None:
            raise self._failure

    async def queue(self) -> Queue:
        """Tell how the queue is."""
        [row] = await self._store.read(sql.MAILS_WAITING)
        waiting = sql.MailsWaitingRow(*row)
        causes = await self._store.read(sql.LAST_MAIL_FAILURE) if waiting.number else []
        return Queue(waiting.number, waiting.oldest, causes[0][0][:MAX_CAUSE] if causes else "")

    async def _send(self, rows: list[sql.MailRow]) -> None:
        server, waiting = MailServer(self._settings), list(rows)
        try:
            while waiting:
                row = waiting.pop(0)
                try:
                    await self._treat(server, row)
                except NotSent as error:
                    self._failure = error
                    break
        finally:
            server.close() if self._failure else await server.quit()
            for row in waiting:
                await self._store.write(sql.RELEASE_MAIL, self._clock(), row.id)

    async def _treat(self, server: MailServer, row: sql.MailRow) -> None:
        """Do what there is to do with a row; whatever is wrong with it harms itself alone.

        Raises:
            NotSent: ``server``.
        """
        now = self._clock()
        if now >= row.expires_at:
            await self._drop(row, "given_up", age=(now - row.created_at) // SECOND)
            return
        try:
            letter = self._outbox.read(row.id, row.content)
            if letter.template in self.answers:
                await self.answers[letter.template](row.id, letter)
                return
            mail = self._write(letter, row, now)
        except StoreUnavailable:
            raise
        except Exception as error:
            await self._drop(row, "unreadable", exc_info=error)
            return
        try:
            await server.send(*mail)
        except NotSent as error:
            await self._not_sent(row, letter, error)
            return
        self._failure = None
        MAILS.labels("sent").inc()
        await self._store.write(sql.REMOVE_MAIL, row.id)

    def _write(self, letter: Letter, row: sql.MailRow, now: int) -> tuple[str, str, bytes]:
        """Give sender, recipient and text of a mail."""
        if self._letters is None:
            raise ValueError("mail is not set up any more")
        return (self._letters.sender, *self._letters.write(letter, row.id, now))

    async def _not_sent(self, row: sql.MailRow, letter: Letter, error: NotSent) -> None:
        if error.code == "refused":
            await self._drop(row, "refused", letter=letter.template, cause=str(error))
            return
        attempts = min(max(row.attempts, 0) + 1, 32)
        pause = min(FIRST_RETRY * 2 ** (attempts - 1), LONGEST_RETRY)
        values = attempts, str(error), self._clock() + pause, row.id
        await self._store.write(sql.POSTPONE_MAIL, *values)
        MAILS.labels("postponed").inc()
        if error.code == "server":
            raise error
        _log.warning("mail_postponed", mail=row.id, letter=letter.template, cause=str(error))

    async def _drop(self, row: sql.MailRow, outcome: str, **fields: object) -> None:
        MAILS.labels(outcome).inc()
        _log.warning(f"mail_{outcome}", mail=row.id, **fields)
        await self._store.write(sql.REMOVE_MAIL, row.id)


def _letters(settings: Settings) -> Letters:
    # Only who sends mail pays for it.
    from carnet.server.mail.letters import Letters

    return Letters(settings)
