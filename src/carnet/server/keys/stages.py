"""The stages of a signing key, told by its dates alone.

published   in the key set, and signs nothing yet: verifiers come to know it
signing     the newest of its algorithm whose time to sign has come; where a clock is behind and no
            key's has, the earliest: a service always has a key to sign with
retired     a newer one signs: it stays in the key set until its last token has expired
removed     nothing needs it any more
unreadable  its row can't be decrypted or parsed: it signs nothing, is not published, and counts for
            nothing else; it stays for an operator to look at, and to retire

created_at ──published── signs_from ──signing── the next one's signs_from ──retired── removed
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

__all__ = ["KeyDates", "Stage", "rotation_due", "stages"]


class Stage(StrEnum):
    """Where a key is in its life."""

    PUBLISHED = "published"
    SIGNING = "signing"
    RETIRED = "retired"
    REMOVED = "removed"
    UNREADABLE = "unreadable"


class KeyDates(NamedTuple):
    """A key's dates, in microseconds since 1970.

    Attributes:
        kid: which key.
        alg: its algorithm.
        created_at: when it was made and published.
        signs_from: when it may sign.
        retired_at: when an operator has taken it out of use, or None.
    """

    kid: str
    alg: str
    created_at: int
    signs_from: int
    retired_at: int | None


def stages(keys: Sequence[KeyDates], now: int, kept: int) -> dict[str, Stage]:
    """Give each key's stage.

    Args:
        keys: all keys.
        now: microseconds since 1970.
        kept: microseconds that a retired key is still needed: the longest life of a token.
    """
    found: dict[str, Stage] = {}
    for alg in {key.alg for key in keys}:
        own = sorted((key for key in keys if key.alg == alg), key=_order)
        not_retired = [key for key in own if key.retired_at is None]
        usable = [key for key in not_retired if key.signs_from <= now] or not_retired[:1]
        signing = usable[-1] if usable else None
        for key in own:
            if key is signing:
                found[key.kid] = Stage.SIGNING
            elif key.retired_at is not None:
                # Taken out by hand, because it is not trusted any more: its tokens go with it.
                found[key.kid] = Stage.REMOVED
            elif key.signs_from > now:
                found[key.kid] = Stage.PUBLISHED
            else:
                successor = min(other.signs_from for other in usable if _order(other) > _order(key))
                over = max(successor, key.signs_from) + kept <= now
                found[key.kid] = Stage.REMOVED if over else Stage.RETIRED
    return found


def rotation_due(
    keys: Sequence[KeyDates], alg: str, now: int, lifetime: int, lead: int
) -> int | None:
    """Tell when a new key of an algorithm should begin to sign, where one should be made now.

    Args:
        keys: all keys.
        alg: the algorithm.
        now: microseconds since 1970.
        lifetime: microseconds that a key signs.
        lead: microseconds that a key is published before it signs.

    Returns:
        When the new key signs from, or None where none is due. Without any key it is at once.
    """
    # A key that lies further ahead than any is ever made was not made by this service.
    latest = now + lifetime + lead
    own = [
        key
        for key in keys
        if key.alg == alg and key.retired_at is None and key.signs_from <= latest
    ]
    if not own:
        return now
    newest = max(own, key=_order)
    if newest.signs_from + lifetime - lead > now:
        return None
    return max(now + lead, newest.signs_from + lifetime)


def _order(key: KeyDates) -> tuple[int, int, str]:
    return key.signs_from, key.created_at, key.kid
