"""The administration over HTTP: whom other issuers know an account as."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from carnet.server.clock import SECOND
from carnet.server.endpoints.account_administration import named_account
from carnet.server.endpoints.administration import Asked, Operation
from carnet.server.web.requests import RequestRefused

__all__ = ["IDENTITY_OPERATIONS"]

NAMES: Final = ("issuer", "subject")

Text = Annotated[str, Meta(max_length=2048)]


class NewIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom another issuer knows an account as: its ``iss`` and ``sub``."""

    issuer: Text
    subject: Text


class IdentityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Whom another issuer knows an account as, and since when (seconds since 1970)."""

    issuer: str
    subject: str
    since: int


class IdentityList(msgspec.Struct, frozen=True, kw_only=True):
    """The identities of an account, by issuer."""

    identities: list[IdentityDocument]


async def _list_identities(asked: Asked) -> IdentityList:
    account = await named_account(asked)
    return IdentityList(
        identities=[
            IdentityDocument(issuer=one.issuer, subject=one.subject, since=one.created_at // SECOND)
            for one in await asked.service.identities.of_account(account.id)
        ]
    )


async def _link_identity(asked: Asked) -> IdentityList:
    account, given = await named_account(asked), asked.body
    await asked.service.identities.link(account.id, given.issuer, given.subject, asked.origin)
    return await _list_identities(asked)


async def _unlink_identity(asked: Asked) -> None:
    account = await named_account(asked)
    given = asked.request.query_params.multi_items()
    if sorted(name for name, _ in given) != [*NAMES]:
        raise RequestRefused("invalid_request", "the parameters are issuer and subject, once each")
    if not all(value.isprintable() for _, value in given):
        raise RequestRefused("invalid_request", "issuer and subject must be printable text")
    named = dict(given)
    await asked.service.identities.unlink(
        account.id, named["issuer"], named["subject"], asked.origin
    )


_PATH: Final = "/accounts/{name}/identities"

IDENTITY_OPERATIONS: Final = (
    Operation(
        *("GET", _PATH, _list_identities, "List whom other issuers know an account as"),
        *(None, IdentityList, 200),
    ),
    Operation(
        *("POST", _PATH, _link_identity, "Link a subject of another issuer to an account"),
        *(NewIdentity, IdentityList, 201),
    ),
    Operation(
        *("DELETE", _PATH, _unlink_identity, "Unlink a subject of another issuer"),
        *(None, None, 204, NAMES),
    ),
)
