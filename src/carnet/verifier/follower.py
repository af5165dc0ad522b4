"""Following an issuer's revocation stream over HTTP, in a thread of its own.

The thread begins with the first token, not when the verifier is made: servers that fork their
workers make the verifier before, and threads don't live on in a fork. What they know does, and a
fork begins a thread of its own with its first token. The thread ends when the verifier is closed,
or nobody holds it any more, as after a module was loaded anew.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from carnet.errors import ConfigurationError, IssuerUnavailable
from carnet.jwt.forks import renew_in_forks
from carnet.jwt.key_source import KeySource
from carnet.verifier.access import DIRECT, Access, check_address, on_loopback
from carnet.verifier.connections import Connections
from carnet.verifier.fetch import tls_context
from carnet.verifier.revocations import LEEWAY, RevocationList, read_event

if TYPE_CHECKING:
    import httpx

__all__ = ["Follower", "events"]

CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 20.0
SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
FIRST_SECONDS: Final = 5.0
MAX_LINE: Final = 4 * 1024 * 1024

# Its own: a program that seeds the module's generator finds there what it put there.
_jitter: Final = random.Random()  # noqa: S311 - no secret
if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows can't fork
    # Else all workers of a server would come back at the same moments.
    os.register_at_fork(after_in_child=_jitter.seed)

_ENDED: Final = threading.Event()
_ENDED.set()


class Follower:
    """Keeps the list of an issuer's revocations up to date.

    Args:
        source: the issuer's keys, and its metadata with the stream's address.
        refresh_for_unknown_key: fetches the keys, unless that was done just before; tells which.
        clock: gives the seconds since 1970.
        leeway: seconds by which the issuer's clock may differ from that one.
        access: how the issuer is reached.

    Attributes:
        list: what is known.
        last_error: why the stream broke last, or None while it is followed.
    """

    def __init__(
        self,
        source: KeySource,
        refresh_for_unknown_key: Callable[[], bool],
        clock: Callable[[], float] = time.time,
        leeway: float = LEEWAY,
        access: Access = DIRECT,
    ) -> None:
        self.list = RevocationList(leeway)
        self._access = access
        self.last_error: str | None = None
        self._source = source
        self._refresh_for_unknown_key = refresh_for_unknown_key
        self._clock = clock
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._began_at = 0.0
        self._stop = threading.Event()
        self._synced = threading.Event()
        self._connections = Connections()
        renew_in_forks(self)

    def begin_anew(self) -> None:
        """Follow by itself in a fork, from the next token on; what is known stays known."""
        is_closed = self._stop.is_set()
        self._lock, self._stop, self._synced = (
            threading.Lock(),
            threading.Event(),
            threading.Event(),
        )
        self._connections = Connections()
        self._pid = None
        if is_closed:
            self._stop.set()

    def ensure(self) -> None:
        """Begin to follow, once in each process."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid() or self._stop.is_set():
                return
            self._synced.clear()
            thread = threading.Thread(
                target=self._follow, args=(self._stop,), name="carnet-revocations", daemon=True
            )
            self._began_at = time.monotonic()
            # Before the thread begins, since its end takes it back.
            self._pid = os.getpid()
            try:
                thread.start()
            except RuntimeError:
                self._pid = None
                self.last_error = "this process can't start another thread"

    def patience(self) -> float:
        """Give the seconds for which a token still waits for the first snapshot.

        They run from the beginning, not anew for each token: an issuer whose stream is down would
        make every request wait.
        """
        if self._pid != os.getpid() or self._synced.is_set() or self._stop.is_set():
            return 0.0
        return max(0.0, self._began_at + FIRST_SECONDS - time.monotonic())

    def wait(self) -> None:
        """Wait for the first snapshot, as long as there is patience."""
        self._synced.wait(self.patience())

    def age(self) -> float | None:
        """Give the seconds since the moment for which the issuer has proved what is known."""
        return self.list.age(time.monotonic(), self._clock())

    def close(self) -> None:
        """Stop following; a read that waits for the issuer's next word ends at once."""
        self._stop.set()
        self._connections.end()

    def abandon(self) -> None:
        """Stop following with the next word of the issuer, or when it is silent for too long.

        For the garbage collector, which may come while this thread holds any lock: none is taken.
        """
        self._stop = _ENDED

    def _follow(self, stop: threading.Event) -> None:
        try:
            pause = SHORTEST_PAUSE
            while self._goes_on(stop):
                heard_at = self.list.heard_at
                self._try_to_follow(stop)
                if self.list.heard_at != heard_at:
                    pause = SHORTEST_PAUSE
                # Many verifiers lose the same issuer at once: they come back spread out.
                stop.wait(_jitter.uniform(pause / 2, pause))
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            # Should this thread end before it is told to, the next token begins another.
            if stop is self._stop:
                self._pid = None

    def _goes_on(self, stop: threading.Event) -> bool:
        # Another event is there in a fork, where greenlets go on that were threads before.
        return stop is self._stop and not stop.is_set()

    def _try_to_follow(self, stop: threading.Event) -> None:
        try:
            self._follow_once(stop)
        except IssuerUnavailable as error:
            self.last_error = str(error)
        # The address and the events are the issuer's: httpx, idna, ssl and the rest raise what they
        # like for them, and cryptography's panics are no Exception. None of it ends the following.
        except BaseException as error:
            self.last_error = f"following the revocations failed ({type(error).__name__})"

    def _follow_once(self, stop: threading.Event) -> None:
        """Connect and follow until the stream breaks.

        Raises:
            IssuerUnavailable: always, with the reason.
        """
        address = self._source.revocations_uri
        if self._source.keys is None:
            # Whoever has a token fetches them.
            raise self._source.unavailable()
        if address is None:
            raise IssuerUnavailable(f"{self._source.issuer} publishes no revocations_uri")
        for data in events(address, self.list.position, self._connections, self._access):
            if not self._goes_on(stop):
                break
            try:
                event = read_event(data, self._source.keys, self._source.issuer)
            except IssuerUnavailable:
                # It may be signed by a key that is new.
                if not self._refresh_for_unknown_key():
                    raise
                event = read_event(data, self._source.keys, self._source.issuer)
            try:
                self.list.apply(event, time.monotonic(), self._clock())
            except BaseException:
                self.list.restart()
                raise
            self.last_error = self._clocks_differ() if self.list.ahead else None
            if self.list.position is not None:
                self._synced.set()
        raise IssuerUnavailable("the revocation stream ended")

    def _clocks_differ(self) -> str:
        return (
            f"its events are signed {self.list.ahead:.0f} seconds ahead of the clock here, which "
            "proves nothing: set both clocks right, or give the verifier more leeway"
        )


