"""Revocations: which access tokens are refused although their time has not come.

An entry says one of three things: this session (``sid``) has ended; this account (``sub``) is at
version n, so tokens with an older ``sub_ver`` are stale; this one token (``jti``) is refused.
Entries are numbered in the transaction that causes them, and kept as long as the longest access
token that they could refuse.
"""

from __future__ import annotations

from typing import NamedTuple

from carnet.server.clock import SECOND
from carnet.server.settings import Settings
from carnet.server.store import Transaction
from carnet.server.store import statements as sql

__all__ = ["MARGIN_SECONDS", "Revocation", "Revoker"]

MARGIN_SECONDS = 60


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


class Revoker:
    """Adds entries, as a part of somebody's transaction.

    Args:
        settings: the longest life of an access token.
    """

    def __init__(self, settings: Settings) -> None:
        self._kept = (settings.access_token_lifetime + MARGIN_SECONDS) * SECOND

    def session(self, session_id: str, now: int) -> Transaction[None]:
        """Refuse the tokens of a session."""
        yield from self._add("sid", session_id, None, now)

    def older_versions(self, account_id: str, version: int, now: int) -> Transaction[None]:
        """Refuse the tokens of an account that are older than a version."""
        yield from self._add("sub", account_id, version, now)

    def token(self, token_id: str, now: int) -> Transaction[None]:
        """Refuse one token."""
        yield from self._add("jti", token_id, None, now)

    def _add(self, kind: str, value: str, version: int | None, now: int) -> Transaction[None]:
        [(seq,)] = yield sql.NEXT_NUMBER, ("revocation",)
        yield sql.ADD_REVOCATION, (seq, kind, value, version, now + self._kept)
