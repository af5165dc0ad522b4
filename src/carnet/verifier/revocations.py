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

What was known before a snapshot refuses tokens until the snapshot's last part is there. Its entries
move over one by one: each is added on the right before it is dropped on the left, and whoever
checks looks from left to right, so that none is overlooked on its way.
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


class _Part:
    """The entries of a stretch of time."""

    __slots__ = ("sessions", "tokens", "versions")

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.tokens: set[str] = set()
        self.versions: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.sessions) + len(self.tokens) + len(self.versions)

    def add(self, entry: object) -> None:
        match entry:
            case ["sid", str(value)]:
                self.sessions.add(value)
            case ["jti", str(value)]:
                self.tokens.add(value)
            case ["sub", str(value), int(version)] if version.__class__ is int:
                self.versions[value] = max(version, self.versions.get(value, 0))
            case _:
                raise _broken("an entry is of a kind that is not known")

    def take_over(self, other: _Part) -> None:
        """Add all that another one holds."""
        self.sessions |= other.sessions
        self.tokens |= other.tokens
        for value, version in other.versions.items():
            self.versions[value] = max(version, self.versions.get(value, 0))

    def discard(self, entry: list[Any]) -> None:
        """Drop an entry that has been added elsewhere."""
        if entry[0] == "sid":
            self.sessions.discard(entry[1])
        elif entry[0] == "jti":
            self.tokens.discard(entry[1])
        elif self.versions.get(entry[1], 0) <= entry[2]:
            self.versions.pop(entry[1], None)


class RevocationList:
    """The revocations of one issuer, as far as they are known.

    One thread applies events; any number may check tokens meanwhile.

    Attributes:
        position: the number of the newest entry that is known, or None before the first snapshot.
        heard_at: when the issuer last confirmed that position, in seconds of the caller's clock.
    """

    def __init__(self) -> None:
        self.position: int | None = None
        self.heard_at: float | None = None
        # The older half, where there is one, then the newer, then a snapshot that is coming in.
        # Whoever checks reads it once, and in this order: what moves goes to the right.
        self._parts: tuple[_Part, ...] = (_Part(),)
        self._incoming: _Part | None = None
        self._next_part = 0
        self._turned_at = 0.0
        self._kept: float = KEPT

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def check(self, claims: Mapping[str, Any]) -> None:
        """Refuse a token that is revoked.

        Raises:
            InvalidToken: ``revoked``, naming the claim that says so.
        """
        get = claims.get
        session, token = get("sid"), get("jti")
        try:
            for part in self._parts:
                if session in part.sessions:
                    raise _revoked("sid", "the session has ended", "a session that lives")
                if token in part.tokens:
                    raise _revoked("jti", "the token was revoked", "another token")
                if part.versions:
                    version = get("sub_ver")
                    if version is not None and version < part.versions.get(get("sub", ""), 0):
                        message = "the account has changed since"
                        raise _revoked("sub_ver", message, "a refreshed token")
        except TypeError:
            # An issuer may mean something else by such a claim. What can't be compared can't be
            # revoked, but an account's version that is none is older than any.
            text = {name: get(name) for name in ("sid", "jti", "sub") if _is_text(get(name))}
            version = get("sub_ver")
            if version is not None and version.__class__ is not int:
                version = 0
            self.check({**text, "sub_ver": version})

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
        self._fold()
        if kind == "increment" and seq > prev:
            self._turn(now)
            for entry in entries:
                self._parts[-1].add(entry)
        elif kind != "heartbeat" or seq != prev:
            raise _broken("an event is of a kind that is not known")
        self.position, self.heard_at = seq, now

    def restart(self) -> None:
        """Forget the position: the next connection begins with a snapshot."""
        self.position = None

    def _begin_anew(
        self, event: Mapping[str, Any], entries: list[Any], seq: int, now: float
    ) -> None:
        number = event.get("part")
        if number == 0:
            self._fold()
            self._incoming, self._next_part = _Part(), 0
            self._parts = (*self._parts, self._incoming)
        if self._incoming is None or number != self._next_part:
            raise _broken("a part of the snapshot is missing")
        for entry in entries:
            # It moves, so that a long list is never held twice.
            self._incoming.add(entry)
            for part in self._parts[:-1]:
                part.discard(entry)
        self._next_part += 1
        if event.get("last") is True:
            kept = event.get("kept")
            self._kept = float(kept) if isinstance(kept, int) and kept > 0 else KEPT
            # First the entries, then the position that says that they are there.
            self._parts, self._incoming = (self._incoming,), None
            self._turned_at = now
            self.position, self.heard_at = seq, now

    def _fold(self) -> None:
        """Keep what a snapshot has brought that was broken off: it is as true as the rest."""
        if self._incoming is not None:
            self._parts[-2].take_over(self._incoming)
            self._parts, self._incoming = self._parts[:-1], None

    def _turn(self, now: float) -> None:
        if now - self._turned_at >= self._kept:
            self._parts, self._turned_at = (self._parts[-1], _Part()), now


def _is_text(value: object) -> bool:
    return isinstance(value, str)


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
