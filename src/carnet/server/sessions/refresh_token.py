"""Refresh tokens: what is inside the opaque text, without clock or database.

``version ‖ pepper id ‖ s (32 random bytes) ‖ generation ‖ HMAC(pepper, all before)``, in base64url.

The database holds SHA-256(s), never s: who steals the database can't make a token, and neither can
who steals a pepper alone. Successors share s and differ in their generation, so the answer to a
retried request is computed again, and nothing secret is stored for it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from carnet.errors import CarnetError, InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode

__all__ = ["RefreshRefused", "RefreshToken", "mint", "new_secret", "parse"]

VERSION = 1
MAC_SIZE = 32
MAX_GENERATION = 2**32 - 1

_BODY = struct.Struct(">BH32sI")
_TEXT_SIZE = (8 * (_BODY.size + MAC_SIZE) + 5) // 6


class RefreshRefused(CarnetError):
    """A refresh token is not good any more; the code is for the audit log, not for the client.

    Codes: ``malformed``, ``signature_invalid``, ``unknown``, ``ended``, ``expired``, ``reused``,
    ``client_mismatch``, ``key_mismatch``.
    """

    code = "refresh_refused"


class RefreshToken(NamedTuple):
    """An authentic refresh token's parts.

    Attributes:
        pepper_id: which pepper authenticates it.
        secret: the session's 32 random bytes.
        generation: how many rotations came before it.
    """

    pepper_id: int
    secret: bytes
    generation: int

    @property
    def secret_hash(self) -> bytes:
        """What the database knows the session by."""
        return hashlib.sha256(self.secret).digest()

    def at(self, generation: int) -> RefreshToken:
        """The same session's token after so many rotations."""
        return RefreshToken(self.pepper_id, self.secret, generation)


def new_secret() -> bytes:
    """Make the random bytes of a new session."""
    return secrets.token_bytes(32)


def mint(token: RefreshToken, pepper: bytes) -> str:
    """Write a token as the opaque text that a client keeps."""
    body = _BODY.pack(VERSION, token.pepper_id, token.secret, token.generation)
    return b64url_encode(body + _mac(pepper, body))


def parse(text: str, peppers: Mapping[int, bytes]) -> RefreshToken:
    """Read a token and check its MAC, before any database is asked.

    Raises:
        InvalidToken: ``malformed`` or ``signature_invalid``.
    """
    if len(text) != _TEXT_SIZE:
        raise InvalidToken("this is no refresh token", code="malformed")
    raw = b64url_decode(text, "the refresh token")
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    version, pepper_id, secret, generation = _BODY.unpack(body)
    pepper = peppers.get(pepper_id)
    if version != VERSION or pepper is None:
        raise InvalidToken("this is no refresh token of this server", code="signature_invalid")
    if not hmac.compare_digest(_mac(pepper, body), mac):
        raise InvalidToken("this is no refresh token of this server", code="signature_invalid")
    return RefreshToken(pepper_id, secret, generation)


def _mac(pepper: bytes, body: bytes) -> bytes:
    # hmac.digest gives up the GIL whatever the length, and where another thread is busy with the
    # database, waiting for the GIL takes far longer than the MAC.
    begun = _keyed(pepper).copy()
    begun.update(body)
    return begun.finalize()


@lru_cache(maxsize=64)
def _keyed(pepper: bytes) -> HMAC:
    # This class and not hmac.HMAC, whose methods are written in Python: the line "refresh" of the
    # benchmark ``requests``.
    return HMAC(pepper, SHA256())
