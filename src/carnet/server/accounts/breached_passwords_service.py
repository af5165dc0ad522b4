"""Asking a service whether a password has been in a leak, without telling it the password.

It is told the first five hexadecimal digits of the SHA-1 hash, and gives the rest of each hash that
begins with them, with how often each was seen: some thousand candidates, filled up with ones that
were never seen, so that not even the length of the answer tells which was asked (k-anonymity, as
Pwned Passwords has it). Whatever goes wrong keeps nobody from choosing a password.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

import structlog

from carnet.server.metrics import BREACHED_LOOKUPS
from carnet.server.public_fetch import NotFetched, PublicFetch

__all__ = ["BreachedPasswordsService"]

MOST_BYTES: Final = 256 * 1024
SECONDS: Final = 2.0
PREFIX: Final = 5
GOOD: Final = 200
# The rest of a hash, and how often it was seen.
_LINE: Final = re.compile(rb"([0-9A-Fa-f]{35}):([0-9]{1,18})")

_log = structlog.get_logger()


class BreachedPasswordsService:
    """A service of that kind.

    Args:
        url: what stands before the five digits, without the slash at its end.
        private_hosts: hosts that may stand at addresses which are not public.
        seconds: how long an answer may take.
    """

    def __init__(self, url: str, private_hosts: Collection[str], seconds: float = SECONDS) -> None:
        self._url = url.rstrip("/")
        self._fetch = PublicFetch(private_hosts, MOST_BYTES, seconds)

    async def has(self, password: str) -> bool:
        """Tell whether the service knows a password; False also where it can't be asked."""
        # SHA-1 is what such services are of; nothing rests on its strength here.
        typed = password.encode("utf-8", "surrogatepass")
        digest = hashlib.sha1(typed, usedforsecurity=False).hexdigest().upper()
        try:
            found = _is_among(await self._ask(digest[:PREFIX]), digest[PREFIX:].encode())
        except NotFetched as error:
            BREACHED_LOOKUPS.labels("failed").inc()
            host = urlsplit(self._url).netloc
            _log.warning("breached_passwords_not_asked", host=host, cause=str(error))
            return False
        BREACHED_LOOKUPS.labels("found" if found else "clear").inc()
        return found

    def close(self) -> None:
        """End the threads that look names up."""
        self._fetch.close()

    async def _ask(self, prefix: str) -> bytes:
        headers = {"Add-Padding": "true", "User-Agent": "Carnet"}
        fetched = await self._fetch.fetch(f"{self._url}/{prefix}", headers)
        if fetched.status != GOOD:
            raise NotFetched(f"it answered {fetched.status}")
        return fetched.body


def _is_among(body: bytes, rest: bytes) -> bool:
    lines = body.split()
    matches = [match for match in map(_LINE.fullmatch, lines) if match is not None]
    if not lines or len(matches) < len(lines):
        raise NotFetched("it answered with something that is no list of hashes")
    # What was never seen is there to fill the answer up.
    return any(match[1].upper() == rest and int(match[2]) > 0 for match in matches)
