"""A provider's refresh token as the database holds it: encrypted, and bound to its row."""

from __future__ import annotations

from carnet.server.keys.sealed_secrets import open_secret, seal_secret
from carnet.server.keys.signing_keys import SigningKeys

__all__ = ["sealed_token", "unsealed"]


def sealed_token(keys: SigningKeys, issuer: str, subject: str, token: str) -> bytes:
    """Encrypt a token for the row of an identity."""
    return seal_secret(keys, token.encode(), _row(issuer, subject))


def unsealed(keys: SigningKeys, issuer: str, subject: str, sealed: bytes) -> str:
    """Decrypt the token of an identity's row.

    Raises:
        ServerError: ``secret_unreadable``.
    """
    return open_secret(keys, sealed, _row(issuer, subject)).decode()


def _row(issuer: str, subject: str) -> str:
    return f"upstream token {issuer} {subject}"
