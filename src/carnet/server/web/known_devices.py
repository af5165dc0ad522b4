"""The browsers that an account has signed in with, known by a cookie.

The cookie lets nobody in: with it, an attempt to sign in is counted apart from those of strangers,
who could use up everybody's allowance otherwise (OWASP, "Slow down online guessing attacks with
device cookies"). It holds a name for the browser and a MAC over that and the account, for each of
the few accounts that have signed in with it last; nothing about them can be read from it.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.accounts.usernames import canonical_username
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.web.own_cookies import held_cookie, set_own_cookie

__all__ = ["MOST", "known_device", "remember_device"]

COOKIE: Final = "carnet-device"
LIFETIME_SECONDS: Final = 90 * 86_400
MOST: Final = 4

_ENTRY: Final = struct.Struct(">Q12s16s")


class _Entry(NamedTuple):
    """What a cookie says of one account: until when, which browser, and the MAC."""

    expires_at: int
    device: bytes
    mac: bytes


def known_device(request: Request, username: str) -> str:
    """Give the name of the browser that sends a request, if the account has signed in with it.

    Args:
        request: the request.
        username: as it was typed.

    Returns:
        The name, or "" for a browser that the account is not known to have used.
    """
    service: Service = request.app.state.service
    found = _own(service, _entries(request), username)
    return "" if found is None else found.device.hex()


def remember_device(request: Request, response: Response, username: str) -> None:
    """Write down with the browser that an account has signed in with it just now."""
    service: Service = request.app.state.service
    entries = _entries(request)
    before = _own(service, entries, username)
    device = secrets.token_bytes(12) if before is None else before.device
    expires_at = service.clock() // SECOND + LIFETIME_SECONDS
    mac = _mac(service, service.keys.pepper_id, expires_at, device, username)
    kept = [entry for entry in entries if entry is not before]
    written = [_ENTRY.pack(*entry) for entry in (_Entry(expires_at, device, mac), *kept)]
    value = ".".join(b64url_encode(entry) for entry in written[:MOST])
    set_own_cookie(request, response, COOKIE, value, LIFETIME_SECONDS, "strict")


def _entries(request: Request) -> list[_Entry]:
    text = held_cookie(request, COOKIE)
    try:
        parts = [b64url_decode(part, "the cookie") for part in text.split(".", MOST)[:MOST] if part]
        return [_Entry(*_ENTRY.unpack(part)) for part in parts]
    except (InvalidToken, struct.error):
        return []


def _own(service: Service, entries: list[_Entry], username: str) -> _Entry | None:
    """Find the entry that the service has made for an account, and that is not too old."""
    now = service.clock() // SECOND
    for entry in entries:
        for pepper_id in service.keys.peppers:
            mac = _mac(service, pepper_id, entry.expires_at, entry.device, username)
            if hmac.compare_digest(mac, entry.mac) and now < entry.expires_at:
                return entry
    return None


def _mac(service: Service, pepper_id: int, expires_at: int, device: bytes, username: str) -> bytes:
    key = hmac.digest(service.keys.peppers[pepper_id], b"carnet device", "sha256")
    name = canonical_username(username).encode("utf-8", "surrogatepass")
    said = struct.pack(">Q12s", expires_at, device) + name
    return hmac.digest(key, said, "sha256")[:16]
