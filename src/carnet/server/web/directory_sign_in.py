"""Signing in with the password that somebody has in a company's directory.

    the name is that of            a directory is asked with
    ─────────────────────────────  ────────────────────────────────────────────────────────────
    nobody here                    the password that was typed
    an account without a password  the same
    an account with one            a password that nobody has, so that it takes as long; but the
                                   one that was typed where the account is somebody's there

Who has come is then found by the directory's UUID, as with providers, and by nothing else: whoever
is called as an account here gets no hold of it, and a local account goes on without any directory.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import structlog

from carnet.errors import CarnetError
from carnet.server.accounts.account_record import Account, AccountRefused, Refusal
from carnet.server.audit import Origin
from carnet.server.service import Service
from carnet.server.sessions.identity_rights import Rights
from carnet.server.sessions.session_record import HERE, Identified
from carnet.server.upstream.directories import DirectoryPerson
from carnet.server.upstream.kinds import KINDS
from carnet.server.upstream.mapping import is_let_in, map_claims, username_of
from carnet.server.upstream.provider import UpstreamRefused

__all__ = ["Known", "NotFromDirectory", "ask_directories"]

_log = structlog.get_logger()

TRY_AGAIN_SECONDS: Final = 60
KIND: Final = KINDS["openid"]


class Known(NamedTuple):
    """Whose a username and a password are.

    Attributes:
        account: who it is.
        identified: which directory has said so.
    """

    account: Account
    identified: Identified = HERE


class NotFromDirectory(CarnetError):
    """A directory lets somebody not in, or does not answer.

    Codes: ``directory_unavailable``, ``not_let_in``.

    Args:
        message: for whoever tries.
        code: why.
        cause: why, for the log.
        account_id: whom it is about, where that is known.
        seconds: how long to wait before the next attempt; 0 for not at all.
    """

    def __init__(
        self, message: str, code: str, cause: str, account_id: str | None, seconds: int = 0
    ) -> None:
        super().__init__(message, code=code)
        self.cause = cause
        self.account_id = account_id
        self.seconds = seconds


async def ask_directories(
    service: Service, username: str, password: str, refused: Refusal, origin: Origin
) -> Known | Refusal:
    """Give whose a username and a password are in a directory, where they were nobody's here.

    Args:
        service: the service.
        username: as it was typed.
        password: as it was typed.
        refused: why they were nobody's.
        origin: who asks.

    Raises:
        NotFromDirectory: where the password was right, or can't be checked.
        TooBusy: if too many sign in at this moment.
    """
    account_id = refused.account_id
    trusted: frozenset[str] | None = None
    if account_id is not None and await service.accounts.has_password(account_id):
        found = await service.identities.of_account(account_id)
        trusted = frozenset(one.issuer for one in found)
    try:
        person = await service.upstream.directories.sign_in(username, password, trusted)
        if person is None:
            return refused
        account = await _account_of(service, person, origin)
    except UpstreamRefused as error:
        if error.code == "unavailable":
            raise NotFromDirectory(
                "a directory that may know you does not answer; try again in a minute",
                "directory_unavailable",
                str(error),
                account_id,
                TRY_AGAIN_SECONDS,
            ) from None
        raise NotFromDirectory(
            "your password is right, but you can't use this service; ask those who run it for "
            "access",
            "not_let_in",
            error.code,
            account_id,
        ) from None
    said = person.said
    return Known(account, Identified(said.issuer, said.subject, None))


async def _account_of(service: Service, person: DirectoryPerson, origin: Origin) -> Account:
    """Give the account of somebody whose password was right, with what the directory says now.

    Raises:
        UpstreamRefused: with the reason as its code.
    """
    settings, said = person.settings, person.said
    if not is_let_in(settings, said.claims):
        raise UpstreamRefused("see `required`", code="not_let_in")
    mapped = map_claims(settings, KIND, said.claims, service.settings.admin_role)
    rights = Rights(mapped.roles, mapped.claims)
    account = await service.people.arrive(said, rights, origin)
    if account is not None:
        return account
    name = username_of(KIND, said.claims)
    if settings.provision != "create" or not name:
        raise UpstreamRefused("no account is linked", code="not_linked")
    try:
        account = await service.people.create_by_name(said, rights, name, origin)
    except AccountRefused as error:
        raise UpstreamRefused(str(error), code="not_linked") from None
    if account is None:
        # Made by another request of theirs at the same moment.
        account = await service.people.arrive(said, rights, origin)
    if account is None:
        raise UpstreamRefused("made at the same moment", code="account_changed")
    return account
