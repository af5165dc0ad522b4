"""HTTP connections that cost a bounded amount, and whose answers leave in one piece.

What a client may make a process hold is bounded before it is held, and whatever the process waits
for is waited for until a deadline:

    ``waiting``    for a request, of which nothing has come      closed in silence
    ``head``       for the rest of a request's head              408
    ``body``       for the rest of a request's body              closed; endpoints answer 408 before
    ``answering``  for our own answer                            none: the client has done its part
    ``shut``       for the client to close; the rest is dropped  closed by force

A head is the request line and the headers. Data are given to the parser in slices, since it keeps a
header until that is complete; trailers and the extensions of chunks count as body, and are dropped.
A client that does not read its answers is closed, too. Where all places are taken, the connections
that would be closed soonest give theirs up: whoever only waits can't keep others out.

There is no bound for each address: behind a proxy all connections have the address of the proxy.

uvicorn writes the head of an answer and its body apart: two calls of the system and two packets,
which for short answers cost more than what they carry.
"""

from __future__ import annotations

import asyncio
import heapq
import ipaddress
import logging
import math
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["CONNECTIONS", "MAX_BODY_ON_THE_WIRE", "HttpConnection", "http_connections"]

CONNECTIONS: Final = 1000
"""How many connections a process holds, unless it is configured otherwise."""

MAX_TARGET: Final = 24 * 1024
MAX_HEAD: Final = 32 * 1024
MAX_HEADERS: Final = 100
MAX_BODY_ON_THE_WIRE: Final = 1024 * 1024
"""The bytes of a body, with what chunks carry of their own: more than any endpoint takes."""
MAX_BODY_HELD: Final = 512 * 1024
MAX_UNANSWERED: Final = 32
SLICE: Final = 8 * 1024

WAITING_SECONDS: Final = 10
HEAD_SECONDS: Final = 10
BODY_SECONDS: Final = 20
UNREAD_SECONDS: Final = 30
# A connection that is closed while data arrive is reset, and the client may never see why.
SHUT_SECONDS: Final = 2
SHUT_BYTES: Final = 1024 * 1024

# With this begins an IPv4 address that is written as one of IPv6 (RFC 4291 section 2.5.5.2).
MAPPED: Final = "::ffff:"

CHECK_SECONDS: Final = 1
FULL_LOGGED_SECONDS: Final = 60
MOST_GATHERED: Final = 64 * 1024

_log = logging.getLogger("carnet.http_connections")


class _Refusal(NamedTuple):
    """What a request is answered that no endpoint sees."""

    status: bytes
    text: bytes


MALFORMED: Final = _Refusal(b"400 Bad Request", b"this is not a well-formed HTTP request")
TOO_SLOW: Final = _Refusal(b"408 Request Timeout", b"the request took too long to arrive")
BODY_TOO_LONG: Final = _Refusal(b"413 Content Too Large", b"the body is too long")
TARGET_TOO_LONG: Final = _Refusal(
    b"414 URI Too Long", b"the address is longer than %d bytes" % MAX_TARGET
)
HEAD_TOO_LONG: Final = _Refusal(
    b"431 Request Header Fields Too Large",
    b"the request line and the headers are more than %d bytes, or more than %d headers"
    % (MAX_HEAD, MAX_HEADERS),
)
FULL: Final = _Refusal(
    b"503 Service Unavailable", b"there are too many connections; try again shortly"
)


class _Phase(Enum):
    WAITING = "waiting"
    HEAD = "head"
    BODY = "body"
    ANSWERING = "answering"
    SHUT = "shut"


class _Refused(Exception):
    """Stops the parser."""


