"""The administration of clients and resources over HTTP."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from carnet.server.clients.clients import FIRST_PARTY_CLIENT, Client, ClientMetadata, ClientRefused
from carnet.server.clients.resources import Resource, ResourceMetadata
from carnet.server.clock import SECOND
from carnet.server.endpoints.administration import Asked, Operation, Text, parameter
from carnet.server.tokens.logout_notices import LogoutFailure
from carnet.server.web.requests import RequestRefused

__all__ = ["CLIENT_OPERATIONS"]

MOST_CLIENTS: Final = 100
UNTIL_REMOVED: Final = "until-removed"

_SECONDS: Final = re.compile(r"[0-9]{1,9}")


class NewClient(ClientMetadata, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client to be made; its id is random unless one is chosen."""

    client_id: Text | None = None


class LogoutFailureDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why a client can't be told of ended sessions."""

    since: int
    cause: str


class ClientDocument(ClientMetadata, frozen=True, kw_only=True):
    """A client; its secret stands here only where it was made just now.

    ``previous_secret_expires_at`` says when the secret before the current one stops working
    (seconds since 1970, 0 for not by itself); it is not there where there is none.

    ``logout_failure`` says that sign-out notices to it fail, since when (seconds since 1970) and
    why; it is not there where they don't.

    ``unregistered`` is there, and true, where no administrator has registered it.
    """

    client_id: str
    client_id_issued_at: int
    client_secret: str | msgspec.UnsetType = msgspec.UNSET
    previous_secret_expires_at: int | msgspec.UnsetType = msgspec.UNSET
    logout_failure: LogoutFailureDocument | msgspec.UnsetType = msgspec.UNSET
    unregistered: bool | msgspec.UnsetType = msgspec.UNSET


class UnreadableClient(msgspec.Struct, frozen=True, kw_only=True):
    """A client whose row in the database can't be read: it gets no tokens, and can be removed."""

    client_id: str
    reason: str


class ClientList(msgspec.Struct, frozen=True, kw_only=True):
    """Every client."""

    clients: list[ClientDocument]
    unreadable: list[UnreadableClient] = []


class UnregisteredClientList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of clients that no administrator has registered, by id.

    The next one begins after ``last``, which is not there where this is the end.
    """

    clients: list[ClientDocument]
    unreadable: list[UnreadableClient] = []
    last: str | msgspec.UnsetType = msgspec.UNSET


class ClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A new secret, shown once."""

    client_id: str
    client_secret: str


