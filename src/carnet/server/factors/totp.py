"""Codes of an authenticator app, by the time (TOTP, RFC 6238)."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

__all__ = ["DIGITS", "matching_step", "new_secret", "provisioning_uri", "written_secret"]

DIGITS: Final = 6
STEP_SECONDS: Final = 30
SECRET_BYTES: Final = 20
"""As long as the hash (RFC 4226 section 4)."""


def new_secret() -> bytes:
    """Make a secret."""
    return secrets.token_bytes(SECRET_BYTES)


def matching_step(secret: bytes, code: str, seconds: int) -> int | None:
    """Give the time step that a code is of: this one, or one beside it (RFC 6238 section 5.2).

    Args:
        secret: the factor's.
        code: six digits.
        seconds: since 1970.

    Returns:
        The step, which is to be used once; None for a code that is of none of them.
    """
    # SHA-1 is what every app computes; HMAC does not need it to resist collisions.
    hotp = HOTP(secret, DIGITS, SHA1())  # noqa: S303
    now = seconds // STEP_SECONDS
    typed = code.encode("utf-8", "surrogatepass")
    # All of them, whichever it is: how long it takes tells nothing.
    found = [
        step for step in (now - 1, now, now + 1) if hmac.compare_digest(hotp.generate(step), typed)
    ]
    return found[-1] if found else None


def written_secret(secret: bytes) -> str:
    """Write a secret as people type it into an app: base32, in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def provisioning_uri(secret: bytes, issuer: str, username: str) -> str:
    """Write the address that an app reads from a QR code (otpauth, Key URI Format)."""
    label = f"{quote(issuer, safe='')}:{quote(username, safe='')}"
    parameters = {"secret": base64.b32encode(secret).decode().rstrip("="), "issuer": issuer}
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"
