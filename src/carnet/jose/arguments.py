"""Checks of arguments: a mistake in a call names the argument and what was expected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from carnet.errors import ConfigurationError

__all__ = [
    "BytesLike",
    "as_bytes",
    "bytes_of",
    "check_count",
    "check_flag",
    "check_header_argument",
    "check_names",
]

BytesLike = bytes | bytearray | memoryview
"""What bytes may be given as; it is copied where it can change."""


def check_flag(value: object, name: str) -> None:
    """Check that an argument is True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False")


def bytes_of(value: object) -> bytes | None:
    """Give bytes, a bytearray or a memoryview as bytes, and None for anything else."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        with suppress(ValueError):  # a memoryview that was released has no bytes any more
            return bytes(value)
    return None


def as_bytes(value: object, name: str) -> bytes:
    """Give an argument that is bytes, a bytearray or a memoryview as bytes.

    Raises:
        ConfigurationError: if it is anything else.
    """
    found = bytes_of(value)
    if found is None:
        raise ConfigurationError(f"{name} must be bytes; encode a text first")
    return found


def check_count(value: object, name: str, unit: str, least: int = 0) -> None:
    """Check that an argument is a whole number, not a boolean, and not below the least."""
    if value.__class__ is not int or value < least:
        raise ConfigurationError(f"{name} must be a whole number of {unit}, {least} or more")


def check_names(value: object, name: str) -> None:
    """Check that an argument is a collection of texts, and no single text."""
    if value.__class__ is tuple and not value:
        return  # as in nearly every call
    if (
        not isinstance(value, Collection)
        or isinstance(value, str | bytes | Mapping)
        or not all(isinstance(item, str) for item in value)
    ):
        raise ConfigurationError(f"{name} must be a list of texts")


def check_header_argument(value: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """Check that an argument is a mapping of texts or None, and give the mapping."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{name} must be a mapping of names to values: a header")
    if value.get("kid") == "":
        # Else there would be tokens that no key of ours can ever be named by.
        raise ConfigurationError(f"{name} has an empty 'kid', which no key can have")
    return value
