"""Records of one kind, each with a name of its own: all in memory, changed in transactions.

A row that can't be read harms itself alone: it is left out, logged, counted and shown to
administrators. It can be removed, or stays until a version of Carnet that understands it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import structlog

from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import ClientRefused
from carnet.server.clock import Clock
from carnet.server.metrics import UNREADABLE_ROWS
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store.counters import next_number

__all__ = ["COUNTER", "Kind", "Records"]

# Its name in the database is older than the registry's.
COUNTER: Final = "directory"

T = TypeVar("T")

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind(Generic[T]):
    """What records of one kind are, and the statements that read and change them.

    Attributes:
        name: what one is called in errors, in the log and in figures.
        identifier: the member that names one.
        make: makes one of the columns of its row, of which the first is its name.
        read: gives all rows.
        add: takes a row.
        replace: takes the new values, and then the name.
        remove: takes the name.
        created: what the audit log says of a new one.
        changed: what it says of other values.
        removed: what it says of the end.
    """

    name: str
    identifier: str
    make: Callable[..., T]
    read: str
    add: str
    replace: str
    remove: str
    created: Event
    changed: Event
    removed: Event


class Records(Generic[T]):
    """All records of one kind.

    Args:
        kind: which.
        store: where they are kept.
        clock: gives the microseconds since 1970.

    What ends in ``-ing`` is a part of the caller's transaction.

    Attributes:
        known: those that can be read, by their names.
        unreadable: why each of the others is left out, by its name.
    """

    def __init__(self, kind: Kind[T], store: Store, clock: Clock) -> None:
        self._kind = kind
        self._store = store
        self._clock = clock
        self.known: dict[str, T] = {}
        self.unreadable: dict[str, str] = {}

    async def read(self) -> Rows:
        """Give their rows, as the database has them now."""
        return await self._store.read(self._kind.read)

    def take(self, rows: Rows) -> None:
        """Hold these rows from now on, and no others."""
        known: dict[str, T] = {}
        unreadable: dict[str, str] = {}
        for name, *columns in rows:
            try:
                known[name] = self._kind.make(name, *columns)
            except Exception as error:
                # Only the kind of the error: its words may quote what stands there.
                unreadable[str(name)] = type(error).__name__
                if str(name) not in self.unreadable:
                    kind = self._kind.name
                    _log.error("row_unreadable", kind=kind, name=str(name), exc_info=error)
        self.known, self.unreadable = known, unreadable
        UNREADABLE_ROWS.labels(self._kind.name).set(len(unreadable))

    def find(self, name: str) -> T:
        """Give one.

        Raises:
            ClientRefused: ``unknown_client`` or ``unknown_resource``, as the kind is.
        """
        if name not in self.known:
            raise self._unknown(name)
        return self.known[name]

    def adding(self, name: str, *values: Any, origin: Origin) -> Transaction[T]:
        """Add one with these values, and give it.

        Raises:
            ClientRefused: ``id_taken``.
        """
        kind = self._kind
        row = (name, *values, self._clock())
        if not (yield from self._writing(kind.add, row, kind.created, name, origin)):
            text = f"there is a {kind.name} {name} already"
            raise ClientRefused(text, code="id_taken", member=kind.identifier)
        return kind.make(*row)

    def replacing(self, name: str, *values: Any, origin: Origin) -> Transaction[None]:
        """Give one other values instead of those that it has.

        Raises:
            ClientRefused: as ``find``.
        """
        kind = self._kind
        yield from self.changing(kind.replace, name, *values, event=kind.changed, origin=origin)

    def changing(
        self, statement: str, name: str, *values: Any, event: Event, origin: Origin
    ) -> Transaction[None]:
        """Change one by a statement that takes values, and then the name.

        Raises:
            ClientRefused: as ``find``.
        """
        if not (yield from self._writing(statement, (*values, name), event, name, origin)):
            raise self._unknown(name)

    def removing(self, name: str, origin: Origin) -> Transaction[None]:
        """Remove one, whether or not it can be read.

        Raises:
            ClientRefused: as ``find``.
        """
        kind = self._kind
        if not (yield from self._writing(kind.remove, (name,), kind.removed, name, origin)):
            raise self._unknown(name)

    def _writing(
        self, statement: str, values: tuple[Any, ...], event: Event, name: str, origin: Origin
    ) -> Transaction[bool]:
        """Tell whether the statement has changed a row; every process then learns of it."""
        if not (yield statement, values):
            return False
        yield from next_number(COUNTER)
        yield from record(self._clock(), event, origin, reason=name)
        return True

    def _unknown(self, name: str) -> ClientRefused:
        kind = self._kind
        text = f"there is no {kind.name} {name!r}"
        return ClientRefused(text, code=f"unknown_{kind.name}", member=kind.identifier)
