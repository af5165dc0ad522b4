"""MCP sessions that only their owner can continue.

An ``Mcp-Session-Id`` is made by the server behind, which knows nobody. Clients are given it sealed:
with a MAC over the id and the person, issuer and client of the token that it was made for. Nothing
is kept, so nobody can fill a table; the key lives as long as the process. What does not fit is
answered 404, as an unknown session is, and the client begins another.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any, Final

from carnet.jwt.claims import Claims
from carnet.mcp_proxy.asgi import App, Message, Receive, Scope, Send, answer, values_of

__all__ = ["SESSION_ID", "OwnSessions", "owner_of"]

SESSION_ID: Final = b"mcp-session-id"
SEAL_SIZE: Final = 43


def owner_of(claims: Claims) -> tuple[str, ...]:
    """Give whose a session is that is begun with a token."""
    return (str(claims.issuer), str(claims.subject), str(claims.client_id))


class OwnSessions:
    """Lets a session be continued only with a token like the one that it was begun with.

    Args:
        app: the server behind; ``scope["carnet.claims"]`` says who asks.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through with the server's own id of the session."""
        owner = owner_of(scope["carnet.claims"])
        given = values_of(scope["headers"], SESSION_ID)
        if given:
            session_id = self._opened(given[0], owner) if len(given) == 1 else None
            if session_id is None:
                await answer(
                    send, 404, "session_not_found", "there is no such session; begin a new one"
                )
                return
            others = [pair for pair in scope["headers"] if pair[0] != SESSION_ID]
            scope = {**scope, "headers": [*others, (SESSION_ID, session_id)]}

        async def send_sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[tuple[bytes, Any]] = [
                    (name, self._sealed(value, owner) if name.lower() == SESSION_ID else value)
                    for name, value in message.get("headers", ())
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_sealed)

    def _sealed(self, session_id: bytes, owner: tuple[str, ...]) -> bytes:
        return self._seal(session_id, owner) + b"." + session_id

    def _opened(self, sealed: bytes, owner: tuple[str, ...]) -> bytes | None:
        seal, session_id = sealed[:SEAL_SIZE], sealed[SEAL_SIZE + 1 :]
        fits = hmac.compare_digest(seal, self._seal(session_id, owner))
        return session_id if fits and sealed[SEAL_SIZE : SEAL_SIZE + 1] == b"." else None

    def _seal(self, session_id: bytes, owner: tuple[str, ...]) -> bytes:
        told = json.dumps([*owner, session_id.decode("latin-1")]).encode()
        return urlsafe_b64encode(hmac.digest(self._key, told, "sha256")).rstrip(b"=")
