"""A factor, as its owner sees it, and what it may be."""

from __future__ import annotations

from typing import Final, NamedTuple

from carnet.errors import CarnetError
from carnet.server.factors.passkeys import Assertion

__all__ = ["MAX_NAME", "MOST_FACTORS", "Factor", "FactorRefused", "FoundPasskey"]

MAX_NAME: Final = 60
MOST_FACTORS: Final = 20


class FactorRefused(CarnetError):
    """A factor can't be added or removed as asked.

    Codes: ``code_wrong``, ``too_many_factors``, ``name_invalid``, ``account_changed``,
    ``last_way_in``.
    """

    code = "factor_refused"


class Factor(NamedTuple):
    """A factor, as its owner sees it; times in microseconds since 1970.

    Attributes:
        id: which.
        kind: ``passkey`` or ``totp``.
        name: what its owner calls it.
        created_at: since when it is there.
        used_at: when it was used last, or None.
    """

    id: str
    kind: str
    name: str
    created_at: int
    used_at: int | None


class FoundPasskey(NamedTuple):
    """A passkey that has signed, and has not been used by that yet."""

    id: str
    account_id: str
    assertion: Assertion
