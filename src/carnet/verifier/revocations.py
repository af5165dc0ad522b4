"""What an issuer has revoked: kept in memory, told by its signed event stream. No I/O, no clock.

    event       what it does                                    when it is refused
    ──────────  ──────────────────────────────────────────────  ────────────────────────────────────
    snapshot    begins the list anew; its last part makes it    a part is missing
                the one that counts
    increment   adds entries                                    it does not begin where we are
    heartbeat   says that nothing has changed                   it names another position

A refused event ends the connection; the next one goes on from the position that was reached, or
begins anew. Entries are needed no longer than the longest access token lives, which the issuer says
as ``kept``: they are held in two halves, of which the older is dropped each time that long has
passed, so that a stream that never ends does not fill the memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jose import jws
from carnet.jose.encoding import json_decode
from carnet.jose.key_set import KeySet

__all__ = ["RevocationList", "read_event"]

TYPE: Final = "revocations+jwt"
KEPT: Final = 86_400


class _Half:
    """The entries of a stretch of time."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.tokens: set[str] = set()
        self.versions: dict[str, int] = {}

    def add(self, entry: object) -> None:
        match entry:
            case ["sid", str(value)]:
                self.sessions.add(value)
            case ["jti", str(value)]:
                self.tokens.add(value)
            case ["sub", str(value), int(version)]:
                self.versions[value] = max(version, self.versions.get(value, 0))
            case _:
                raise _broken("an entry is of a kind that is not known")


class RevocationList:
    """The revocations of one issuer, as far as they are known.

    Attributes:
        position: the number of the newest entry that is known, or None before the first snapshot.
        heard_at: when the issuer last confirmed that position, in seconds of the caller's clock.
    """

    def __init__(self) -> None:
        self.position: int | None = None
        self.heard_at: float | None = None
        self._older, self._newer = _Half(), _Half()
        self._turned_at = 0.0
        self._kept: float = KEPT
        self._snapshot: _Half | None = None
        self._parts = 0

    def __len__(self) -> int:
        halves = (self._older, self._newer)
        return sum(len(half.sessions) + len(half.tokens) + len(half.versions) for half in halves)

    def check(self, claims: Mapping[str, Any]) -> None:
        """Refuse a token that is revoked.

        Raises:
            InvalidToken: ``revoked``, naming the claim that says so.
        """
        session, token = claims.get("sid"), claims.get("jti")
        subject, version = claims.get("sub", ""), claims.get("sub_ver")
        for half in (self._newer, self._older):
            if session in half.sessions:
                raise _revoked("sid", "the session has ended", "a session that lives")
            if version is not None and version < half.versions.get(subject, 0):
                raise _revoked("sub_ver", "the account has changed since", "a refreshed token")
            if token in half.tokens:
                raise _revoked("jti", "the token was revoked", "another token")

    def apply(self, event: Mapping[str, Any], now: float) -> None:
        """Take an event in.

        Args:
            event: the payload of a signed event.
            now: seconds of a clock that never jumps.

        Raises:
            IssuerUnavailable: if it does not follow what is known; the connection is to be ended.
        """
        kind, prev, seq = event.get("event"), event.get("prev"), event.get("seq")
        entries = event.get("entries")
        if prev.__class__ is not int or seq.__class__ is not int or not isinstance(entries, list):
            raise _broken("an event lacks its numbers or its entries")
        if kind == "snapshot":
            self._begin_anew(event, entries, seq, now)
            return
        if self.position is None or prev != self.position:
            raise _broken("an event is missing")
        if kind == "increment" and seq > prev:
            self._turn(now)
            for entry in entries:
                self._newer.add(entry)
        elif kind != "heartbeat" or seq != prev:
            raise _broken("an event is of a kind that is not known")
        self.position, self.heard_at = seq, now

    def restart(self) -> None:
        """Forget the position: the next connection begins with a snapshot."""
        self.position = None

    def _begin_anew(
        self, event: Mapping[str, Any], entries: list[object], seq: int, now: float
    ) -> None:
        part = event.get("part")
        if part == 0:
            self._snapshot, self._parts = _Half(), 0
        if self._snapshot is None or part != self._parts:
            raise _broken("a part of the snapshot is missing")
        for entry in entries:
            self._snapshot.add(entry)
        self._parts += 1
        if event.get("last") is True:
            kept = event.get("kept")
            self._kept = float(kept) if isinstance(kept, int) and kept > 0 else KEPT
            # First the entries, then the position that says that they are there.
            self._older, self._newer, self._snapshot = _Half(), self._snapshot, None
            self._turned_at = now
            self.position, self.heard_at = seq, now

    def _turn(self, now: float) -> None:
        if now - self._turned_at >= self._kept:
            self._older, self._newer, self._turned_at = self._newer, _Half(), now


def read_event(text: str, keys: KeySet, issuer: str) -> dict[str, Any]:
    """Verify a signed event and give its payload.

    Raises:
        IssuerUnavailable: if it is not signed by the issuer.
    """
    try:
        verified = jws.verify(text, keys, max_size=4 * 1024 * 1024)
        if verified.header.get("typ") != TYPE:
            raise _broken("an event is not of the type revocations+jwt")
        payload = json_decode(verified.payload)
    except InvalidToken as error:
        raise _broken(f"an event is not signed by the issuer ({error.code})") from None
    if payload.get("iss") != issuer:
        raise _broken("an event is of another issuer")
    return payload


def _revoked(claim: str, message: str, expected: str) -> InvalidToken:
    return InvalidToken(message, code="revoked", claim=claim, expected=expected)


def _broken(reason: str) -> IssuerUnavailable:
    return IssuerUnavailable(f"the revocation stream can't be used: {reason}")
