"""Addresses that are nearly the client's own (RFC 9700 section 4.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final
from urllib.parse import urlsplit

from carnet.conform.findings import Check, Look, Seen
from carnet.conform.probe import NotApplicable, Probe
from carnet.verifier.access import on_loopback

__all__ = ["CHECKS"]


def _suffix(address: str) -> str:
    return f"{address}/../elsewhere" if address.endswith("/") else f"{address}.elsewhere"


def _below(address: str) -> str:
    return f"{address.rstrip('/')}/elsewhere"


def _traversal(address: str) -> str:
    return f"{address.rstrip('/')}/../elsewhere"


def _encoded_traversal(address: str) -> str:
    return f"{address.rstrip('/')}/%2e%2e/elsewhere"


def _query(address: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}elsewhere=1"


def _fragment(address: str) -> str:
    return f"{address}#elsewhere"


def _case(address: str) -> str | None:
    parts = urlsplit(address)
    swapped = parts._replace(path=parts.path.swapcase()).geturl()
    return swapped if swapped != address else None


def _on_the_web(change: Callable[[str, str], str]) -> Callable[[str], str | None]:
    """Make a change of the host, which addresses of an app's own scheme don't have."""

    def changed(address: str) -> str | None:
        scheme, _, rest = address.partition("://")
        if scheme not in ("https", "http") or not rest:
            return None
        host, slash, path = rest.partition("/")
        return change(address, host).replace("{rest}", f"{slash}{path}")

    return changed


_userinfo = _on_the_web(
    lambda address, host: f"{urlsplit(address).scheme}://{host}@elsewhere.example{{rest}}"
)
_host_suffix = _on_the_web(
    lambda address, host: f"{urlsplit(address).scheme}://{host}.elsewhere.example{{rest}}"
)
_subdomain = _on_the_web(
    lambda address, host: f"{urlsplit(address).scheme}://elsewhere.{host}{{rest}}"
)
_backslash = _on_the_web(
    lambda address, host: f"{urlsplit(address).scheme}://elsewhere.example\\@{host}{{rest}}"
)


def _port(address: str) -> str | None:
    # Whichever port is free is right on this machine (RFC 8252 section 7.3).
    parts = urlsplit(address)
    if parts.scheme not in ("https", "http") or on_loopback(address):
        return None
    return parts._replace(netloc=f"{parts.hostname}:8444").geturl()


def _scheme(address: str) -> str | None:
    return f"http://{address[8:]}" if address.startswith("https://") else None


def _takes(change: Callable[[str], str | None]) -> Look:
    async def look(probe: Probe) -> AsyncIterator[Seen]:
        trick = change(probe.redirect_uri)
        if trick is None:
            raise NotApplicable("the client's redirect URI has nothing to change there")
        landing = await probe.authorize({"redirect_uri": trick})
        registered = landing.is_at(probe.redirect_uri)
        if landing.target.startswith(trick) or (landing.leads_to(trick) and not registered):
            yield Seen(
                f"the redirect_uri {trick} is taken: {landing.told}",
                f"a page of the issuer's own: registered is {probe.redirect_uri}",
                "compare a redirect_uri with the registered ones character by character",
            )

    return look


TRICKS: Final[tuple[tuple[str, str, Callable[[str], str | None]], ...]] = (
    ("suffix", "Nothing can be appended", _suffix),
    ("below", "No path below is taken", _below),
    ("traversal", "No path above is taken", _traversal),
    ("encoded_traversal", "No escaped path above is taken", _encoded_traversal),
    ("query", "No query may be added", _query),
    ("fragment", "No fragment may be added", _fragment),
    ("case", "The path is case-sensitive", _case),
    ("userinfo", "A host is not mistaken for user information", _userinfo),
    ("host_suffix", "A host is compared to its end", _host_suffix),
    ("subdomain", "A host is compared from its beginning", _subdomain),
    ("backslash", "A backslash ends no host", _backslash),
    ("port", "Another port is refused", _port),
    ("scheme", "http instead of https is refused", _scheme),
)

CHECKS: Final = tuple(
    Check(f"redirect.{name}", title, "RFC 9700", "4.1.3", "must", "client", _takes(change))
    for name, title, change in TRICKS
)
