"""The two cookies that hold a browser's tokens (RFC 6265bis).

On a connection with TLS their names have the prefix ``__Host-``: a browser takes such a cookie only
from the host itself, for all its paths, with ``Secure``, so neither a subdomain nor a connection
without TLS can plant one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from carnet.errors import ConfigurationError

__all__ = ["MAX_COOKIE", "HeldTokens", "SameSite", "TokenCookies", "read_cookie"]

SameSite = Literal["lax", "strict"]

MAX_COOKIE: Final = 4096
"""The bytes of a cookie's name and value together that every browser keeps."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(r"[A-Za-z0-9._~+/=-]*")


class HeldTokens(NamedTuple):
    """What a request's cookies hold.

    Attributes:
        access: the access token, or None.
        refresh: the refresh token, or None.
    """

    access: str | None
    refresh: str | None


class TokenCookies:
    """Writes and reads the cookies of an access token and a refresh token.

    Args:
        secure: whether browsers come by TLS; only on loopback may they not.
        same_site: ``lax`` or ``strict``.
        name: what both names begin with; apps that share a host need different ones.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(self, secure: bool, same_site: SameSite = "lax", name: str = "carnet") -> None:
        if same_site not in ("lax", "strict"):
            raise ConfigurationError("same_site must be 'lax' or 'strict'")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise ConfigurationError(
                "a cookie's name must consist of letters, digits, '-' and '_', at most 64"
            )
        # Browsers refuse the prefix on a connection without TLS.
        prefix = f"__Host-{name}" if secure else name
        self.access = f"{prefix}-access"
        self.refresh = f"{prefix}-refresh"
        self.flow = f"{prefix}-flow"
        transport = ("Path=/", *(("Secure",) if secure else ()), "HttpOnly")
        # The issuer sends the person back, which is another site's doing.
        self._flow_attributes = "; ".join((*transport, "SameSite=Lax"))
        self._attributes = "; ".join((*transport, f"SameSite={same_site.title()}"))

    def read(self, headers: Sequence[str]) -> HeldTokens:
        """Take the tokens out of a request's Cookie headers."""
        return HeldTokens(read_cookie(headers, self.access), read_cookie(headers, self.refresh))

    def read_flow(self, headers: Sequence[str]) -> str | None:
        """Take what a sign-in that has begun is remembered by out of the Cookie headers."""
        return read_cookie(headers, self.flow)

    def set_flow(self, value: str, max_age: int) -> str:
        """Write the Set-Cookie header that remembers a sign-in; no seconds forget it."""
        return f"{self.flow}={value}; {self._flow_attributes}; Max-Age={max_age}"

    def without(self, headers: Sequence[str]) -> str:
        """Give the Cookie header without the tokens, for who need not see them."""
        others = [
            f"{name}={value}"
            for name, value in _pairs(headers)
            if name not in (self.access, self.refresh, self.flow)
        ]
        return "; ".join(others)

    def set(self, access: str, refresh: str, max_age: int | None) -> list[str]:
        """Write the values of the Set-Cookie headers that keep both tokens.

        Args:
            access: the access token.
            refresh: the refresh token.
            max_age: seconds for which the browser keeps them; None is until it is closed.

        Raises:
            ConfigurationError: ``cookie_too_large``, if no browser would keep one.
        """
        age = "" if max_age is None else f"; Max-Age={max_age}"
        cookies = []
        for name, value, what in (
            (self.access, access, "access token"),
            (self.refresh, refresh, "refresh token"),
        ):
            size = len(name) + len(value)
            if size > MAX_COOKIE:
                raise ConfigurationError(
                    f"the {what} makes a cookie of {size} bytes, and browsers keep at most "
                    f"{MAX_COOKIE}: give its account fewer custom claims or roles",
                    code="cookie_too_large",
                )
            if _VALUE.fullmatch(value) is None:
                raise ConfigurationError(f"the {what} has characters that no cookie may have")
            cookies.append(f"{name}={value}; {self._attributes}{age}")
        return cookies

    def clear(self) -> list[str]:
        """Write the values of the Set-Cookie headers that take both tokens away."""
        return [f"{name}=; {self._attributes}; Max-Age=0" for name in (self.access, self.refresh)]


def read_cookie(headers: Sequence[str], name: str) -> str | None:
    """Take a cookie with one of our tokens out of a request's Cookie headers.

    A name that stands twice counts as not there: which of the two is ours can't be told.

    Args:
        headers: the values of the Cookie headers.
        name: the cookie's name.
    """
    values = [value for found, value in _pairs(headers) if found == name]
    if len(values) != 1 or not values[0] or _VALUE.fullmatch(values[0]) is None:
        return None
    return values[0]


def _pairs(headers: Iterable[str]) -> Iterable[tuple[str, str]]:
    for header in headers:
        for part in header.split(";"):
            name, separator, value = part.strip(" \t").partition("=")
            if separator:
                yield name, value
