"""Revocations: which access tokens are refused although their time has not come.

An entry says one of three things: this session (``sid``) has ended; this account (``sub``) is at
version n, so tokens with an older ``sub_ver`` are stale, and the same for each pairwise subject
that it has; this one token (``jti``) is refused.
Entries are numbered in the transaction that causes them, and kept as long as the longest access
token that they could refuse.
"""

from __future__ import annotations

from typing import NamedTuple

from carnet.server.clock import SECOND, Clock
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql
from carnet.server.store.counters import next_number, read_counters

__all__ = [
    "MARGIN_SECONDS",
    "NewestRevocations",
    "Revocation",
    "Revocations",
]

MARGIN_SECONDS = 60
LONGEST_SUBJECT = 255
"""Characters that a ``sub`` may have (OpenID Connect Core section 2)."""


class Revocation(NamedTuple):
    """An entry.

    Attributes:
        seq: its number; a later commit has a higher one.
        kind: ``sid``, ``sub`` or ``jti``.
        value: the session, the account or the token.
        version: for ``sub``, the account's version now.
        expires_at: microseconds since 1970 after which no token can need it.
    """

    seq: int
    kind: str
    value: str
    version: int | None
    expires_at: int

    @property
    def is_whole(self) -> bool:
        """Whether it is an entry that verifiers understand."""
        if not isinstance(self.value, str):
            return False
        if self.kind == "sub":
            return isinstance(self.version, int)
        return self.kind in ("sid", "jti") and self.version is None


class NewestRevocations(NamedTuple):
    """The newest entries, and the number after which the next ones come.

    Attributes:
        seq: the number.
        entries: the entries, the oldest first.
    """

    seq: int
    entries: list[Revocation]


class Revocations:
    """The entries of the service.

    Args:
        store: where they are kept.
        settings: the longest life of an access token.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._kept = (settings.access_token_lifetime + MARGIN_SECONDS) * SECOND

    def revoke_session(self, session_id: str) -> Transaction[None]:
        """Refuse the tokens of a session, as a part of the caller's transaction."""
        yield from self._add("sid", session_id, None)

    def revoke_older_versions(self, account_id: str, version: int) -> Transaction[None]:
        """Refuse the tokens of an account that are older than a version, as such a part too.

        Some may call it otherwise; verifiers know it by what stands in the tokens.
        """
        yield from self._add("sub", account_id, version)
        for (subject,) in (yield sql.SUBJECTS_OF_ACCOUNT, (account_id, self._clock())):
            # Whatever else stands there stands in no token.
            if isinstance(subject, str) and len(subject) <= LONGEST_SUBJECT:
                yield from self._add("sub", subject, version)

    def revoke_token(self, token_id: str) -> Transaction[None]:
        """Refuse one token, as such a part too."""
        yield from self._add("jti", token_id, None)

    async def is_token_revoked(self, token_id: str) -> bool:
        """Tell whether one token, by itself, is refused."""
        return bool(await self._store.read(sql.REVOKED_TOKEN, token_id))

    async def newest(self, limit: int, after: int = 0) -> NewestRevocations:
        """Give the newest entries, of those after a number.

        Args:
            limit: how many numbers they go back at most.
            after: the number.
        """
        latest = (await read_counters(self._store))["revocation"]
        after = max(after, latest - limit, 0)
        rows = await self._store.read(sql.REVOCATIONS_AFTER, after, self._clock(), limit)
        entries = [Revocation(*row) for row in rows]
        newest = max([latest, *(entry.seq for entry in entries)])
        return NewestRevocations(newest, [entry for entry in entries if entry.is_whole])

    def _add(self, kind: str, value: str, version: int | None) -> Transaction[None]:
        seq = yield from next_number("revocation")
        # As long as the tokens that may have been issued while this transaction waited.
        entry = Revocation(seq, kind, value, version, self._clock() + self._kept)
        yield sql.ADD_REVOCATION, entry