class _Places:
    """The connections that a process may hold, and the round that ends what is overdue.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[HttpConnection] = set()
        self._round: asyncio.TimerHandle | None = None
        self._full_logged_at = -math.inf

    def take(self, connection: HttpConnection) -> bool:
        """Take a place, and tell whether there is one."""
        if len(self._taken) >= self._most and not self._make_room():
            now = connection.loop.time()
            # Whoever opens many connections shall not fill the log, too.
            if now - self._full_logged_at >= FULL_LOGGED_SECONDS:
                self._full_logged_at = now
                _log.warning("all %d connections are taken: others get 503", self._most)
            return False
        self._taken.add(connection)
        if self._round is None:
            self._round = connection.loop.call_later(CHECK_SECONDS, self._check, connection.loop)
        return True

    def give_up(self, connection: HttpConnection) -> None:
        """Give a place up; also one that was never taken."""
        self._taken.discard(connection)

    def _make_room(self) -> bool:
        waiting = [one for one in self._taken if one.deadline < math.inf]
        # Several at once, so that looking through all of them is not done for each newcomer.
        for one in heapq.nsmallest(1 + self._most // 16, waiting, key=lambda one: one.deadline):
            self._taken.discard(one)
            one.transport.abort()
        return bool(waiting)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._taken):
            connection.check(now)
        self._round = loop.call_later(CHECK_SECONDS, self._check, loop) if self._taken else None


class HttpConnection(HttpToolsProtocol):
    """uvicorn's protocol, with bounds, on a transport that gathers what it writes.

    Attributes:
        places: of which each connection takes one.
        most_body: the bytes that a body may take on the wire.
        deadline: when the client must have done what is waited for, in the loop's time.
    """

    places: ClassVar[_Places]
    most_body: ClassVar[int] = MAX_BODY_ON_THE_WIRE

    def connection_made(self, transport: Any) -> None:
        """Begin with a new connection, or turn it away."""
        self._out = _Gathering(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", self._out))
        self.client = _peer(self.client)
        self._phase = _Phase.WAITING
        self.deadline = self.loop.time() + WAITING_SECONDS
        self._unread_since: float | None = None
        self._verdict = MALFORMED
        self._messages = 0
        self._messages_before = 0
        self._length = 0
        if not self.places.take(self):
            self._shut(FULL)
            self._out.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End with a connection."""
        self.places.give_up(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what a client has sent."""
        if len(data) <= SLICE:
            self._feed(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), SLICE):
            self._feed(view[start : start + SLICE])

    def _feed(self, data: bytes | memoryview) -> None:
        if self._phase is _Phase.SHUT:
            self._length += len(data)
            if self._length > SHUT_BYTES:
                self._out.abort()
            return
        self._unset_keepalive_if_required()
        self._messages_before = self._messages
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # There is no protocol to change to; what follows can't be told from a request.
            self._refuse(MALFORMED)
            return
        except httptools.HttpParserError:
            self._refuse(self._verdict)
            return
        if self._messages_before == self._messages:
            self._length += len(data)
        if self._phase is _Phase.HEAD:
            if len(self.url) > MAX_TARGET:
                self._refuse(TARGET_TOO_LONG)
            elif self._length > MAX_HEAD or len(self.headers) > MAX_HEADERS:
                self._refuse(HEAD_TOO_LONG)
        elif self._phase is _Phase.BODY and (
            self._length > self.most_body or len(self.cycle.body) > MAX_BODY_HELD
        ):
            self._refuse(BODY_TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin with a request's head."""
        super().on_message_begin()
        self._messages += 1
        self._length = 0
        self._phase = _Phase.HEAD
        self.deadline = self.loop.time() + HEAD_SECONDS

    def on_headers_complete(self) -> None:
        """Check a request's head, and begin to answer it."""
        if len(self.url) > MAX_TARGET:
            self._stop(TARGET_TOO_LONG)
        # An address is ASCII (RFC 3986 section 2); readers of other bytes differ.
        if not self.url.isascii():
            self._stop(MALFORMED)
        # One address cannot be that of two hosts, nor of none (RFC 9112 section 3.2).
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._stop(MALFORMED)
        # A head that came in one slice is short enough.
        if len(self.headers) > MAX_HEADERS or (
            self._messages_before == self._messages and self._head_length() > MAX_HEAD
        ):
            self._stop(HEAD_TOO_LONG)
        if len(self.pipeline) >= MAX_UNANSWERED:
            # Whoever sends requests ahead of the answers repeats what is not answered
            # (RFC 9112 section 9.3.2).
            self._stop(MALFORMED)
        super().on_headers_complete()
        # Trailers would be taken for headers of the request that is being answered.
        self.headers = []
        self._length = 0
        self._phase = _Phase.BODY
        self.deadline = self.loop.time() + BODY_SECONDS

    def on_message_complete(self) -> None:
        """End with a request's body."""
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait()
        else:
            self._phase = _Phase.ANSWERING
            self.deadline = math.inf

    def on_response_complete(self) -> None:
        """Wait for the next request, where all are answered."""
        super().on_response_complete()
        if self._phase is _Phase.ANSWERING and self.cycle.response_complete:
            self._wait()

    def resume_writing(self) -> None:
        """Go on with an answer: the client reads it."""
        self._unread_since = None
        super().resume_writing()

    def check(self, now: float) -> None:
        """Close the connection, where the client has not done in time what is waited for."""
        if not self._out.unread():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > UNREAD_SECONDS:
            self._out.abort()
            return
        if now < self.deadline:
            return
        if self._phase is _Phase.HEAD:
            self._refuse(TOO_SLOW)
        elif self._phase is _Phase.SHUT:
            self._out.abort()
        else:
            self._out.close()

    def _wait(self) -> None:
        self._phase = _Phase.WAITING
        self.deadline = self.loop.time() + WAITING_SECONDS

    def _head_length(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _stop(self, verdict: _Refusal) -> None:
        self._verdict = verdict
        raise _Refused

    def _refuse(self, refusal: _Refusal) -> None:
        """Refuse what has come, and everything after it.

        The answers to requests before it are finished; in the midst of them it can't be told.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._shut(refusal)
        elif self._phase is not _Phase.BODY or self.pipeline or cycle.response_started:
            cycle.keep_alive = False
            self._shut(None)
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self._shut(refusal)

    def _shut(self, refusal: _Refusal | None) -> None:
        self._phase = _Phase.SHUT
        self._length = 0
        if refusal is None:
            self.deadline = math.inf
            return
        self.deadline = self.loop.time() + SHUT_SECONDS
        body = b'{"error":"invalid_request","error_description":"%s"}' % refusal.text
        self._out.write(
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"cache-control: no-store\r\nconnection: close\r\n\r\n%s"
            % (refusal.status, len(body), body)
        )
        self._out.write_eof()


def _peer(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """Give a peer's address and port; one of IPv4 as such, also on a socket that takes both."""
    if client is None or not client[0].startswith(MAPPED):
        return client
    mapped = ipaddress.IPv6Address(client[0]).ipv4_mapped
    return client if mapped is None else (str(mapped), client[1])


class _Gathering:
    """A transport that writes once in each turn of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._gathered = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered += data
        # The transport is what tells a long answer to wait for a slow reader.
        if len(self._gathered) > MOST_GATHERED:
            self._flush()

    def write_eof(self) -> None:
        self._flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def unread(self) -> bool:
        return bool(self._transport.get_write_buffer_size())

    def _flush(self) -> None:
        if self._gathered and not self._transport.is_closing():
            self._transport.write(bytes(self._gathered))
        self._gathered.clear()


def http_connections(
    most: int = CONNECTIONS, most_body: int = MAX_BODY_ON_THE_WIRE
) -> type[HttpConnection]:
    """Give the protocol of a server that holds a number of connections at most.

    Args:
        most: how many; where all are taken, those give way that are only waited for.
        most_body: the bytes that a body may take on the wire.
    """

    class Connection(HttpConnection):
        places = _Places(most)

    Connection.most_body = most_body
    return Connection
