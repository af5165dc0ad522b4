"""The administration of accounts over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from carnet.server.accounts.accounts import Account, AccountRefused
from carnet.server.accounts.passwords import MAX_PASSWORD
from carnet.server.clock import SECOND
from carnet.server.endpoints.administration import Asked, Operation, Text, parameter
from carnet.server.web.requests import RequestRefused

__all__ = ["ACCOUNT_OPERATIONS", "AccountDocument", "account_document", "named_account"]

MOST_ACCOUNTS: Final = 1000


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to be made."""

    username: Text
    password: Annotated[str, Meta(max_length=MAX_PASSWORD)]
    roles: tuple[str, ...] = ()
    claims: dict[str, Any] = {}


class AccountChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of an account; what is left out stays as it is."""

    username: Text | msgspec.UnsetType = msgspec.UNSET
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


async def _list_accounts(asked: Asked) -> AccountList:
    after = parameter(asked, "after")
    if "\0" in after or not after.isprintable():
        raise RequestRefused("invalid_request", "after must be a username")
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


async def named_account(asked: Asked) -> Account:
    """Give the account that the address of a request names.

    Raises:
        AccountRefused: ``account_unknown``.
    """
    account = None if "\0" in asked.name else await asked.service.accounts.by_id(asked.name)
    if account is None:
        raise AccountRefused("there is no such account", code="account_unknown")
    return account


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


_ACCOUNT = "/accounts/{name}"

ACCOUNT_OPERATIONS: Final = (
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
