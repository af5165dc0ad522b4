"""What a sign-in proves and amounts to, and what is demanded of it.

The levels are those of NIST SP 800-63B: ``aal1`` is one factor, ``aal2`` two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carnet.server.settings import Settings

__all__ = [
    "ACR_VALUES",
    "AT_A_PROVIDER",
    "AT_A_PROVIDER_WITH_SECOND_FACTOR",
    "MAILED_CODE",
    "PASSKEY",
    "PASSWORD",
    "WITH_CODE",
    "WITH_PASSKEY",
    "WITH_RECOVERY_CODE",
    "acr_of",
    "demanded_of",
    "highest",
    "reaches",
    "with_second",
]

# How somebody has signed in: names of RFC 8176 with spaces between them.
PASSWORD: Final = "pwd"
PASSKEY: Final = "pop user mfa"
"""Of a passkey that has verified its user: what it has, and what it knows or is."""
MAILED_CODE: Final = "otp"
WITH_CODE: Final = f"{PASSWORD} otp mfa"
WITH_PASSKEY: Final = f"{PASSWORD} pop user mfa"
WITH_RECOVERY_CODE: Final = f"{PASSWORD} mfa"

AT_A_PROVIDER: Final = "fed"
"""Of whom a provider has signed in. RFC 8176 has no name for that; this is Microsoft's."""
AT_A_PROVIDER_WITH_SECOND_FACTOR: Final = f"{AT_A_PROVIDER} mfa"

ACR_VALUES: Final = ("aal1", "aal2")
"""The levels, the lowest first."""


def acr_of(amr: str) -> str:
    """Give the level that ways of signing in reach together, names of RFC 8176."""
    return ACR_VALUES["mfa" in amr.split()]


def with_second(first: str, both: str) -> str:
    """Give what a first factor and a second one say together.

    Args:
        first: what was proved first.
        both: what the second one says after a password.
    """
    second = both.removeprefix(PASSWORD).split()
    return " ".join(dict.fromkeys((*first.split(), *second)))


def reaches(acr: str | None, demanded: str) -> bool:
    """Tell whether a level is as high as the one that is demanded."""
    return acr in ACR_VALUES[ACR_VALUES.index(demanded) :]


def highest(*levels: str) -> str:
    """Give the highest of some levels."""
    return max(levels, key=ACR_VALUES.index)


def demanded_of(roles: Iterable[str], settings: Settings) -> str:
    """Give the level that is demanded of accounts with these roles."""
    return ACR_VALUES[not set(settings.second_factor_roles).isdisjoint(roles)]
