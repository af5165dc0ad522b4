"""Random identifiers that fit into a URL, a log line and a command line."""

from __future__ import annotations

import secrets

__all__ = ["new_identifier", "reads_as_option"]


def new_identifier(size: int = 16) -> str:
    """Make an identifier of so many random bytes, in base64url."""
    text = secrets.token_urlsafe(size)
    while reads_as_option(text):
        text = secrets.token_urlsafe(size)
    return text


def reads_as_option(identifier: str) -> bool:
    """Tell whether a command line would take an identifier for an option."""
    return identifier.startswith("-")
