"""Looking into a token without trusting it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_decode, json_decode
from carnet.jose.header import check_header
from carnet.jose.jws import MAX_TOKEN

__all__ = ["Inspection", "inspect"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a token says of itself. Nothing here is verified: it lets nobody in.

    Attributes:
        kind: ``JWS``, ``JWE`` or ``unknown``.
        header: the header, as far as it can be read.
        claims: the payload, where it is a JSON object.
        payload: the payload's bytes, of a JWS.
        signature: the signature's bytes, of a JWS.
        problems: what is wrong with its form, in words.
    """

    kind: str
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] | None = None
    payload: bytes = b""
    signature: bytes = b""
    problems: list[str] = field(default_factory=list)


def inspect(token: str | bytes) -> Inspection:
    """Say what a compact token says, as far as it can be read; it is not verified.

    Args:
        token: any text; what can't be read is told in ``problems``.
    """
    problems: list[str] = []
    raw = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else bytes(token)
    raw = raw.strip()
    if len(raw) > MAX_TOKEN:
        return Inspection("unknown", problems=[f"longer than {MAX_TOKEN} characters"])
    parts = raw.split(b".", 5)
    kind = {3: "JWS", 5: "JWE"}.get(len(parts), "unknown")
    if kind == "unknown":
        problems.append("expected 3 parts (signed) or 5 parts (encrypted) with dots between them")
    header = _json(parts[0], "the header", problems) or {}
    if header:
        try:
            check_header(header)
        except InvalidToken as error:
            problems.append(str(error))
    if kind == "JWE" or len(parts) < 2:
        return Inspection(kind, header, problems=problems)
    payload = _bytes(parts[1], "the payload", problems)
    signature = _bytes(parts[2], "the signature", problems) if len(parts) > 2 else b""
    if kind == "JWS" and not signature:
        problems.append("there is no signature")
    claims = None
    try:
        claims = json_decode(payload, "the payload")
    except InvalidToken as error:
        problems.append(str(error))
    return Inspection(kind, header, claims, payload, signature, problems)


def _bytes(part: bytes, what: str, problems: list[str]) -> bytes:
    try:
        return b64url_decode(part, what)
    except InvalidToken as error:
        problems.append(str(error))
        return b""


def _json(part: bytes, what: str, problems: list[str]) -> dict[str, Any] | None:
    try:
        return json_decode(b64url_decode(part, what), what)
    except InvalidToken as error:
        problems.append(str(error))
        return None
