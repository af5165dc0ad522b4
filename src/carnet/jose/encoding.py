"""Base64url and JSON, each in its one strict form.

Two texts that decode to the same value are a way around whatever compares texts (caches, deny
lists, logs), so one value has one base64url text here (RFC 7515 section 2), and a JSON object has
each name once (RFC 7515 section 4, RFC 7519 section 4).

The fast paths for JSON: if an object has one member more than its text has commas, or if encoding
what was decoded gives back the very same bytes, no name can have stood twice. Only other texts pay
for the slow check.
"""

from __future__ import annotations

import json
import re
from binascii import Error as _Base64Error
from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from carnet.errors import InvalidToken

__all__ = [
    "MAX_DEPTH",
    "b64url_decode",
    "b64url_encode",
    "b64url_encode_bytes",
    "decode_claims",
    "json_decode",
    "json_encode",
]

MAX_DEPTH = 32
"""How deeply JSON arrays and objects may be nested."""

_TO_URL = bytes.maketrans(b"+/", b"-_")
# The characters of the other alphabet, of padding and of JSON strings become one that the decoder
# refuses.
_TO_STRING = bytes.maketrans(b'-_+/="\\', b"+/!!!!!")
_STRINGS = (b'"%b"', b'"%b!"', b'"%b=="', b'"%b="')
_CANONICAL_END: tuple[frozenset[int], ...] = (
    frozenset(range(256)) - {ord("=")},
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)

_LIST = ord("[")

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
# The fastest strict decoder of base64 at hand: a JSON string into bytes.
_decode_string = msgspec.json.Decoder(bytes).decode

# A text, or one bracket. A text that is not closed is taken to its end all the same: were it passed
# over, each of its quotes would be tried as the beginning of another, in quadratic time.
_MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def b64url_encode(data: bytes) -> str:
    """Encode bytes as base64url without padding (RFC 7515 section 2)."""
    return b64url_encode_bytes(data).decode("ascii")


def b64url_encode_bytes(data: bytes) -> bytes:
    """Encode bytes as base64url without padding, into bytes (RFC 7515 section 2)."""
    return b2a_base64(data).translate(_TO_URL).rstrip(b"=\n")


def b64url_decode(text: str | bytes, what: str = "the text") -> bytes:
    """Decode base64url, accepting only the one canonical form (RFC 7515 section 2).

    Args:
        text: base64url characters without padding, white space or unused bits set.
        what: what the text is, for the error.

    Raises:
        InvalidToken: ``malformed``.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
        over = len(raw) & 3
        if over and raw[-1] not in _CANONICAL_END[over]:
            raise _Base64Error
        return _decode_string(_STRINGS[over] % raw.translate(_TO_STRING))
    except (ValueError, TypeError, msgspec.MsgspecError):
        raise InvalidToken(
            f"{what} is not base64url", code="malformed", expected="canonical unpadded base64url"
        ) from None


def decode_claims(segment: bytes) -> tuple[bytes, dict[str, Any]]:
    """Decode the payload of a JWT: base64url of a JSON object, each in its one strict form.

    The quick way to be strict (the line "HS256" of the benchmark ``library``): an object has at
    most one member more than its text has commas. If it came out with as many, none was lost,
    neither of its own nor of an object within, which would have commas of its own. What encodes to
    the very same bytes again had no name twice either. Whatever is doubtful takes the slow way,
    which says what is wrong.

    Args:
        segment: the payload as it stands in the token.

    Returns:
        The payload's bytes, and the object.

    Raises:
        InvalidToken: ``malformed``.
    """
    try:
        over = len(segment) & 3
        # JSON in ASCII hardly ever has the two characters in which the alphabets differ.
        text = segment if segment.isalnum() else segment.translate(_TO_STRING)
        payload = _decode_string(_STRINGS[over] % text)
        claims = _decode_object(payload)
        if (
            (payload.count(b",") + 1 == len(claims) or _encode(claims) == payload)
            and segment[-1] in _CANONICAL_END[over]
            and (
                (payload.rfind(b"{") == 0 and _LIST not in payload)
                or payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH
            )
        ):
            return payload, claims
    except (ValueError, RecursionError, msgspec.MsgspecError):
        pass
    payload = b64url_decode(segment, "the payload")
    return payload, json_decode(payload, "the payload")


def json_encode(value: Any) -> bytes:
    """Encode a value as compact JSON in UTF-8.

    Raises:
        InvalidToken: ``claim_invalid`` where the value has no JSON form.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        raise InvalidToken(
            "the value has no JSON form",
            code="claim_invalid",
            expected="text, numbers, booleans, null, lists and objects with text names",
        ) from None


def json_decode(data: bytes, what: str = "the text", code: str = "malformed") -> dict[str, Any]:
    """Decode a JSON object, refusing duplicate names, a BOM, NaN and deep nesting.

    Args:
        data: UTF-8 JSON text.
        what: what the text is, for the error.
        code: the error's code.

    Raises:
        InvalidToken: with ``code``.
    """
    try:
        if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
            check_depth(data)
        value = _decode_object(data)
        if data.count(b",") + 1 != len(value) and _encode(value) != data:
            check_names(data)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        _refuse(what, code)
    return value


def check_depth(data: bytes) -> None:
    """Raise ValueError if a JSON text nests more than ``MAX_DEPTH`` deep, in one pass over it."""
    depth = 0
    for mark in _MARKS.finditer(data):
        byte = mark[0]
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError
        elif byte in b"]}":
            depth -= 1


def check_names(data: bytes) -> None:
    """Raise ValueError if an object of a JSON text has a name twice."""
    json.loads(data, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _refuse(what: str, code: str) -> NoReturn:
    raise InvalidToken(
        f"{what} is not a JSON object in strict form",
        code=code,
        expected="UTF-8 JSON without BOM, each name once, nested at most 32 deep",
    ) from None
