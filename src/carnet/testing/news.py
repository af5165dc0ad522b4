"""What an issuer in memory has revoked, and how a service hears of it: at once, with no stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carnet.jwt.key_source import KeySource
from carnet.verifier.follower import Follower

__all__ = ["HearsAtOnce", "News"]


class News:
    """What is revoked, in the order in which that happened.

    Attributes:
        entries: ``["sid", …]``, ``["jti", …]`` and ``["sub", …, version]``.
        silent: whether nobody hears of them now.
    """

    def __init__(self) -> None:
        self.entries: list[list[Any]] = []
        self.silent = False


class HearsAtOnce(Follower):
    """Applies an issuer's events whenever a token is checked; it has no thread and no connection.

    The list, its events and its checks are those of a service that follows a stream.

    Args:
        news: what is revoked.
        source: the keys of the issuer.
        clock: gives the seconds since 1970.
    """

    def __init__(self, news: News, source: KeySource, clock: Callable[[], float]) -> None:
        super().__init__(source, lambda: False, clock)
        self._news = news

    def ensure(self) -> None:
        """Hear what there is to hear."""
        if self._news.silent:
            self.last_error = "the test has called down()"
            return
        with self._lock:
            entries, position, now = self._news.entries, self.list.position, self._clock()
            event: dict[str, Any] = {"prev": position or 0, "seq": len(entries), "iat": int(now)}
            if position is None:
                event |= {"event": "snapshot", "part": 0, "last": True, "entries": entries}
            elif position < len(entries):
                event |= {"event": "increment", "entries": entries[position:]}
            else:
                event |= {"event": "heartbeat", "entries": []}
            self.list.apply(event, now, now)
            self.last_error = None

    def patience(self) -> float:
        """Give 0: there is nothing to wait for."""
        return 0.0

    def age(self) -> float | None:
        """Give the seconds since the issuer was heard."""
        self.ensure()
        return self.list.age(self._clock(), self._clock())

    def close(self) -> None:
        """Do nothing: a service that ends and begins anew within a test still hears."""
