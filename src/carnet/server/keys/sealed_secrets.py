"""How the database holds what has to be read again: encrypted, and bound to its row.

The key is made of a pepper, and the peppers are encrypted under the master key. So neither the
database nor an old master key opens a secret, and a change of the master key leaves the rows as
they are: running servers need not learn of it at that moment.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carnet.errors import ServerError
from carnet.server.keys.signing_keys import SigningKeys

__all__ = ["open_secret", "seal_secret"]

_NUMBER: Final = 2
_BEGIN: Final = _NUMBER + 12


def seal_secret(keys: SigningKeys, plaintext: bytes, row: str) -> bytes:
    """Encrypt a secret.

    Args:
        keys: of which the newest pepper makes the key.
        plaintext: the secret.
        row: which row of the database it is for; no other one opens it.
    """
    nonce = secrets.token_bytes(_BEGIN - _NUMBER)
    sealed = _cipher(keys.peppers[keys.pepper_id]).encrypt(nonce, plaintext, row.encode())
    return keys.pepper_id.to_bytes(_NUMBER, "big") + nonce + sealed


def open_secret(keys: SigningKeys, sealed: bytes, row: str) -> bytes:
    """Decrypt what ``seal_secret`` has made.

    Raises:
        ServerError: ``secret_unreadable``.
    """
    number, nonce, rest = sealed[:_NUMBER], sealed[_NUMBER:_BEGIN], sealed[_BEGIN:]
    try:
        pepper = keys.peppers[int.from_bytes(number, "big")]
        return _cipher(pepper).decrypt(nonce, rest, row.encode())
    except (KeyError, InvalidTag, ValueError):
        raise ServerError(
            "a secret of the database can't be read", code="secret_unreadable"
        ) from None


def _cipher(pepper: bytes) -> AESGCM:
    return AESGCM(hmac.digest(pepper, b"carnet sealed secret", "sha256"))
