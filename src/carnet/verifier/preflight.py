"""A browser's question whether a page may send a request (CORS; Fetch standard, section 4.8).

It never has a token, so it goes on to the app's own CORS layer. Anyone can send one: so of the
app's answer only the status and the headers that CORS is about come back, and no body.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

__all__ = ["is_preflight", "may_be_told"]

_TOLD: Final = frozenset(("allow", "cache-control", "vary", "www-authenticate"))


def is_preflight(method: str, names: Collection[str]) -> bool:
    """Tell whether a request is such a question.

    That is an OPTIONS with one Origin, one Access-Control-Request-Method and no Authorization. No
    browser sends another header of a method with it, such as X-HTTP-Method-Override, by which an
    app would take it for another request.

    Args:
        method: the request's method.
        names: of its headers that are not empty, in lower case; one that comes twice, twice.
    """
    return (
        method == "OPTIONS"
        and [name for name in names if "method" in name] == ["access-control-request-method"]
        and [name for name in names if name == "origin"] == ["origin"]
        and "authorization" not in names
    )


def may_be_told(name: str) -> bool:
    """Tell whether an answer to it may have a header of this name, in lower case."""
    return name.startswith("access-control-") or name in _TOLD
