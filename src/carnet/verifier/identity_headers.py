"""Who a request is from, told to a service in headers: ``X-Auth-Subject`` and its like.

All of them are always told, empty where the token says nothing, so that a header that came from
outside never stays. What comes under another spelling of such a name, as ``X_Auth_Subject``,
servers of CGI and WSGI take for the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from operator import attrgetter, itemgetter
from typing import Final
from urllib.parse import quote

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.verifier.bearer import Refusal

__all__ = ["PREFIX", "IdentityHeaders"]

PREFIX: Final = "X-Auth-"
MAX_HEADER: Final = 8 * 1024
# Names of a request's headers that were looked at are remembered: so many, so long at most.
MOST_REMEMBERED: Final = 1024
LONGEST_REMEMBERED: Final = 64
# What is told of every token, by the ends of the headers' names.
TOLD: Final[Mapping[str, Callable[[Claims], str | Collection[str] | None]]] = {
    "Subject": attrgetter("subject"),
    "Session": attrgetter("session_id"),
    "Client": attrgetter("client_id"),
    "Roles": attrgetter("roles"),
    "Scope": lambda claims: " ".join(sorted(claims.scopes)),
}

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")
_name_of: Callable[[tuple[bytes, bytes]], bytes] = itemgetter(0)

# Visible ASCII apart from the percent sign itself, which begins what was encoded, and the comma,
# which separates the items of a list.
_AS_IT_IS = bytes(code for code in range(0x20, 0x7F) if code not in b"%,")


class IdentityHeaders:
    """The headers that tell a service who a request is from.

    Args:
        passed_claims: names of further claims to tell, as ``X-Auth-Claim-…``.
        prefix: what the names of the headers begin with.

    Attributes:
        names: of all headers.

    Raises:
        ConfigurationError: if a name can't be one of a header.
    """

    def __init__(self, passed_claims: Collection[str] = (), prefix: str = PREFIX) -> None:
        for name in (prefix, *passed_claims):
            if not name or not all(part.isalnum() and part.isascii() for part in _parts(name)):
                raise ConfigurationError(
                    "the prefix and the claims become names of headers: letters, digits, '-', '_'"
                )
        told: dict[str, Callable[[Claims], str | Collection[str] | None]] = {
            f"{prefix}{name}": read for name, read in TOLD.items()
        }
        for name in passed_claims:
            told[f"{prefix}Claim-{'-'.join(_parts(name)).title()}"] = partial(_plain, name)
        self._told = [(name.lower().encode(), read) for name, read in told.items()]
        self._prefix = _folded(prefix)
        self.names = tuple(told)
        self._names = {_folded(name): name.lower() for name in self.names}
        self._harmless: set[bytes] = set()

    def mistaken(self, headers: Collection[tuple[bytes, bytes]]) -> str | None:
        """Give which of these headers one of a request can be taken for, by its spelling, or None.

        Args:
            headers: the request's, their names in small letters.
        """
        # The names are the same in request after request (benchmarks/gate.py).
        if self._harmless.issuperset(map(_name_of, headers)):
            return None
        for raw, _ in headers:
            name = raw.decode("latin-1")
            ours = self._names.get(_folded(name), name)
            if name != ours:
                return ours
            if len(raw) <= LONGEST_REMEMBERED:
                if len(self._harmless) >= MOST_REMEMBERED:
                    self._harmless.clear()
                self._harmless.add(raw)
        return None

    def is_reserved(self, name: str) -> bool:
        """Tell whether a header can be taken for one that begins with the prefix."""
        return _folded(name).startswith(self._prefix)

    def of(self, claims: Claims) -> dict[str, str]:
        """Give the headers for a token's claims.

        Raises:
            Refusal: 403, where they say more than fits.
        """
        values = [value.decode() for _, value in self.raw_of(claims)]
        return dict(zip(self.names, values, strict=True))

    def raw_of(self, claims: Claims) -> list[tuple[bytes, bytes]]:
        """Give the same as ASGI has them.

        Raises:
            Refusal: 403, where they say more than fits.
        """
        headers = [(name, _raw(read(claims))) for name, read in self._told]
        if sum(len(value) for _, value in headers) > MAX_HEADER:
            content = {
                "error": "invalid_token",
                "error_description": "the token's claims don't fit into headers",
                "code": "claims_too_large",
            }
            raise Refusal(403, {}, content)
        return headers

    def raw_of_nobody(self) -> list[tuple[bytes, bytes]]:
        """Give all of them, empty."""
        return [(name, b"") for name, _ in self._told]


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("_", "-").split("-") if part] or [""]


def _folded(name: str) -> str:
    """Write a header's name as the variable of CGI that it becomes, but for the letters' size."""
    return _NOT_ALPHANUMERIC.sub("-", name.lower())


def _plain(name: str, claims: Claims) -> str | Collection[str] | None:
    value = claims.get(name)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None if value is None or isinstance(value, list | dict) else _scalar(value)


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _raw(value: str | Collection[str] | None) -> bytes:
    """Write a value as a header may hold it: what is not visible ASCII is percent-encoded."""
    if value is None:
        return b""
    if isinstance(value, str):
        raw = value.encode()
        # quote() takes ten times as long to find that there is nothing to do (benchmarks/gate.py).
        return quote(raw, safe=_AS_IT_IS).encode() if raw.translate(None, _AS_IT_IS) else raw
    return b",".join(map(_raw, value))
