"""Password hashing: Argon2id in a bounded pool, so that a flood never slows the service down."""

from __future__ import annotations

import asyncio
import os
import secrets
import unicodedata
from binascii import b2a_base64
from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from typing import TypeVar

import structlog
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from carnet.errors import CarnetError
from carnet.server.accounts.breached_passwords_service import BreachedPasswordsService
from carnet.server.accounts.foreign_hashes import HashRefused, read_hash

__all__ = ["MAX_PASSWORD", "MIN_PASSWORD", "Passwords", "TooBusy", "is_common"]

T = TypeVar("T")

MIN_PASSWORD = 8
MAX_PASSWORD = 1024

# OWASP's first recommendation for Argon2id: 19 MiB, two passes, one lane.
TIME_COST, MEMORY_KIB, LANES = 2, 19 * 1024, 1
WAITING_PER_WORKER = 16

_log = structlog.get_logger()


class TooBusy(CarnetError):
    """More passwords wait to be checked than will be soon."""

    code = "too_busy"


class Passwords:
    """Makes and checks password hashes; at most a bounded number wait.

    Args:
        workers: how many hashes are computed at the same time; by default one a core.
        breached: passwords that have been in a leak.
        service: is asked about those that are not among them; None where no service is.

    Attributes:
        hash_of_nobody: what a password is compared with where there is no such account.
    """

    def __init__(
        self,
        workers: int | None = None,
        breached: Container[str] = (),
        service: BreachedPasswordsService | None = None,
    ) -> None:
        self._breached = breached
        self._service = service
        self._hasher = PasswordHasher(TIME_COST, MEMORY_KIB, LANES, type=Type.ID)
        self._workers = workers or _cores()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="carnet-password")
        self._pending = 0
        # What a check takes depends on the parameters alone: no hash is computed at the start.
        salt, digest = _base64(secrets.token_bytes(16)), _base64(secrets.token_bytes(32))
        parameters = f"m={MEMORY_KIB},t={TIME_COST},p={LANES}"
        self.hash_of_nobody = f"$argon2id$v=19${parameters}${salt}${digest}"

    async def hash(self, password: str) -> str:
        """Hash a new password, as a PHC string.

        Raises:
            TooBusy: if too many wait already.
        """
        return await self._run(lambda: self._hasher.hash(_prepared(password)))

    async def check(self, password: str, encoded: str | None) -> bool:
        """Tell whether a password belongs to a hash.

        Args:
            password: what was typed.
            encoded: the account's hash; None, where there is no such account, costs the same.

        Raises:
            TooBusy: if too many wait already.
        """

        def verify() -> bool:
            if encoded is None or self.is_outdated(encoded):
                # Also where another system has made the hash: one that takes it less time would
                # tell such an account from none.
                self._verify(self.hash_of_nobody, password)
                return encoded is not None and _belongs_to_foreign(password, encoded)
            return self._verify(encoded, password)

        return await self._run(verify)

    async def is_breached(self, password: str) -> bool:
        """Tell whether a password has been in a leak, as far as is known here or can be asked."""
        if password in self._breached:
            return True
        return self._service is not None and await self._service.has(password)

    def is_outdated(self, encoded: str) -> bool:
        """Tell whether a hash was made by another system, or with other parameters than today's."""
        try:
            return self._hasher.check_needs_rehash(encoded)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """Let what is under way finish."""
        self._pool.shutdown()
        if self._service is not None:
            self._service.close()

    def _verify(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, _prepared(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._workers * (1 + WAITING_PER_WORKER):
            raise TooBusy("too many people are signing in at this moment; try again shortly")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._pending -= 1


def _belongs_to_foreign(password: str, encoded: str) -> bool:
    """Check a hash that another system has made, or this one with other parameters."""
    try:
        _, belongs = read_hash(encoded)
    except HashRefused as error:
        _log.error("password_hash_unusable", reason=error.code)
        return False
    # The other system may have taken what was typed as it was.
    typed = password.encode("utf-8", "surrogatepass")
    return any(belongs(one) for one in dict.fromkeys((typed, _prepared(password))))


def _cores() -> int:
    """Count the cores that this process may use; a container may have fewer than its machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_common(password: str) -> bool:
    """Tell whether a password is one of those that are tried first."""
    return password.casefold() in _common_passwords()


@cache
def _common_passwords() -> frozenset[str]:
    file = resources.files("carnet.server.accounts").joinpath("common_passwords.txt")
    text = file.read_text("utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def _base64(content: bytes) -> str:
    return b2a_base64(content, newline=False).decode().rstrip("=")


def _prepared(password: str) -> bytes:
    # The same password typed on another keyboard may be composed otherwise (RFC 8265 section 4.2).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
