"""Failures of PostgreSQL: what each leaves behind decides whether the work is done again.

    failure                                  read      one write   transaction
    ───────────────────────────────────────  ────────  ──────────  ─────────────────────────────
    serialization conflict, deadlock         again     again       again, its generator made anew
    lost connection                          again     told        again before COMMIT, else told
    made or changed by another meanwhile     told      told        again, once
    the server takes no writes any more      again     again       again, on new connections
    no answer in time                        told      told        told, and connections that are
                                                                   idle are left: it may be gone
    no connection, anything else             told      told        told

A lost connection leaves open whether its write was done, except before a COMMIT: then the database
undoes it. What is told is told as ``StoreUnavailable``.
"""

from __future__ import annotations

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

from carnet.server.store.base import StoreUnavailable

__all__ = ["FAILURES", "Failed", "failure_of", "is_closed", "reason_of"]

CONFLICT_ATTEMPTS = 20
DEMOTED_ATTEMPTS = 3

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
LOSSES = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
)
# It did nothing: it runs on a standby, or on a primary that another has replaced.
DEMOTED = (asyncpg.ReadOnlySQLTransactionError,)
OVERTAKEN = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateTableError,
    asyncpg.InvalidCachedStatementError,
)


class Failed(Exception):
    """A piece of work that failed in the database, and how often it may be tried in all."""

    def __init__(
        self,
        error: Exception,
        attempts: int = 1,
        *,
        lost: bool = False,
        demoted: bool = False,
        silent: bool = False,
    ) -> None:
        self.error = error
        self.attempts = attempts
        self.lost = lost
        self.demoted = demoted
        self.silent = silent

    def as_error(self) -> StoreUnavailable:
        """Give the error for those who asked for the work."""
        reason = reason_of(self.error)
        if self.lost:
            return StoreUnavailable(f"the connection to the database was lost: {reason}")
        return StoreUnavailable(f"the database can't do what was asked: {reason}")


def failure_of(
    error: Exception, connection: Any, if_lost: int = 1, if_overtaken: int = 1
) -> Failed:
    """Say what a failure means.

    Args:
        error: what asyncpg raised.
        connection: on which.
        if_lost: how often the work may be tried in all where the connection was lost.
        if_overtaken: and where another has made or changed the same meanwhile.
    """
    if isinstance(error, CONFLICTS):
        return Failed(error, CONFLICT_ATTEMPTS)
    if isinstance(error, DEMOTED):
        return Failed(error, DEMOTED_ATTEMPTS, demoted=True)
    if isinstance(error, OVERTAKEN):
        return Failed(error, if_overtaken)
    if isinstance(error, LOSSES) or is_closed(connection):
        return Failed(error, if_lost, lost=True)
    return Failed(error, silent=isinstance(error, TimeoutError))


def is_closed(connection: Any) -> bool:
    """Tell whether a connection is of no use any more."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # The pool has taken it away already.
        return True


def reason_of(error: Exception) -> str:
    """Say what happened, without the values of a statement."""
    name = type(error).__name__
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        # Class 22, wrong data, quotes the data.
        return name if state.startswith("22") else f"{_first_line(error)} ({state})"
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return name
    return _first_line(error) or name


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
