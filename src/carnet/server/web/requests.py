"""Reading requests strictly, and answering them (RFC 6749 sections 3.2, 5.1 and 5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Scope

from carnet.errors import CarnetError, InvalidToken
from carnet.jose.encoding import json_decode, json_encode

__all__ = [
    "NO_STORE",
    "RequestRefused",
    "answer",
    "decoded",
    "has_form",
    "header_values",
    "last_values",
    "read_body",
    "read_form",
    "read_json",
    "refusal",
]

T = TypeVar("T")

Receiving: TypeAlias = Coroutine[Any, Any, Message]

MAX_BODY: Final = 64 * 1024
MAX_PARAMETERS: Final = 32
BODY_SECONDS: Final = 10

MORE: Final[Message] = {"type": "http.request", "more_body": True}

LAST: Final = "carnet.last_values"

FORM: Final = "application/x-www-form-urlencoded"
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]


_RAW_NO_STORE: Final = _raw(NO_STORE)


class RequestRefused(CarnetError):
    """A request is answered with an OAuth error.

    Args:
        error: the OAuth error code.
        description: for the developer of the client; printable ASCII without quotes.
        status: the HTTP status.
        headers: more headers of the answer.
        details: more members of the answer.
    """

    def __init__(
        self,
        error: str,
        description: str,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description, code=error)
        self.status = status
        self.headers = {**NO_STORE, **(headers or {})}
        self.details = details or {}


class _JsonAnswer(Response):
    """What Starlette would make of a body and headers that need none of its looking at.

    It is here for the line "client credentials" of the benchmark ``sessions`` (docs/speed.md).
    """

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *(_RAW_NO_STORE if headers is NO_STORE else _raw(headers)),
        ]


def answer(content: Any, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response:
    """Answer with JSON; never stored by anyone, unless other headers say so."""
    return _JsonAnswer(json_encode(content), status, headers)


def refusal(error: RequestRefused) -> Response:
    """Answer with an OAuth error (RFC 6749 section 5.2)."""
    content = {"error": error.code, "error_description": str(error), **error.details}
    return answer(content, error.status, error.headers)


def header_values(request: Request, name: bytes) -> list[str]:
    """Give every value of a header, whose name is in lower case."""
    scope = request.scope
    last = scope[LAST] if LAST in scope else last_values(scope)
    # An answer asks for half a dozen headers, most of which are not there: the line "client
    # credentials" of the benchmark ``requests``.
    if name not in last:
        return []
    if len(last) == len(scope["headers"]):
        return [last[name].decode("latin-1")]
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def last_values(scope: Scope) -> dict[bytes, bytes]:
    """Give the last value of each header of a request; it is kept in the request's scope."""
    last: dict[bytes, bytes] = dict(scope["headers"])
    scope[LAST] = last
    return last


def has_form(request: Request) -> bool:
    """Tell whether the body is said to be a form."""
    return _media_type(header_values(request, b"content-type")) == FORM


async def read_form(request: Request) -> dict[str, str]:
    """Read a form of which every parameter is given once (RFC 6749 section 3.2).

    Raises:
        RequestRefused: ``invalid_request``.
    """
    body = await read_body(request, FORM)
    try:
        text = body.decode("ascii")
        if text.count("&") >= MAX_PARAMETERS:
            raise ValueError
        pairs = [pair.split("=", 1) for pair in text.split("&")] if text else []
        # Most have nothing to undo: the line "client credentials" of the benchmark ``requests``.
        if "%" in text or "+" in text:
            pairs = [[decoded(part) for part in pair] for pair in pairs]
        form = dict(pairs)
    except ValueError:
        raise RequestRefused("invalid_request", "the body is not a well-formed form") from None
    if len(form) != len(pairs):
        raise RequestRefused("invalid_request", "a parameter is given more than once")
    values = form.values()
    # No parameter means something by it, and no database holds it in a text.
    if "\0" in "".join(values):
        raise RequestRefused("invalid_request", "a parameter contains a zero byte")
    # A parameter without a value counts as not given (RFC 6749 section 3.2).
    return {name: value for name, value in form.items() if value} if "" in values else form


def decoded(text: str) -> str:
    """Undo form encoding.

    Raises:
        ValueError: if what comes out is not UTF-8.
    """
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


async def read_json(request: Request, kind: type[T]) -> T:
    """Read a JSON object into a type.

    Raises:
        RequestRefused: ``invalid_request``, naming the member at fault.
    """
    body = await read_body(request, "application/json")
    try:
        return msgspec.convert(json_decode(body, "the body"), kind)
    except InvalidToken:
        raise RequestRefused(
            "invalid_request", "the body must be a JSON object in which each name appears once"
        ) from None
    except msgspec.ValidationError as error:
        raise RequestRefused("invalid_request", str(error).replace('"', "'")) from None


async def read_body(request: Request, media_type: str, *others: str, most: int = MAX_BODY) -> bytes:
    """Read a body.

    Args:
        request: the request.
        media_type: what it has to be.
        others: what it may be instead.
        most: how many bytes it may have.

    Raises:
        RequestRefused: ``invalid_request``.
    """
    given = header_values(request, b"content-type")
    if given != [media_type] and _media_type(given) not in (media_type, *others):
        raise RequestRefused("invalid_request", f"the Content-Type must be {media_type}", 415)
    # A timer costs more than reading a body that is there already, as most are: the line "client
    # credentials" of the benchmark ``sessions`` (docs/speed.md).
    message = _at_once(request.receive())
    body = _part(message)
    if message.get("more_body", False):
        body += await _rest(request, most - len(body))
    if len(body) > most:
        raise RequestRefused("invalid_request", f"the body is longer than {most} bytes", 413)
    return body


def _media_type(values: list[str]) -> str:
    return values[0].partition(";")[0].strip().lower() if len(values) == 1 else ""


def _at_once(receiving: Awaitable[Message]) -> Message:
    """Give the message that is there already, or else one that says that more is to come."""
    coroutine: Receiving = receiving  # type: ignore[assignment]  # of Starlette's it is one
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    return MORE


async def _rest(request: Request, most: int) -> bytes:
    """Read what is still to come of a body, until it is longer than it may be."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more = True
            while more and len(body) <= most:
                message = await request.receive()
                body += _part(message)
                more = message.get("more_body", False)
    except TimeoutError:
        raise RequestRefused(
            "invalid_request",
            "the body took too long to arrive",
            408,
            {"Connection": "close"},
        ) from None
    return bytes(body)


def _part(message: Message) -> bytes:
    """Give what a message brings of a body."""
    if message["type"] == "http.disconnect":
        raise RequestRefused("invalid_request", "the request ended early")
    return message.get("body", b"")  # type: ignore[no-any-return]
