"""Everything that Carnet raises.

CarnetError
├── ConfigurationError    an argument or a setting is wrong
├── InvalidKey            a key can't be made, or can't be used for this
├── InvalidToken          a token is refused: why, which claim, what was expected
├── GrantRefused          an issuer gives no tokens for what was presented: sign in again
├── IssuerUnavailable     a verifier can't reach an issuer, or can't use what it publishes
│   └── IssuerBusy        an issuer wants to be asked later
└── ServerError           the authentication service can't start or go on

What a key is made from, or should be a key, is refused with InvalidKey; what is a token, or goes
into one, with InvalidToken; every other wrong argument with ConfigurationError, whose message names
it. Only what a function of the caller's own raises (a clock, a signer elsewhere) comes through; one
that judges a token (a validator, an extension, a choice of keys) refuses it with InvalidToken,
whose cause is what it raised.

Each error carries a stable ``code``. No message holds a token, a payload, a password or a key.
"""

from __future__ import annotations

__all__ = [
    "CarnetError",
    "ConfigurationError",
    "GrantRefused",
    "InvalidKey",
    "InvalidToken",
    "IssuerBusy",
    "IssuerUnavailable",
    "ServerError",
]


class CarnetError(Exception):
    """Any failure of Carnet's.

    Attributes:
        code: a stable, machine-readable name of the failure.
    """

    code: str = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ConfigurationError(CarnetError):
    """An argument or a setting is wrong; the message says what was expected."""

    code = "configuration"


class InvalidKey(CarnetError):
    """A key can't be made from what was given, or can't be used for this operation."""

    code = "key_invalid"


class InvalidToken(CarnetError):
    """A token is refused.

    Attributes:
        code: why, as a stable name (``expired``, ``signature_invalid``, …).
        claim: the claim or header parameter at fault, or None.
        expected: what would have been accepted, in words, or None.
    """

    code = "token_invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        claim: str | None = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.claim = claim
        self.expected = expected


class GrantRefused(CarnetError):
    """An issuer gives no tokens: the session is over, or the client or its request is wrong.

    Attributes:
        code: the issuer's own error code (RFC 6749 section 5.2), such as ``invalid_grant``.
    """

    code = "grant_refused"


class IssuerUnavailable(CarnetError):
    """An issuer can't be reached, or what it publishes can't be used."""

    code = "issuer_unavailable"


class IssuerBusy(IssuerUnavailable):
    """An issuer wants to be asked later (RFC 6585 section 4).

    Attributes:
        seconds: to wait.
    """

    def __init__(self, message: str, seconds: int = 5, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.seconds = seconds


class ServerError(CarnetError):
    """The authentication service can't start or go on; the message says what to do."""

    code = "server_error"
