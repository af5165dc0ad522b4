"""The administration over HTTP: clients, resources and accounts.

For first-party tokens of accounts with the administrator's role, and for those of clients that
were granted the scope ``carnet:admin`` by such an account.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.accounts import Account, AccountRefused
from carnet.server.accounts.passwords import MAX_PASSWORD, TooBusy
from carnet.server.audit import Origin
from carnet.server.clients.clients import FIRST_PARTY_CLIENT, Client, ClientMetadata, ClientRefused
from carnet.server.clients.resources import Resource, ResourceMetadata
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.tokens.logout_notices import LogoutFailure
from carnet.server.web.bearer import administrator_claims, origin_of
from carnet.server.web.requests import NO_STORE, RequestRefused, answer, read_json

__all__ = [
    "OPERATIONS",
    "AccountDocument",
    "Asked",
    "Operation",
    "Text",
    "account_document",
    "administer",
    "named_account",
    "parameter",
]

STATUS: Final = {
    **dict.fromkeys(("unknown_client", "unknown_resource", "account_unknown"), 404),
    "registry_changed": 409,
}
"""Of what is refused, by its code; of everything else 400."""
REGISTRATION_ERRORS: Final = frozenset(("invalid_redirect_uri", "invalid_client_metadata"))
"""Those of RFC 7591 section 3.2.2."""
MOST_ACCOUNTS: Final = 1000
MOST_CLIENTS: Final = 100
UNTIL_REMOVED: Final = "until-removed"

_SECONDS: Final = re.compile(r"[0-9]{1,9}")

Text = Annotated[str, Meta(max_length=1024)]


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


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to be made."""

    username: Text
    password: Annotated[str, Meta(max_length=MAX_PASSWORD)]
    roles: tuple[str, ...] = ()
    claims: dict[str, Any] = {}


class AccountChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of an account; what is left out stays as it is."""

    roles: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    claims: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET


class AccountDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An account.

    ``delete_at`` says when it is deleted, as its owner wants, in seconds since 1970; it is not
    there where nobody wants that.
    """

    id: str
    username: str
    roles: tuple[str, ...]
    claims: dict[str, Any]
    disabled: bool
    delete_at: int | msgspec.UnsetType = msgspec.UNSET


class AccountList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of accounts by username; the next one begins after its last."""

    accounts: list[AccountDocument]


class Asked(NamedTuple):
    """A request of an administrator's.

    Attributes:
        service: the service.
        request: the request.
        origin: who asks, and from where.
        body: what was sent, of the operation's type.
    """

    service: Service
    request: Request
    origin: Origin
    body: Any

    @property
    def name(self) -> str:
        """What the last part of the address names."""
        return str(self.request.path_params["name"])


class Operation(NamedTuple):
    """One thing that can be done, as the routes and the OpenAPI description tell of it.

    Attributes:
        method: the HTTP method.
        path: the address; ``{name}`` stands for what is named.
        work: does it, and gives what is answered.
        summary: what it does, in a sentence.
        body: the type of the request's JSON, or None.
        result: the type of the answer's JSON, or None for an empty one.
        status: of the answer.
        query: names of parameters in the query.
    """

    method: str
    path: str
    work: Callable[[Asked], Awaitable[Any]]
    summary: str
    body: type[Any] | None
    result: type[Any] | None
    status: int
    query: tuple[str, ...] = ()


def administer(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    """Make the endpoint of an operation."""

    async def endpoint(request: Request) -> Response:
        service: Service = request.app.state.service
        claims = await administrator_claims(request)
        body = None if operation.body is None else await read_json(request, operation.body)
        asked = Asked(service, request, origin_of(request, claims["sub"]), body)
        try:
            content = await operation.work(asked)
        except (ClientRefused, AccountRefused) as error:
            status = STATUS.get(error.code, 400)
            text = str(error).replace('"', "'")
            code = error.code if error.code in REGISTRATION_ERRORS else "invalid_request"
            raise RequestRefused(code, text, status) from None
        except TooBusy as error:
            raise RequestRefused(
                "temporarily_unavailable", str(error), 429, {"Retry-After": "2"}
            ) from None
        if operation.result is None:
            return Response(status_code=operation.status, headers=NO_STORE)
        return answer(msgspec.to_builtins(content), operation.status)

    # The figures of Prometheus name endpoints by this.
    endpoint.__name__ = operation.work.__name__.removeprefix("_")
    return endpoint


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
        raise RequestRefused("invalid_request", "after is a client_id")
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
            "invalid_request", f"keep_previous is a number of seconds, or {UNTIL_REMOVED}"
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


async def _list_accounts(asked: Asked) -> AccountList:
    after = parameter(asked, "after")
    if "\0" in after or not after.isprintable():
        raise RequestRefused("invalid_request", "after is a username")
    accounts = await asked.service.accounts.page(after, MOST_ACCOUNTS)
    return AccountList(accounts=[account_document(one) for one in accounts])


async def _add_account(asked: Asked) -> AccountDocument:
    given: NewAccount = asked.body
    made = await asked.service.accounts.create(
        given.username, given.password, given.roles, given.claims, asked.origin
    )
    return account_document(made)


async def _show_account(asked: Asked) -> AccountDocument:
    return account_document(await named_account(asked))


async def _change_account(asked: Asked) -> AccountDocument:
    account = await named_account(asked)
    given = msgspec.structs.asdict(asked.body)
    changes = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    await asked.service.accounts.change(account.id, asked.origin, **changes)
    return account_document(await named_account(asked))


async def _delete_account(asked: Asked) -> None:
    account = await named_account(asked)
    await asked.service.deletions.delete(account.id, asked.origin)


def parameter(asked: Asked, name: str) -> str:
    """Give the one parameter that the query may have, or "".

    Raises:
        RequestRefused: if there is another one, or the same twice.
    """
    given = asked.request.query_params
    if set(given) - {name} or len(given) != len(given.multi_items()):
        raise RequestRefused("invalid_request", f"the only parameter is {name}, once")
    return given.get(name, "")


async def named_account(asked: Asked) -> Account:
    """Give the account that the address of a request names.

    Raises:
        AccountRefused: ``account_unknown``.
    """
    account = None if "\0" in asked.name else await asked.service.accounts.by_id(asked.name)
    if account is None:
        raise AccountRefused("there is no such account", code="account_unknown")
    return account


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


def account_document(account: Account) -> AccountDocument:
    """Write an account as it is told."""
    return AccountDocument(
        id=account.id,
        username=account.username,
        roles=account.roles,
        claims=account.claims,
        disabled=account.disabled,
        delete_at=msgspec.UNSET if account.delete_at is None else account.delete_at // SECOND,
    )


_CLIENT, _RESOURCE, _ACCOUNT = "/clients/{name}", "/resources/{name}", "/accounts/{name}"

OPERATIONS: Final = (
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
    Operation(
        *("GET", "/accounts", _list_accounts, "List the accounts", None, AccountList, 200),
        ("after",),
    ),
    Operation(
        "POST", "/accounts", _add_account, "Make an account", NewAccount, AccountDocument, 201
    ),
    Operation("GET", _ACCOUNT, _show_account, "Show an account", None, AccountDocument, 200),
    Operation(
        *("PATCH", _ACCOUNT, _change_account, "Change an account"),
        *(AccountChange, AccountDocument, 200),
    ),
    Operation(
        *("DELETE", _ACCOUNT, _delete_account),
        "Delete an account at once, and end its sessions",
        *(None, None, 204),
    ),
)
