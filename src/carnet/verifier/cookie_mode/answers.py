"""The ASGI side of cookie mode: reading requests, and answering them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from carnet.browser.headers import joined
from carnet.errors import InvalidToken
from carnet.jose.encoding import json_decode, json_encode

__all__ = [
    "App",
    "Receive",
    "Refused",
    "Scope",
    "Send",
    "answer",
    "headers_of",
    "kept_private",
    "read_credentials",
    "values_of",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY: Final = 16 * 1024

_SHARED = ("public", "s-maxage", "must-revalidate", "private", "no-store")


class Refused(Exception):
    """A request is answered by the middleware itself, with an error.

    Args:
        status: the HTTP status.
        code: a stable name of the error.
        description: what to do, in words.
        headers: more headers of the answer.
    """

    def __init__(
        self, status: int, code: str, description: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.content = {"error": code, "error_description": description}
        self.headers = headers or {}


async def read_credentials(receive: Receive) -> dict[str, str]:
    """Read the body of a sign-in.

    Raises:
        Refused: if it is no JSON object with a username and a password.
    """
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "invalid_request", "the request ended early")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            text = f"the body is longer than {MAX_BODY} bytes"
            raise Refused(413, "invalid_request", text)
    try:
        given = json_decode(bytes(body), "the body")
    except InvalidToken:
        given = {}
    if set(given) != {"username", "password"} or not all(
        isinstance(v, str) for v in given.values()
    ):
        text = "the body must be a JSON object with a username and a password"
        raise Refused(400, "invalid_request", text)
    return given


def values_of(scope: Scope, name: bytes) -> list[str]:
    """Give the values of a request's header, one for each time that it stands there."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def headers_of(scope: Scope) -> dict[str, str]:
    """Give a request's headers by their names in small letters; several of one name are joined."""
    return joined(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )


def kept_private(
    message: MutableMapping[str, Any], personal: bool, set_cookies: Iterable[str]
) -> list[tuple[bytes, bytes]]:
    """Give an answer its cookies, and keep shared caches from storing it.

    They leave alone what was asked for with an Authorization header (RFC 9111 section 3.5), but
    they have not seen that one.
    """
    headers = list(message.get("headers") or ())
    cookies = [(b"set-cookie", value.encode()) for value in set_cookies]
    if message["type"] == "websocket.accept":
        return headers + cookies
    control = b", ".join(value for name, value in headers if name.lower() == b"cache-control")
    if cookies:
        control = b"no-store"
    elif personal and not any(word in control.decode("latin-1").lower() for word in _SHARED):
        control = b", ".join(filter(None, (control, b"private")))
    kept = [pair for pair in headers if pair[0].lower() != b"cache-control"]
    return [*kept, *([(b"cache-control", control)] if control else []), *cookies]


async def answer(
    scope: Scope, send: Send, status: int, content: Any, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Answer a request, or a WebSocket's handshake, with JSON."""
    websocket = scope["type"] == "websocket"
    if websocket and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1013 if status == 503 else 1008})
        return
    kind = "websocket.http.response" if websocket else "http.response"
    body = json_encode(content)
    fixed = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    raw = [(name.lower().encode(), value.encode()) for name, value in (*fixed, *headers)]
    await send({"type": f"{kind}.start", "status": status, "headers": raw})
    head = scope.get("method") == "HEAD"
    await send({"type": f"{kind}.body", "body": b"" if head else body})
