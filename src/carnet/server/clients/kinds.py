"""The two kinds of records of the registry: how their rows are read, written and told of."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from carnet.server.audit import Event
from carnet.server.clients.clients import Client, client_of
from carnet.server.clients.records import Kind
from carnet.server.clients.resources import Resource, resource_of
from carnet.server.store import statements as sql

__all__ = ["CLIENTS", "RESOURCES", "columns_of"]

CLIENTS: Final = Kind(
    name="client",
    identifier="client_id",
    make=client_of,
    read=sql.CLIENTS,
    add=sql.ADD_CLIENT,
    replace=sql.REPLACE_CLIENT,
    remove=sql.REMOVE_CLIENT,
    created=Event.CLIENT_CREATED,
    changed=Event.CLIENT_CHANGED,
    removed=Event.CLIENT_REMOVED,
)
RESOURCES: Final = Kind(
    name="resource",
    identifier="audience",
    make=resource_of,
    read=sql.RESOURCES,
    add=sql.ADD_RESOURCE,
    replace=sql.REPLACE_RESOURCE,
    remove=sql.REMOVE_RESOURCE,
    created=Event.RESOURCE_CREATED,
    changed=Event.RESOURCE_CHANGED,
    removed=Event.RESOURCE_REMOVED,
)


def columns_of(one: Client | Resource) -> tuple[Any, ...]:
    """Give the columns of a row between its name and the moment when it was made."""
    metadata = msgspec.json.encode(one.metadata).decode()
    return (*one.secrets, metadata) if isinstance(one, Client) else (metadata,)
