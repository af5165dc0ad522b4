"""Looking into a token without trusting it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from carnet.errors import InvalidToken
from carnet.jose.algorithms import ALGORITHMS
from carnet.jose.arguments import BytesLike, bytes_of
from carnet.jose.encoding import b64url_decode, json_decode
from carnet.jose.header import check_crit, check_header
from carnet.jose.serialization import MAX_TOKEN

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


def inspect(token: str | BytesLike) -> Inspection:
    """Say what a compact token says, as far as it can be read; it is not verified.

    Args:
        token: anything at all: what can't be read is listed in ``problems``. White space around it
            doesn't count, since tokens are pasted here.
    """
    given = token if isinstance(token, str) else bytes_of(token)
    if given is None:
        return Inspection("unknown", problems=["expected text"])
    if len(given) > MAX_TOKEN:
        return Inspection("unknown", problems=[f"longer than {MAX_TOKEN} characters"])
    problems: list[str] = []
    raw = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given
    parts = raw.strip().split(b".", 5)
    kind = {3: "JWS", 5: "JWE"}.get(len(parts), "unknown")
    if kind == "unknown":
        problems.append("expected 3 parts (signed) or 5 parts (encrypted) with dots between them")
    header = _object(parts[0], "the header", problems)
    if header is not None:
        _check_header(header, problems)
    if kind == "JWE" or len(parts) < 2:
        return Inspection(kind, header or {}, problems=problems)
    payload = _bytes(parts[1], "the payload", problems)
    signature = _bytes(parts[2], "the signature", problems) if len(parts) > 2 else b""
    if kind == "JWS" and not parts[2]:
        problems.append("there is no signature")
    claims = None if payload is None else _json(payload, "the payload", problems)
    return Inspection(kind, header or {}, claims, payload or b"", signature or b"", problems)


def _check_header(header: dict[str, Any], problems: list[str]) -> None:
    for check in (check_header, lambda header: check_crit(header, ("b64",))):
        try:
            check(header)
        except InvalidToken as error:
            problems.append(str(error))
    alg = header.get("alg")
    if isinstance(alg, str) and alg.lower() == "none":
        problems.append("the header's 'alg' says that the token is not signed")
    elif isinstance(alg, str) and alg not in ALGORITHMS:
        problems.append("the header's 'alg' is not an algorithm that is known here")
    brought = [name for name in ("jwk", "jku", "x5c", "x5u") if name in header]
    if brought:
        problems.append(f"a key inside the token is never used: {', '.join(brought)}")


def _bytes(part: bytes, what: str, problems: list[str]) -> bytes | None:
    try:
        return b64url_decode(part, what)
    except InvalidToken as error:
        problems.append(str(error))
        return None


def _json(data: bytes, what: str, problems: list[str]) -> dict[str, Any] | None:
    try:
        return json_decode(data, what)
    except InvalidToken as error:
        problems.append(str(error))
        return None


def _object(part: bytes, what: str, problems: list[str]) -> dict[str, Any] | None:
    data = _bytes(part, what, problems)
    return None if data is None else _json(data, what, problems)
