"""Revocation: asked for by clients (RFC 7009), streamed to verifiers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from carnet.errors import InvalidToken
from carnet.server.metrics import READERS
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


class _Stream(StreamingResponse):
    """A stream that gives its place back when it ends, also before it has begun."""

    def __init__(self, events: AsyncIterator[bytes], places: StreamPlaces, address: str) -> None:
        super().__init__(events, headers=STREAM, media_type="text/event-stream")
        self._places = places
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._places.give_back(self._address)


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
    stream = service.revocation_stream.read(None if text is None else int(text))
    # Where the database does not answer, this says so, and no stream begins.
    first = await anext(stream)

    async def events() -> AsyncIterator[bytes]:
        READERS.inc()
        try:
            async with aclosing(stream):
                yield first
                async for event in stream:
                    yield event
        except StoreUnavailable:
            # The stream ends; whoever reads it connects anew and is told.
            return
        finally:
            READERS.dec()

    places, address = service.revocation_stream.places, origin_of(request).address
    if not places.take(address):
        raise RequestRefused(
            "temporarily_unavailable",
            "too many revocation streams are open, in all or from your address; close some, or "
            "try again later",
            503,
            {"Retry-After": str(RETRY_SECONDS)},
        )
    return _Stream(events(), places, address)


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
