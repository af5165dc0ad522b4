"""Reading requests strictly, and answering them (RFC 6749 sections 3.2, 5.1 and 5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from carnet.errors import CarnetError, InvalidToken
from carnet.jose.encoding import json_decode, json_encode

__all__ = ["NO_STORE", "RequestRefused", "answer", "read_form", "read_json", "refusal"]

T = TypeVar("T")

MAX_BODY: Final = 64 * 1024
MAX_PARAMETERS: Final = 32
BODY_SECONDS: Final = 10

NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class RequestRefused(CarnetError):
    """A request is answered with an OAuth error.

    Args:
        error: the OAuth error code.
        description: for the developer of the client; printable ASCII without quotes.
        status: the HTTP status.
        headers: more headers of the answer.
    """

    def __init__(
        self,
        error: str,
        description: str,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description, code=error)
        self.status = status
        self.headers = {**NO_STORE, **(headers or {})}


def answer(content: Any, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response:
    """Answer with JSON; never stored by anyone, unless other headers say so."""
    return Response(json_encode(content), status, headers, media_type="application/json")


def refusal(error: RequestRefused) -> Response:
    """Answer with an OAuth error (RFC 6749 section 5.2)."""
    content = {"error": error.code, "error_description": str(error)}
    return answer(content, error.status, error.headers)


async def read_form(request: Request) -> dict[str, str]:
    """Read a form of which every parameter is given once (RFC 6749 section 3.2).

    Raises:
        RequestRefused: ``invalid_request``.
    """
    body = await _read_body(request, "application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise RequestRefused("invalid_request", "the body is not a well-formed form") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise RequestRefused("invalid_request", "a parameter is given more than once")
    # A parameter without a value counts as not given (RFC 6749 section 3.2).
    return {name: value for name, value in form.items() if value}


async def read_json(request: Request, kind: type[T]) -> T:
    """Read a JSON object into a type.

    Raises:
        RequestRefused: ``invalid_request``, naming the member at fault.
    """
    body = await _read_body(request, "application/json")
    try:
        return msgspec.convert(json_decode(body, "the body"), kind)
    except InvalidToken:
        raise RequestRefused(
            "invalid_request", "the body is not a JSON object with each name once"
        ) from None
    except msgspec.ValidationError as error:
        raise RequestRefused("invalid_request", str(error).replace('"', "'")) from None


async def _read_body(request: Request, media_type: str) -> bytes:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:
        raise RequestRefused("invalid_request", f"the Content-Type must be {media_type}", 415)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise RequestRefused(
                        "invalid_request",
                        f"the body is longer than {MAX_BODY} bytes",
                        413,
                    )
    except TimeoutError:
        raise RequestRefused(
            "invalid_request",
            "the body took too long to arrive",
            408,
            {"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise RequestRefused("invalid_request", "the request ended early") from None
    return bytes(body)
