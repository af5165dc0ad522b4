"""What a browser keeps for the service between two requests: readable, but not to be changed.

Nothing is stored for it, so whoever begins many costs nothing; what may happen only once is written
down when it happens.
"""

from __future__ import annotations

import hmac
from typing import TypeVar

import msgspec

from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.clock import SECOND
from carnet.server.service import Service

__all__ = ["read_state", "write_state"]

T = TypeVar("T", bound=msgspec.Struct)


def write_state(service: Service, content: msgspec.Struct, seconds: int) -> str:
    """Sign something for a while.

    Args:
        service: whose pepper signs.
        content: what is kept; its type is signed with it, so that it counts for no other purpose.
        seconds: how long it is good for.
    """
    until = service.clock() + seconds * SECOND
    body = b64url_encode(msgspec.json.encode((until, content)))
    return f"{body}.{_mac(service, service.keys.pepper_id, type(content), body)}"


def read_state(service: Service, text: str, kind: type[T]) -> T | None:
    """Read what ``write_state`` has signed; None where it is something else, or too old."""
    body, _, given = text.partition(".")
    if not any(
        hmac.compare_digest(_mac(service, number, kind, body).encode(), given.encode())
        for number in service.keys.peppers
    ):
        return None
    try:
        said = b64url_decode(body, "the state")
        until, raw = msgspec.json.decode(said, type=tuple[int, msgspec.Raw])
        content = msgspec.json.decode(raw, type=kind)
    except (InvalidToken, msgspec.MsgspecError):
        # An earlier version has signed it.
        return None
    return content if service.clock() < until else None


def _mac(service: Service, pepper_id: int, kind: type[msgspec.Struct], body: str) -> str:
    key = hmac.digest(service.keys.peppers[pepper_id], b"carnet state", "sha256")
    said = f"{kind.__name__} {body}".encode("utf-8", "surrogatepass")
    return b64url_encode(hmac.digest(key, said, "sha256"))
