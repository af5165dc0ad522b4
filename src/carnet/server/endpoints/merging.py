"""The administration over HTTP: accounts that are merged, shown before it is done."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.merging import Merge
from carnet.server.endpoints.account_administration import (
    AccountDocument,
    account_document,
    named_account,
)
from carnet.server.endpoints.administration import Asked, Operation, Text, parameter

__all__ = ["MERGING_OPERATIONS"]


class IdentityName(msgspec.Struct, frozen=True, kw_only=True):
    """An identity at another issuer."""

    issuer: str
    subject: str


class MergeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What happens if an account is merged into another.

    ``identities``, ``emails`` and the consents to ``applications`` move. ``lost_roles`` the other
    account has not, and does not get. ``digest`` is sent back to do it.
    """

    account: str
    username: str
    into: str
    into_username: str
    identities: list[IdentityName]
    emails: tuple[str, ...]
    applications: tuple[str, ...]
    lost_roles: tuple[str, ...]
    digest: str


class MergeOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Into which account one is merged; ``digest`` is of what was shown."""

    into: Text
    digest: Annotated[str, Meta(max_length=64)]


async def _show_merge(asked: Asked) -> MergeDocument:
    account = await named_account(asked)
    into = await _other(asked, parameter(asked, "into"))
    return _document(await asked.service.merges.preview(account.id, into, asked.origin))


async def _merge_account(asked: Asked) -> AccountDocument:
    account, order = await named_account(asked), asked.body
    into = await _other(asked, order.into)
    await asked.service.merges.merge(account.id, into, order.digest, asked.origin)
    stays = await asked.service.accounts.by_id(into)
    if stays is None:
        raise AccountRefused("there is no such account", code="account_unknown")
    return account_document(stays)


async def _other(asked: Asked, account_id: str) -> str:
    """Give the id of the account that stays, where there is such a one that can be read."""
    account = None if "\0" in account_id else await asked.service.accounts.by_id(account_id)
    if account is None:
        raise AccountRefused(
            "there is no account with the id that into names", code="account_unknown"
        )
    return account.id


def _document(merge: Merge) -> MergeDocument:
    given = msgspec.structs.asdict(merge)
    identities = [IdentityName(issuer=one, subject=other) for one, other in merge.identities]
    return MergeDocument(**{**given, "identities": identities}, digest=merge.digest)


_MERGE: Final = "/accounts/{name}/merge"

MERGING_OPERATIONS: Final = (
    Operation(
        *("GET", _MERGE, _show_merge, "Tell what merging an account into another would do"),
        *(None, MergeDocument, 200),
        ("into",),
    ),
    Operation(
        *("POST", _MERGE, _merge_account),
        "Merge an account into another, as it was shown",
        *(MergeOrder, AccountDocument, 200),
    ),
)