def events(
    address: str, position: int | None, connections: Connections, access: Access = DIRECT
) -> Iterator[str]:
    """Give the data of each server-sent event (HTML standard, section 9.2.6)."""
    import httpx

    try:
        check_address(address, access.plain_hosts)
    except ConfigurationError as error:
        raise IssuerUnavailable(str(error)) from None
    headers = {
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        **access.headers_for(address),
    }
    if position is not None:
        headers["Last-Event-ID"] = str(position)
    timeout = httpx.Timeout(CONNECT_SECONDS, read=SILENCE_SECONDS)
    try:
        with (
            connections,
            httpx.Client(
                timeout=timeout,
                trust_env=not on_loopback(address),
                verify=access.context or tls_context(),
            ) as client,
            client.stream(
                "GET", address, headers=headers, extensions={"trace": connections.trace}
            ) as response,
        ):
            if response.status_code != 200:
                raise IssuerUnavailable(f"{address} answered {response.status_code}")
            data: list[str] = []
            for line in _lines(response):
                if line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))
                elif not line and data:
                    yield "\n".join(data)
                    data = []
    except httpx.HTTPError as error:
        raise IssuerUnavailable(f"{address} broke off ({type(error).__name__})") from None


def _lines(response: httpx.Response) -> Iterator[str]:
    """Give the lines of an answer, none longer than the limit."""
    rest = b""
    # Without a size, since httpx would wait until there is so much.
    for chunk in response.iter_raw():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE:
            raise IssuerUnavailable("a line of the revocation stream is too long")
        for line in lines:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
