"""The addresses that clients register: one check for all of them, where they are registered.

What is stored is used later, by a browser or by this service, where nobody is there any more to be
told what is wrong with it. So an address is held against everything that its use demands: a host
that DNS and TLS can take, a port that there is, and a path that every program reads alike.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from carnet.server.clients.app_schemes import why_no_app_owns

__all__ = ["LOOPBACK_HOST", "BadAddress", "check_private_address", "check_web_address"]

LOOPBACK_HOST: Final = re.compile(r"(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{1,5})?")
"""Host and port of an address on this machine, where any port will do (RFC 8252 section 7.3)."""

LONGEST_ADDRESS: Final = 2048
LONGEST_SHOWN: Final = 32
LONGEST_HOST: Final = 253
HIGHEST_PORT: Final = 65_535

# RFC 3986 section 2, without the characters that stand for others somewhere.
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()+,;=%]+")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NETLOC = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?")


class BadAddress(Exception):
    """An address can't be registered; the text says what is expected instead."""


def check_web_address(address: str, *, plain_http: bool = False) -> None:
    """Check an address that is https, or http on this machine.

    Args:
        address: the address, of up to 2048 characters.
        plain_http: whether it may be http on any machine: a private network's.

    Raises:
        BadAddress: saying what is expected.
    """
    parts = _split(address)
    if not _is_web(parts, plain_http):
        raise BadAddress(
            "an https URL, or http on this machine only (127.0.0.1, [::1], localhost), unless the "
            "client has plain_http"
        )
    _check_host(parts.netloc)


def check_private_address(address: str, *, plain_http: bool = False) -> None:
    """Check an address that browsers are sent to (RFC 9700 section 4.1, RFC 8252 section 7).

    Args:
        address: as for ``check_web_address``, or one with a scheme of the app's own.
        plain_http: as for ``check_web_address``.

    Raises:
        BadAddress: saying what is expected.
    """
    parts = _split(address)
    if _is_web(parts, plain_http):
        _check_host(parts.netloc)
        return
    scheme, colon, _ = address.partition(":")
    why_not = why_no_app_owns(scheme) if colon else "is missing"
    if why_not:
        shown = scheme if len(scheme) <= LONGEST_SHOWN else f"{scheme[:LONGEST_SHOWN]}..."
        raise BadAddress(
            "https://…, or http:// with 127.0.0.1, [::1] or localhost, unless the client has "
            "plain_http, or have a scheme of the app's own, such as com.example.app:/callback; "
            f"the scheme {shown} {why_not}"
        )


def _split(address: str) -> SplitResult:
    if not 0 < len(address) <= LONGEST_ADDRESS:
        raise BadAddress(f"a URL of up to {LONGEST_ADDRESS} characters")
    if "#" in address:
        raise BadAddress("a URL without fragment")
    if _CHARACTERS.fullmatch(address) is None or _BROKEN_ESCAPE.search(address):
        raise BadAddress(
            "a URL of the characters that RFC 3986 allows, without wildcards, spaces or "
            "backslashes; others are written as % and two hexadecimal digits"
        )
    try:
        parts = urlsplit(address)
    except ValueError:
        raise BadAddress("a well-formed URL") from None
    if "@" in parts.netloc:
        raise BadAddress("a URL without user information")
    written = unquote(f"{parts.path}?{parts.query}", "latin-1")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in written):
        raise BadAddress("a URL without control characters, however they are written")
    segments = unquote(parts.path, "latin-1").replace("\\", "/").split("/")
    if "." in segments or ".." in segments:
        raise BadAddress("a URL whose path has no . or .. in it")
    return parts


def _is_web(parts: SplitResult, plain_http: bool) -> bool:
    return parts.scheme == "https" or (
        parts.scheme == "http" and (plain_http or LOOPBACK_HOST.fullmatch(parts.netloc) is not None)
    )


def _check_host(netloc: str) -> None:
    """Check host and port, as DNS and TLS will have to take them."""
    found = _NETLOC.fullmatch(netloc)
    if found is None:
        raise BadAddress("a URL with a host, and a port of digits where it has one")
    port = found["port"]
    if port is not None and (port.startswith("0") or not 1 <= int(port) <= HIGHEST_PORT):
        raise BadAddress(f"a URL whose port is from 1 to {HIGHEST_PORT}")
    host = found["host"]
    if not (_is_ip_address(host) or _is_name(host)):
        raise BadAddress(
            "a URL whose host is an IP address or a name that DNS can hold, with other than ASCII "
            "letters in the form xn--…"
        )


def _is_ip_address(host: str) -> bool:
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        else:
            ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_name(host: str) -> bool:
    labels = host.split(".")
    # A last label of digits, or of the hexadecimal kind, is half an IPv4 address to some programs.
    if len(host) > LONGEST_HOST or re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1]):
        return False
    return all(_LABEL.fullmatch(label) and _is_idna(label) for label in labels)


def _is_idna(label: str) -> bool:
    """Tell whether a label that claims to stand for other letters does so (RFC 5891)."""
    label = label.lower()
    if not label.startswith("xn--"):
        return True
    import idna

    try:
        return idna.encode(idna.decode(label)).decode("ascii") == label
    except (idna.IDNAError, UnicodeError):
        return False
