"""The master key: it encrypts the private keys in the database and is never in it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from carnet.errors import InvalidToken, ServerError
from carnet.jose import jwe
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.jose.key import Key
from carnet.server.secret_files import HOW_TO_HIDE, is_exposed

__all__ = ["SIZE", "MasterKey", "create_master_key", "parse_master_key", "read_master_key"]

SIZE = 32


class MasterKey:
    """Encrypts what the database keeps secret (RFC 7516, A256KW and A256GCM).

    Args:
        secret: 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = Key.from_secret(secret, "A256KW")

    def encrypt(self, plaintext: bytes) -> str:
        """Encrypt a secret, as a compact JWE."""
        return jwe.encrypt(plaintext, self._key)

    def decrypt(self, token: str) -> bytes:
        """Decrypt what ``encrypt`` made.

        Raises:
            ServerError: ``master_key_wrong``.
        """
        try:
            return jwe.decrypt(token, self._key).plaintext
        except InvalidToken:
            raise ServerError(
                "the master key does not belong to this database; put the right one back",
                code="master_key_wrong",
            ) from None


def create_master_key(path: Path) -> MasterKey:
    """Make a master key in a new file with mode 0600; the file appears whole or not at all.

    Raises:
        ServerError: ``data_unwritable``.
    """
    secret = secrets.token_bytes(SIZE)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(b64url_encode(secret) + "\n")
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, never replaces a key that another process has just made.
            os.link(draft, path)
        finally:
            draft.unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        return read_master_key(path)
    except OSError as error:
        raise ServerError(
            f"can't write the master key {path}: {error.strerror}",
            code="data_unwritable",
        ) from None
    return MasterKey(secret)


def read_master_key(path: Path) -> MasterKey:
    """Read the master key from its file.

    Raises:
        ServerError: ``master_key_missing``, ``master_key_wrong`` or ``master_key_exposed``.
    """
    try:
        text = path.read_text("ascii")
        exposed = is_exposed(path)
    except FileNotFoundError:
        raise ServerError(
            f"the master key {path} is missing, and the database can't be read without it; "
            "put it back from your backup",
            code="master_key_missing",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise ServerError(
            f"can't read the master key {path}; it must be a file that this user can read",
            code="master_key_wrong",
        ) from None
    if exposed:
        raise ServerError(
            f"other users can read the master key; {HOW_TO_HIDE.format(path)}",
            code="master_key_exposed",
        )
    return parse_master_key(text, str(path))


def parse_master_key(text: str, place: str) -> MasterKey:
    """Make the master key of its text.

    Args:
        text: 43 characters of base64url.
        place: where it stands, for the error.

    Raises:
        ServerError: ``master_key_wrong``.
    """
    try:
        secret = b64url_decode(text.strip(), "the master key")
    except InvalidToken:
        secret = b""
    if len(secret) != SIZE:
        raise ServerError(
            f"{place} is not a master key: expected 43 characters of base64url; "
            "put the right one back",
            code="master_key_wrong",
        )
    return MasterKey(secret)