class NewResource(ResourceMetadata, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource to be made."""

    audience: Text


class ResourceDocument(ResourceMetadata, frozen=True, kw_only=True):
    """What tokens may be for."""

    audience: str


class ResourceList(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that tokens may be for."""

    resources: list[ResourceDocument]


async def _list_clients(asked: Asked) -> ClientList:
    registry = asked.service.registry
    failures = await asked.service.logout_notices.failures()
    unreadable = sorted(registry.unreadable_clients.items())
    return ClientList(
        clients=[
            _client_document(asked, one, failure=failures.get(one.id)) for one in registry.clients()
        ],
        unreadable=[UnreadableClient(client_id=one, reason=reason) for one, reason in unreadable],
    )


async def _list_unregistered_clients(asked: Asked) -> UnregisteredClientList:
    after = parameter(asked, "after")
    if not after.isascii() or not after.isprintable():
        raise RequestRefused("invalid_request", "after must be a client_id")
    clients = asked.service.registry.unregistered
    found, unreadable, last = await clients.page(after, MOST_CLIENTS)
    return UnregisteredClientList(
        clients=[_client_document(asked, one.client) for one in found],
        unreadable=[
            UnreadableClient(client_id=one, reason=reason) for one, reason in unreadable.items()
        ],
        last=msgspec.UNSET if last is None else last,
    )


async def _add_client(asked: Asked) -> ClientDocument:
    members = msgspec.structs.asdict(asked.body)
    client_id = members.pop("client_id")
    registry = asked.service.registry
    made = await registry.add_client(ClientMetadata(**members), asked.origin, client_id)
    return _client_document(asked, *made)


async def _show_client(asked: Asked) -> ClientDocument:
    found = await asked.service.registry.find(asked.name)
    if found is None or found is FIRST_PARTY_CLIENT:
        raise ClientRefused("there is no such client", code="unknown_client")
    failures = await asked.service.logout_notices.failures()
    return _client_document(asked, found, failure=failures.get(found.id))


async def _replace_client(asked: Asked) -> ClientDocument:
    registry = asked.service.registry
    made = await registry.replace_client(asked.name, asked.body, asked.origin)
    return _client_document(asked, *made)


async def _remove_client(asked: Asked) -> None:
    await asked.service.registry.remove_client(asked.name, asked.origin)


async def _new_secret(asked: Asked) -> ClientSecret:
    text = parameter(asked, "keep_previous") or "0"
    if text != UNTIL_REMOVED and _SECONDS.fullmatch(text) is None:
        raise RequestRefused(
            "invalid_request", f"keep_previous must be a number of seconds, or {UNTIL_REMOVED}"
        )
    kept = None if text == UNTIL_REMOVED else int(text)
    secret = await asked.service.registry.new_secret(asked.name, asked.origin, kept)
    return ClientSecret(client_id=asked.name, client_secret=secret)


async def _remove_previous_secret(asked: Asked) -> None:
    await asked.service.registry.remove_previous_secret(asked.name, asked.origin)


async def _list_resources(asked: Asked) -> ResourceList:
    registry = asked.service.registry
    found = (registry.resource(audience) for audience in registry.audiences)
    return ResourceList(resources=[_resource_document(one) for one in found if one is not None])


async def _add_resource(asked: Asked) -> ResourceDocument:
    members = msgspec.structs.asdict(asked.body)
    audience, metadata = members.pop("audience"), ResourceMetadata(**members)
    made = await asked.service.registry.add_resource(audience, metadata, asked.origin)
    return _resource_document(made)


async def _replace_resource(asked: Asked) -> ResourceDocument:
    registry = asked.service.registry
    return _resource_document(await registry.replace_resource(asked.name, asked.body, asked.origin))


async def _remove_resource(asked: Asked) -> None:
    await asked.service.registry.remove_resource(asked.name, asked.origin)


def _client_document(
    asked: Asked, client: Client, secret: str | None = None, failure: LogoutFailure | None = None
) -> ClientDocument:
    document: LogoutFailureDocument | msgspec.UnsetType = msgspec.UNSET
    if failure is not None:
        document = LogoutFailureDocument(since=failure.since // SECOND, cause=failure.cause)
    until = client.secrets.at(asked.service.clock()).previous_expires_at
    return ClientDocument(
        **msgspec.structs.asdict(client.metadata),
        client_id=client.id,
        client_id_issued_at=client.created_at // SECOND,
        client_secret=msgspec.UNSET if secret is None else secret,
        previous_secret_expires_at=msgspec.UNSET if until is None else until,
        logout_failure=document,
        unregistered=client.unregistered or msgspec.UNSET,
    )


def _resource_document(resource: Resource) -> ResourceDocument:
    return ResourceDocument(**msgspec.structs.asdict(resource.metadata), audience=resource.audience)


_CLIENT, _RESOURCE = "/clients/{name}", "/resources/{name}"

CLIENT_OPERATIONS: Final = (
    Operation("GET", "/clients", _list_clients, "List the clients", None, ClientList, 200),
    Operation("POST", "/clients", _add_client, "Make a client", NewClient, ClientDocument, 201),
    Operation(
        *("GET", "/unregistered-clients", _list_unregistered_clients),
        "List the clients that no administrator has registered",
        None,
        *(UnregisteredClientList, 200, ("after",)),
    ),
    # A client's id may have slashes: what is below one comes first.
    Operation(
        *("POST", f"{_CLIENT}/secret", _new_secret, "Give a client another secret"),
        *(None, ClientSecret, 201, ("keep_previous",)),
    ),
    Operation(
        *("DELETE", f"{_CLIENT}/previous-secret", _remove_previous_secret),
        "End the secret that a client had before its current one",
        *(None, None, 204),
    ),
    Operation("GET", _CLIENT, _show_client, "Show a client", None, ClientDocument, 200),
    Operation(
        *("PUT", _CLIENT, _replace_client, "Replace what is known of a client"),
        *(ClientMetadata, ClientDocument, 200),
    ),
    Operation(
        *("DELETE", _CLIENT, _remove_client, "Remove a client, and end its sessions"),
        *(None, None, 204),
    ),
    Operation("GET", "/resources", _list_resources, "List the resources", None, ResourceList, 200),
    Operation(
        *("POST", "/resources", _add_resource, "Make a resource"),
        *(NewResource, ResourceDocument, 201),
    ),
    Operation(
        *("PUT", _RESOURCE, _replace_resource, "Replace what is known of a resource"),
        *(ResourceMetadata, ResourceDocument, 200),
    ),
    Operation("DELETE", _RESOURCE, _remove_resource, "Remove a resource", None, None, 204),
)
