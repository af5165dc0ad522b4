"""Checks of arguments that are keys, or parties to a document that have one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from carnet.errors import InvalidKey
from carnet.jose.key import Key

__all__ = ["Party", "require_key", "require_parties"]


class Party(Protocol):
    """Who signs a document or can decrypt it: a key, and what the document says beside it."""

    @property
    def key(self) -> Key:
        """The key."""


P = TypeVar("P", bound=Party)


def require_key(value: object) -> Key:
    """Check that a value is a Key.

    Raises:
        InvalidKey: if it is something else.
    """
    if not isinstance(value, Key):
        raise InvalidKey(
            "a key must be a Key, made by Key.generate, from_jwk, from_pem or from_secret"
        )
    return value


def require_parties(value: object, kind: type[P]) -> tuple[P, ...]:
    """Give the parties of an argument that is one or several, each a Key or of that kind.

    Raises:
        InvalidKey: if something in it is neither.
    """
    # A party is a tuple itself, and no list of keys.
    listed = (value,) if isinstance(value, Key | kind) else value
    if not isinstance(listed, Iterable):
        raise InvalidKey(f"keys must be a Key, a {kind.__name__}, or a list of them")
    found = tuple(
        one if isinstance(one, kind) else kind(one)  # type: ignore[call-arg]  # its first member
        for one in listed
    )
    for one in found:
        require_key(one.key)
    return found
