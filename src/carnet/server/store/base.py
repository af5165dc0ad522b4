"""What every database engine offers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

from carnet.errors import ServerError

__all__ = ["Rows", "Statement", "Store", "StoreUnavailable", "Transaction"]

T = TypeVar("T")

Rows = list[tuple[Any, ...]]
Statement = tuple[str, tuple[Any, ...]]
Transaction = Generator[Statement, Rows, T]


class StoreUnavailable(ServerError):
    """The database can't do what was asked: full disk, lost connection, locked file."""

    code = "store_unavailable"


class Store(Protocol):
    """A database.

    Attributes:
        statements_run: how many statements it has run, for tests and metrics.
    """

    statements_run: int

    async def read(self, sql: str, *values: Any) -> Rows:
        """Run one statement that changes nothing."""

    async def write(self, sql: str, *values: Any) -> Rows:
        """Run one statement; its effect is durable when this returns."""

    async def transact(self, work: Callable[[], Transaction[T]]) -> T:
        """Run a transaction; all of its effect is durable when this returns, or none.

        Args:
            work: makes the generator; it may be called again after a conflict.
        """

    async def close(self) -> None:
        """Finish what is under way, and close."""
