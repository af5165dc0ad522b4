"""What every database engine offers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

from carnet.errors import ServerError

__all__ = [
    "MigrationsMissing",
    "Opening",
    "PoolUse",
    "Rows",
    "Statement",
    "Store",
    "StoreUnavailable",
    "Transaction",
]

T = TypeVar("T")

Rows = list[tuple[Any, ...]]
Statement = tuple[str, tuple[Any, ...]]
Transaction = Generator[Statement, Rows, T]


class Opening(Enum):
    """What opening a database may do to it."""

    MIGRATE = "make it, and bring it to this version's shape"
    CHECK = "refuse one that is missing or has another shape"
    READ = "the same, and write nothing, then or later; SQLite holds whoever opens it so to that"


class StoreUnavailable(ServerError):
    """The database can't do what was asked: full disk, lost connection, locked file."""

    code = "store_unavailable"


class PoolUse(NamedTuple):
    """How busy a database's connections are.

    Attributes:
        size: how many there are.
        in_use: how many of them are doing something.
        waiting: how many pieces of work wait for one.
    """

    size: int
    in_use: int
    waiting: int


class MigrationsMissing(ServerError):
    """The database has not this version's shape, and may not be changed.

    Args:
        names: of the migrations that it lacks.
    """

    code = "migrations_missing"

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"the database lacks {', '.join(names)}; run `carnet migrate`, as the owner of the "
            "tables"
        )
        self.names = names


class Store(Protocol):
    """A database.

    Attributes:
        statements_run: how many statements it has run, for tests and metrics.
        migrated: the names of the migrations that opening it has applied.
    """

    statements_run: int
    migrated: list[str]

    def pool_use(self) -> PoolUse:
        """Say how busy the connections are at this moment."""

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
