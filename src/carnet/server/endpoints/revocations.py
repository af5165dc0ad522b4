"""Revocation: asked for by clients (RFC 7009), streamed to verifiers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from carnet.errors import InvalidToken
from carnet.server.metrics import READERS
from carnet.server.revocations.stream import Reader
from carnet.server.revocations.stream_places import StreamPlaces
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.requests import NO_STORE, RequestRefused, read_form

__all__ = ["revoke_token", "stream_revocations"]

STREAM = {
    "Cache-Control": "no-store",
    # A buffering proxy would hold back what must arrive within a moment.
    "X-Accel-Buffering": "no",
}
RETRY_SECONDS = 5


class _Stream(Response):
    """A stream that gives its place back when it ends, also before it has begun.

    Starlette's would take more tasks and generators for each of them: for the column "kB a stream"
    of the benchmark ``streams``.

    Args:
        first: the first event.
        following: gives the others.
        reader: whoever gets them.
        places: of which it has one.
        address: for which it has it.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        first: bytes,
        following: AsyncGenerator[bytes, None],
        reader: Reader,
        places: StreamPlaces,
        address: str,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(STREAM)
        self._first = first
        self._following = following
        self._reader = reader
        self._places = places
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        READERS.inc()
        watching = asyncio.create_task(_leave_with(receive, self._reader))
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            await send(_part(self._first))
            with suppress(StoreUnavailable):
                # The stream ends; whoever reads it connects anew and is told.
                async for event in self._following:
                    await send(_part(event))
            await send(_part(b"", more=False))
        finally:
            # What waits comes last: a second cancellation may end it.
            watching.cancel()
            self._places.give_back(self._address)
            READERS.dec()
            await self._following.aclose()


def _part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _leave_with(receive: Receive, reader: Reader) -> None:
    """End a reader's stream when its client has gone, or can't be watched any longer."""
    try:
        while (await receive())["type"] != "http.disconnect":
            continue
    finally:
        reader.leave()


async def stream_revocations(request: Request) -> Response:
    """Give the revocations as server-sent events, without end."""
    service: Service = request.app.state.service
    text = request.headers.get("last-event-id")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RequestRefused("invalid_request", "Last-Event-ID must be the id of an event")

    if service.background.stopping:
        raise RequestRefused(
            "temporarily_unavailable",
            "the service is stopping; connect again",
            503,
            {"Retry-After": "1"},
        )
    reader = Reader()
    events = service.revocation_stream.read(None if text is None else int(text), reader)
    # Where the database does not answer, this says so, and no stream begins.
    first = await anext(events)
    places, address = service.revocation_stream.places, origin_of(request).address
    if not places.take(address):
        await events.aclose()
        raise RequestRefused(
            "temporarily_unavailable",
            "too many revocation streams are open, in all or from your address; close some, or "
            "try again later",
            503,
            {"Retry-After": str(RETRY_SECONDS)},
        )
    return _Stream(first, events, reader, places, address)


async def revoke_token(request: Request) -> Response:
    """Refuse a token from now on, and with a refresh token its whole session (RFC 7009).

    A token that is not good, or another client's, is answered alike: nothing is done, and nothing
    is told (section 2.2).
    """
    service: Service = request.app.state.service
    form = await read_form(request)
    client = await authenticate(request, form)
    token = form.get("token")
    if token is None:
        raise RequestRefused("invalid_request", "the parameter token is missing")
    origin = origin_of(request)
    try:
        claims = service.access_tokens.verify(token)
    except InvalidToken:
        await service.sessions.end_by_refresh_token(token, "revoked", origin, client.id)
        return Response(status_code=200, headers=NO_STORE)
    if claims.client_id == client.id:
        await service.sessions.revoke_token(claims["jti"], claims.session_id, origin)
    return Response(status_code=200, headers=NO_STORE)
