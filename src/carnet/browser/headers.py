"""A request's headers by their names, without taking one of several for the only one."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["joined"]


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give headers by their names in small letters, as WSGI servers do.

    Those of one name are joined by commas (RFC 9110 section 5.3): what compares one with a single
    value refuses both, whichever of the two a proxy or an app would take.

    Args:
        headers: names and values, in the order of the request.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
