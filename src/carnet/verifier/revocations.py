"""What an issuer has revoked: kept in memory, told by its signed event stream. No I/O, no clock.

    event       what it does                                    when it is refused
    ──────────  ──────────────────────────────────────────────  ────────────────────────────────────
    snapshot    adds all that the issuer still holds; its last  a part is missing
                part sets the position
    increment   adds entries                                    it does not begin where we are
    heartbeat   says that nothing has changed                   it names another position

A refused event ends the connection; the next one goes on from the position that was reached, or
begins anew with a snapshot.

**Nothing is dropped before its time.** An event can only add. A snapshot that holds less than what
is known, or a lower position, comes from a database that was restored from a backup, from a replica
that lags behind, or from somebody who replays it: in none of these cases is a token good again that
was refused before. Entries are needed no longer than the longest access token lives, which the
issuer says as ``kept``: they are held in two halves, of which the older is dropped each time that
long has passed, so that a stream that never ends does not fill the memory. An entry of a snapshot
moves to the newer half: it is added on the right before it is dropped on the left, and whoever
checks looks from left to right, so that none is overlooked on its way.

**Freshness is proved by the time that the issuer signed.** An event's ``iat`` is the moment at
which the issuer read its database. What is known is as old as that moment says by the clock here,
less the leeway by which clocks may differ, and never younger than the event's arrival. So an event
that was recorded and is sent again proves nothing new. An ``iat`` that lies further ahead than the
leeway proves nothing; one that is older than the newest by more than the leeway is refused. An
increment with ``more`` is one of several and proves nothing yet. Where the clock here was set back
behind the newest ``iat``, that one is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jose import jws
from carnet.jose.encoding import json_decode
from carnet.jose.key_set import KeySet

__all__ = ["LEEWAY", "RevocationList", "read_event"]

TYPE: Final = "revocations+jwt"
KEPT: Final = 86_400
LEEWAY: Final = 10.0
"""Seconds by which the clocks of the issuer and the verifier may differ, unless more is said."""


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

    Args:
        leeway: seconds by which the issuer's clock may differ from the one here.

    Attributes:
        position: the number of the newest entry that is known, or None before the first snapshot.
        heard_at: when the newest proof of freshness came, in seconds of a clock that never jumps,
            or None before that.
        signed_at: the ``iat`` of that proof.
        ahead: seconds by which the last event's ``iat`` lay ahead of the clock here, where that is
            more than the leeway; else 0.
    """

    def __init__(self, leeway: float = LEEWAY) -> None:
        self.position: int | None = None
        self.heard_at: float | None = None
        self.signed_at: int | None = None
        self.ahead = 0.0
        self._leeway = leeway
        # The older half, where there is one, then the newer. Whoever checks reads it once, and in
        # this order: what moves goes to the right.
        self._parts: tuple[_Part, ...] = (_Part(),)
        self._next_part: int | None = None
        self._turned_at: float | None = None
        self._kept: float | None = None

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

    def age(self, now: float, unix: float) -> float | None:
        """Give the seconds since the moment for which the issuer has proved what is known.

        Args:
            now: seconds of the clock that never jumps.
            unix: seconds since 1970.

        Returns:
            The seconds, or None where nothing was proved yet.
        """
        if self.heard_at is None or self.signed_at is None:
            return None
        return max(now - self.heard_at, unix - self.signed_at - self._leeway)

    def apply(self, event: Mapping[str, Any], now: float, unix: float) -> None:
        """Take an event in.

        Args:
            event: the payload of a signed event.
            now: seconds of a clock that never jumps.
            unix: seconds since 1970.

        Raises:
            IssuerUnavailable: if it does not follow what is known; the connection is to be ended.
        """
        kind, prev, seq = event.get("event"), event.get("prev"), event.get("seq")
        entries, iat = event.get("entries"), event.get("iat")
        if (
            prev.__class__ is not int
            or seq.__class__ is not int
            or iat.__class__ is not int
            or not isinstance(entries, list)
        ):
            raise _broken("an event lacks its numbers, its time or its entries")
        self._check_order(iat, unix)
        if kind == "snapshot":
            complete = self._add_part(event, entries, now)
        elif self.position is None or prev != self.position:
            raise _broken("an event is missing")
        elif kind == "increment" and seq > prev:
            self._turn(event, now)
            for entry in entries:
                self._parts[-1].add(entry)
            complete = event.get("more") is not True
            self.position = seq
        elif kind == "heartbeat" and seq == prev:
            complete = True
        else:
            raise _broken("an event is of a kind that is not known")
        if complete:
            # First the entries, then the position that says that they are there.
            self.position = seq
            self._confirm(iat, now, unix)

    def restart(self) -> None:
        """Forget the position: the next connection begins with a snapshot."""
        self.position = None

    def _check_order(self, iat: int, unix: float) -> None:
        """Refuse an event that was signed before one that came already."""
        signed_at = self.signed_at
        if signed_at is None or signed_at > unix + self._leeway:
            self.signed_at = None
        elif iat < signed_at - self._leeway:
            raise _broken("an event is older than one that came before it")

    def _confirm(self, iat: int, now: float, unix: float) -> None:
        """Take the time of an event as a proof of freshness, where it is one."""
        ahead = iat - unix
        self.ahead = ahead if ahead > self._leeway else 0.0
        if not self.ahead and (self.signed_at is None or iat > self.signed_at):
            self.signed_at, self.heard_at = iat, now

    def _add_part(self, event: Mapping[str, Any], entries: list[Any], now: float) -> bool:
        """Add a part of a snapshot, and tell whether it was the last."""
        number = event.get("part")
        if number == 0:
            self._next_part = 0
            self._turn(event, now)
        if self._next_part is None or number != self._next_part:
            raise _broken("a part of the snapshot is missing")
        for entry in entries:
            # It moves, so that a long list is never held twice.
            self._parts[-1].add(entry)
            for part in self._parts[:-1]:
                part.discard(entry)
        last = event.get("last") is True
        self._next_part = None if last else self._next_part + 1
        return last

    def _turn(self, event: Mapping[str, Any], now: float) -> None:
        """Drop what no token can need any more."""
        kept = event.get("kept")
        if kept.__class__ is int and kept > 0:
            # Never less than before: there are tokens of the time when it was more.
            self._kept = max(float(kept), self._kept or 0.0)
        if self._turned_at is None:
            self._turned_at = now
        elif now - self._turned_at >= (self._kept or KEPT):
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
