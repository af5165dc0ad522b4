"""The database: one contract, whatever engine stands behind it.

A statement is SQL with ``$1``, ``$2``, … in the order of their first use, so that every engine can
bind them by position. A transaction is a generator that yields statements and receives their rows:
it holds the logic, and each engine runs it in its own way.
"""

from carnet.server.store.base import (
    MigrationsMissing,
    Opening,
    Rows,
    Statement,
    Store,
    StoreUnavailable,
    Transaction,
)
from carnet.server.store.opening import open_store

__all__ = [
    "MigrationsMissing",
    "Opening",
    "Rows",
    "Statement",
    "Store",
    "StoreUnavailable",
    "Transaction",
    "open_store",
]
