"""What the serializations of JWS and JWE share: bounds, segments, documents and their headers.

A document may name several signatures or recipients, and each may fit several keys. What reading
one may cost is therefore counted for the whole of it, in a ``Budget``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from carnet.errors import InvalidToken
from carnet.jose.arguments import BytesLike, bytes_of, check_count
from carnet.jose.encoding import b64url_decode, b64url_encode_bytes, json_decode, json_encode
from carnet.jose.header import MAX_HEADER, check_crit, check_header, invalid

__all__ = [
    "MAX_ENTRIES",
    "MAX_TOKEN",
    "Budget",
    "encode_header",
    "entries_of",
    "join_headers",
    "plain_header",
    "read_document",
    "read_header",
    "read_protected",
    "segments",
    "text_member",
    "token_bytes",
]

MAX_TOKEN = 1024 * 1024
"""Characters that a token may have unless the caller says otherwise."""

MAX_ENTRIES = 16
"""Signatures or recipients that a document may have."""


class Budget:
    """What reading one token may cost, whatever it holds.

    Args:
        tries: how often a key may be tried.
        iterations: how often a password may be hashed, over all tries together.
    """

    __slots__ = ("_iterations", "_tries")

    def __init__(self, tries: int, iterations: int = 0) -> None:
        self._tries = tries
        self._iterations = iterations

    def spend(self, iterations: int = 0) -> None:
        """Pay for one more try of a key.

        Raises:
            InvalidToken: ``too_costly`` where nothing is left.
        """
        self._tries -= 1
        self._iterations -= iterations
        if self._tries < 0 or self._iterations < 0:
            raise InvalidToken(
                "the token needs more operations than allowed for one token",
                code="too_costly",
                expected="fewer signatures, recipients or iterations, or a 'kid' with each",
            )


def token_bytes(token: str | BytesLike, max_size: int) -> bytes:
    """Bound a token's size and give it as ASCII bytes, before anything looks inside."""
    check_count(max_size, "max_size", "characters", 1)
    given = token if isinstance(token, str) else bytes_of(token)
    if given is None:
        raise InvalidToken("a token must be text", code="malformed", expected="str or bytes")
    if len(given) > max_size:
        raise InvalidToken(
            "the token is too large",
            code="too_large",
            expected=f"at most {max_size} characters",
        )
    try:
        return given.encode("ascii") if isinstance(given, str) else given
    except UnicodeEncodeError:
        raise InvalidToken("the token is not ASCII", code="malformed") from None


def segments(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Split a compact JWS into header, payload and signature text."""
    head, _, rest = raw.partition(b".")
    body, dot, signature = rest.rpartition(b".")
    if not dot or not head or not signature or b"." in body:
        raise InvalidToken(
            "the token is not a compact JWS",
            code="malformed",
            expected="three parts, header.payload.signature",
        )
    return head, body, signature


def read_header(segment: bytes) -> dict[str, Any]:
    """Decode and check a protected header.

    Args:
        segment: base64url of at most 8 KiB.

    Raises:
        InvalidToken: ``malformed``, ``too_large`` or ``header_invalid``.
    """
    header = _decode_header(segment)
    check_header(header)
    return header


def encode_header(
    protected: Mapping[str, Any], understood: Collection[str]
) -> tuple[dict[str, Any], bytes]:
    """Encode a protected header, and read it back as whoever gets the token does.

    Raises:
        InvalidToken: if it could not be read back.
    """
    head = b64url_encode_bytes(json_encode(protected))
    header = _decode_header(head)
    check_crit(header, understood)
    return header, head


def plain_header(header: Mapping[str, Any]) -> dict[str, Any]:
    """Give an unprotected header as it is after its way through JSON.

    Raises:
        InvalidToken: if it has no JSON form that could be read back.
    """
    return json_decode(json_encode(dict(header)), "the header")


def read_protected(head: bytes, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Decode a protected header in JSON form, which is left out where it is empty."""
    if not head:
        if "protected" in entry:
            raise invalid("protected", "to be left out where it is empty")
        return {}
    return _decode_header(head)


def _decode_header(segment: bytes) -> dict[str, Any]:
    if len(segment) > MAX_HEADER:
        raise InvalidToken(
            "the header is too large", code="too_large", expected=f"at most {MAX_HEADER} characters"
        )
    return json_decode(b64url_decode(segment, "the header"), "the header")


def read_document(
    document: Mapping[str, Any] | str | BytesLike, max_size: int
) -> Mapping[str, Any]:
    """Bound and decode a token in JSON form."""
    check_count(max_size, "max_size", "bytes", 1)
    if isinstance(document, Mapping):
        return document
    given = document if isinstance(document, str) else bytes_of(document)
    if given is None:
        raise InvalidToken("the document must be a mapping or JSON text", code="malformed")
    if len(given) > max_size:
        raise InvalidToken(
            "the document is too large", code="too_large", expected=f"at most {max_size} bytes"
        )
    try:
        raw = given.encode() if isinstance(given, str) else given
    except UnicodeEncodeError:
        raise InvalidToken("the document is not UTF-8", code="malformed") from None
    return json_decode(raw, "the document")


def entries_of(
    document: Mapping[str, Any], plural: str, mark: str, members: Collection[str]
) -> list[Mapping[str, Any]]:
    """Give the signatures or recipients of a general or flattened document."""
    if plural not in document:
        return [document]
    entries = document[plural]
    if (
        not isinstance(entries, list)
        or not 0 < len(entries) <= MAX_ENTRIES
        or not all(isinstance(entry, Mapping) for entry in entries)
        or any(name in document for name in (mark, *members))
    ):
        raise InvalidToken(
            f"the '{plural}' are not a list of objects of the general form alone",
            code="malformed",
            claim=plural,
            expected=f"1 to {MAX_ENTRIES} objects, and nothing of the flattened form",
        )
    return entries


def text_member(document: Mapping[str, Any], name: str) -> bytes:
    """Give a text member of a document as bytes."""
    value = document.get(name)
    try:
        if isinstance(value, str):
            return value.encode()
    except UnicodeEncodeError:
        pass
    raise InvalidToken(
        f"the member '{name}' is not text", code="malformed", claim=name, expected="a text"
    )


def join_headers(*parts: object) -> dict[str, Any]:
    """Join the parts of a header, which must not share a name (RFC 7515 section 4)."""
    joined: dict[str, Any] = {}
    for part in parts:
        if part is None:
            continue
        if not isinstance(part, Mapping) or any(name in joined for name in part):
            raise InvalidToken(
                "the parts of the header are not objects with different names",
                code="header_invalid",
                claim="header",
                expected="each parameter once",
            )
        joined.update(part)
    return joined
