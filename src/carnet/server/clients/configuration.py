"""What clients and resources are to be, and what makes those that there are so: a plan, as data.

    is known      is wanted     the change
    ────────────  ────────────  ─────────────────────────────────────────
    no            yes           create
    yes           yes           change, where a member or a secret differs
    yes           no            remove, where that is asked for

The registry makes plans and carries them out; ``configuration_file`` reads and writes what is
wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from carnet.server.clients.clients import Client, ClientMetadata, ClientRefused, Secrets
from carnet.server.clients.profiles import contradicted
from carnet.server.clients.resources import Resource, ResourceMetadata

__all__ = [
    "SECRET",
    "Change",
    "Configuration",
    "DescribedClient",
    "EntryRefused",
    "KindName",
    "Plan",
    "microseconds",
    "refusing",
    "utc",
    "with_members",
]

KindName = Literal["client", "resource"]
M = TypeVar("M", ClientMetadata, ResourceMetadata)

BEGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
SECRET: Final = "secret"
"""What stands for a client's secrets among the members that differ."""


class EntryRefused(ClientRefused):
    """A client or a resource can't be as it is wanted.

    Args:
        kind: ``client`` or ``resource``.
        name: its id or its audience.
        error: why.
    """

    def __init__(self, kind: KindName, name: str, error: ClientRefused) -> None:
        super().__init__(str(error), code=error.code, member=error.member)
        self.kind = kind
        self.name = name


class DescribedClient(NamedTuple):
    """A client as it is to be.

    Attributes:
        metadata: its metadata.
        secrets: the hashes of its secrets; None leaves them as they are.
    """

    metadata: ClientMetadata
    secrets: Secrets | None = None

    def after(self, client_id: str, before: Client | None, now: int) -> Client:
        """Give the client that it will be.

        Args:
            client_id: its id.
            before: what it is, or None where it is new.
            now: microseconds since 1970.

        Raises:
            ClientRefused: if it needs a secret and has none, or has one and needs none.
        """
        secrets = self.secrets
        if not self.metadata.has_secret:
            if secrets is not None:
                method = self.metadata.token_endpoint_auth_method
                text = f"a client with the token_endpoint_auth_method {method} has no secret"
                raise ClientRefused(text, member="secret_sha256")
            return Client(client_id, Secrets(), self.metadata)
        if secrets is None and before is not None:
            secrets = before.secrets
        if secrets is None or secrets.current is None:
            raise ClientRefused(
                "a client that is made here needs secret_sha256 or secret_file, or another "
                "token_endpoint_auth_method",
                member="token_endpoint_auth_method",
            )
        return Client(client_id, secrets.at(now), self.metadata)


class Configuration(NamedTuple):
    """What there is to be.

    Attributes:
        clients: by their ids.
        resources: by their audiences.
    """

    clients: Mapping[str, DescribedClient]
    resources: Mapping[str, ResourceMetadata]

    def of(self, kind: KindName) -> Collection[str]:
        """Give the names of one kind."""
        return self.clients if kind == "client" else self.resources


class Change(NamedTuple):
    """One client or resource that is made, changed or removed.

    Attributes:
        kind: which of the two.
        name: its id or its audience.
        before: what it is, or None.
        after: what it will be, or None.
    """

    kind: KindName
    name: str
    before: Client | Resource | None
    after: Client | Resource | None = None

    @property
    def action(self) -> str:
        """What is done: ``create``, ``change`` or ``remove``."""
        if self.before is None:
            return "create"
        return "remove" if self.after is None else "change"

    @property
    def members(self) -> dict[str, tuple[Any, Any]]:
        """The members that differ, before and after, as JSON holds them.

        What is new is compared with the defaults. Of a secret it tells how its hash begins.
        """
        if self.after is None:
            return {}
        after = _builtins(self.after.metadata)
        before = _builtins(
            type(self.after.metadata)() if self.before is None else self.before.metadata
        )
        found = {
            name: (before[name], value) for name, value in after.items() if before[name] != value
        }
        was, will = _secrets(self.before), _secrets(self.after)
        return found if was == will else {**found, SECRET: (_told(was), _told(will))}

    @property
    def differs(self) -> bool:
        """Whether there is anything to do."""
        return self.before is None or self.after is None or bool(self.members)


class Plan(NamedTuple):
    """What makes the registry as it is to be.

    Attributes:
        changes: in the order in which they are made.
        number: of the last change of the registry that the plan knows of.
        others: what would be removed where that was asked for.
    """

    changes: list[Change]
    number: int
    others: Collection[Change] = ()


def utc(moment: int) -> datetime:
    """Give a moment, in microseconds since 1970, as a date; one that no date holds as the last."""
    return BEGIN + timedelta(microseconds=max(0, min(moment, microseconds(LAST))))


def microseconds(date: datetime) -> int:
    """Give a date as a moment, in microseconds since 1970."""
    return (date - BEGIN) // timedelta(microseconds=1)


@contextmanager
def refusing(kind: KindName, name: str, unreadable: Mapping[str, str]) -> Iterator[None]:
    """Say of which entry a check is, where it refuses; refuse one whose row can't be read.

    Raises:
        EntryRefused: where what is done here raises ``ClientRefused``.
    """
    try:
        if name in unreadable:
            raise ClientRefused(
                f"its row in the database can't be read ({unreadable[name]}): remove it with "
                f"`carnet {kind} remove`, or repair the row"
            )
        yield
    except ClientRefused as error:
        raise EntryRefused(kind, name, error) from None


def with_members(metadata: M, members: Mapping[str, Any]) -> M:
    """Give metadata in which some members have other values.

    Raises:
        ClientRefused: naming the member that is none, or has a value of another kind.
    """
    try:
        made = msgspec.convert({**_builtins(metadata), **members}, type(metadata))
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        name = place.partition("`")[0].partition("[")[0]
        raise ClientRefused(f"{name}: {text}", member=name) from None
    if isinstance(made, ClientMetadata) and made.profile is not None:
        for name, text in contradicted(made.profile, members):
            raise ClientRefused(text, member=name)
    return made


def _builtins(metadata: ClientMetadata | ResourceMetadata) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(metadata), type=dict)


def _secrets(one: Client | Resource | None) -> Secrets:
    return one.secrets if isinstance(one, Client) else Secrets()


def _told(secrets: Secrets) -> list[str]:
    told = []
    if secrets.current is not None:
        told.append(f"sha256 {secrets.current.hex()[:12]}…")
    if secrets.previous is not None:
        until = "it is removed"
        if secrets.previous_until is not None:
            until = utc(secrets.previous_until).isoformat()
        told.append(f"previous sha256 {secrets.previous.hex()[:12]}…, until {until}")
    return told
