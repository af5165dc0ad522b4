"""What the parts of the proxy share: the types of ASGI, and how something is answered."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

__all__ = [
    "App",
    "Headers",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "answer",
    "token_of",
    "values_of",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]


async def answer(
    send: Send, status: int, code: str, description: str, headers: Headers = ()
) -> None:
    """Answer with an error in JSON.

    Args:
        send: as in ASGI.
        status: the HTTP status.
        code: why, as a stable name.
        description: the same for people, and what to do.
        headers: more headers of the answer.
    """
    content = {"error": code, "error_description": description, "code": code}
    body = json.dumps(content).encode()
    all_headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


def values_of(headers: Headers, name: bytes) -> list[bytes]:
    """Give the values of a header, one for each time that it stands there."""
    return [value for found, value in headers if found == name]


def token_of(headers: Headers) -> bytes:
    """Give the access token of a request that was accepted."""
    [value] = values_of(headers, b"authorization")
    return value.partition(b" ")[2].strip()
