"""The administration over HTTP: links with which people choose a password, and their addresses."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from carnet.server.accounts.one_time_links import RESET
from carnet.server.accounts.recovery import Handed
from carnet.server.clock import SECOND
from carnet.server.endpoints.account_administration import (
    AccountDocument,
    account_document,
    named_account,
)
from carnet.server.endpoints.administration import Asked, Operation, Text, parameter

__all__ = ["RECOVERY_OPERATIONS"]


class Invitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to be made whose owner chooses the password; a link to that is also mailed."""

    username: Text
    roles: tuple[str, ...] = ()
    claims: dict[str, Any] = {}
    email: Text = ""


class LinkDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A link that is good once, until then (seconds since 1970); it is shown this once."""

    link: str
    expires_at: int


class InvitationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An account that was made, and the link with which its owner chooses a password."""

    account: AccountDocument
    link: str
    expires_at: int


class NewEmail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address of which the administrator knows that it is the account's."""

    email: Text


class EmailDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An address of an account; one that is not verified counts for nothing."""

    email: str
    verified: bool
    primary: bool


class EmailList(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of an account, the primary one first."""

    emails: list[EmailDocument]


async def _invite(asked: Asked) -> InvitationDocument:
    given: Invitation = asked.body
    account, handed = await asked.service.recovery.invite(
        given.username, asked.origin, given.roles, given.claims, given.email
    )
    link = _link(handed)
    return InvitationDocument(
        account=account_document(account), link=link.link, expires_at=link.expires_at
    )


async def _make_reset_link(asked: Asked) -> LinkDocument:
    account = await named_account(asked)
    return _link(await asked.service.recovery.hand_over(account.id, RESET, asked.origin))


async def _list_emails(asked: Asked) -> EmailList:
    account = await named_account(asked)
    return EmailList(
        emails=[
            EmailDocument(
                email=one.address, verified=one.verified_at is not None, primary=one.primary
            )
            for one in await asked.service.addresses.of_account(account.id)
        ]
    )


async def _add_email(asked: Asked) -> EmailList:
    account, given = await named_account(asked), asked.body
    await asked.service.addresses.add_verified(account.id, given.email, asked.origin)
    return await _list_emails(asked)


async def _remove_email(asked: Asked) -> None:
    account = await named_account(asked)
    await asked.service.addresses.remove(account.id, parameter(asked, "email"), asked.origin)


def _link(handed: Handed) -> LinkDocument:
    return LinkDocument(link=handed.link, expires_at=handed.expires_at // SECOND)


_ACCOUNT: Final = "/accounts/{name}"
_EMAILS: Final = f"{_ACCOUNT}/emails"

RECOVERY_OPERATIONS: Final = (
    Operation(
        *("POST", "/invitations", _invite),
        "Make an account, and a link with which its owner chooses the password",
        *(Invitation, InvitationDocument, 201),
    ),
    Operation(
        *("POST", f"{_ACCOUNT}/reset-link", _make_reset_link),
        "Make a link with which the owner of an account sets another password",
        *(None, LinkDocument, 201),
    ),
    Operation(
        *("GET", _EMAILS, _list_emails, "List the addresses of an account"),
        *(None, EmailList, 200),
    ),
    Operation(
        *("POST", _EMAILS, _add_email, "Add an address that is known to be the account's"),
        *(NewEmail, EmailList, 201),
    ),
    Operation(
        *("DELETE", _EMAILS, _remove_email, "Remove an address of an account"),
        *(None, None, 204, ("email",)),
    ),
)
