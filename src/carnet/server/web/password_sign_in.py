"""Signing in with a username and a password, for programs and pages alike.

Attempts are throttled and written down. Whoever has a second factor is asked for it: ``sign_in``
and ``complete`` are the only ways to a ``SignedIn``, and no session of a password, or of what a
provider says, begins without one. Until the password was right, nothing tells whether there is a
second factor, or an account.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

import structlog

from carnet.errors import CarnetError
from carnet.server.accounts.accounts import Account, AccountRefused, Refusal
from carnet.server.accounts.passwords import TooBusy
from carnet.server.accounts.throttle import Attempt, Delayed
from carnet.server.audit import Event, Origin, record
from carnet.server.factors.levels import (
    ACR_VALUES,
    PASSWORD,
    acr_of,
    demanded_of,
    highest,
    reaches,
    with_second,
)
from carnet.server.metrics import SIGN_INS
from carnet.server.service import Service
from carnet.server.sessions.session_record import HERE, Identified
from carnet.server.store import Transaction
from carnet.server.web.directory_sign_in import Known, NotFromDirectory, ask_directories

__all__ = [
    "SecondFactorNeeded",
    "SignInRefused",
    "SignedIn",
    "account_changing",
    "add_password",
    "ask_for_account",
    "change_password",
    "complete",
    "in_turn",
    "make_account",
    "sign_in",
    "write_down",
]

_log = structlog.get_logger()


class SignInRefused(CarnetError):
    """Somebody can't be signed in.

    Codes: ``credentials_wrong``, ``code_wrong``, ``passkey_wrong``, ``too_many_failures``,
    ``too_busy``, ``account_changing``, ``directory_unavailable``, ``not_let_in``.

    Args:
        message: for whoever tries.
        code: why.
        seconds: how long to wait before the next attempt; 0 for not at all.
    """

    def __init__(self, message: str, code: str, seconds: int = 0) -> None:
        super().__init__(message, code=code)
        self.seconds = seconds


class SignedIn(NamedTuple):
    """What somebody has proved.

    Attributes:
        account: who it is.
        amr: how, names of RFC 8176 with spaces between them.
        authenticated_at: when the first factor was proved, in microseconds since 1970.
        identified: which provider has said who it is.
        attempts: that were right, and whose slots the transaction gives back that begins a session.
    """

    account: Account
    amr: str
    authenticated_at: int
    identified: Identified = HERE
    attempts: tuple[Attempt, ...] = ()


class SecondFactorNeeded(CarnetError):
    """The password was right, or a provider knows who it is, and that is not enough.

    Args:
        proved: what is proved so far.
        kinds: of the factors that the account has; without any, it has to add one.
    """

    code = "second_factor_required"

    def __init__(self, proved: SignedIn, kinds: tuple[str, ...]) -> None:
        super().__init__(
            "the account has a second factor: send a code of it, as the member code"
            if kinds
            else "the account must have a second factor, and has none: sign in with a browser once"
        )
        self.proved = proved
        self.kinds = kinds


@asynccontextmanager
async def sign_in(
    service: Service,
    username: str,
    password: str,
    origin: Origin,
    device: str = "",
    code: str = "",
    remembered: bytes = b"",
) -> AsyncIterator[SignedIn]:
    """Sign somebody in with a username and a password, and begin a session within.

    Its transaction gives the slots back; where no session begins, that is done at the end.

    Args:
        service: the service.
        username: as it was typed.
        password: as it was typed.
        origin: who asks.
        device: names the browser, if the account is known to have signed in with it; else "".
        code: of the second factor, as it was typed, or "".
        remembered: what the browser shows to be one that is remembered.

    Raises:
        SignInRefused: a failure counts against the address and the account.
        SecondFactorNeeded: as ``complete``.
    """
    slots = service.throttle.sign_in(username, origin.address, device)
    async with in_turn(slots, origin.address) as attempt:
        found = await _check_password(service, username, password, origin)
        attempt.succeed()
        proved = SignedIn(
            found.account, PASSWORD, service.clock(), found.identified, attempts=(attempt,)
        )
        async with complete(service, proved, origin, device, code, remembered) as signed_in:
            yield signed_in


@asynccontextmanager
async def complete(
    service: Service,
    proved: SignedIn,
    origin: Origin,
    device: str = "",
    code: str = "",
    remembered: bytes = b"",
) -> AsyncIterator[SignedIn]:
    """Decide whether what somebody has proved is enough, and take the code where there is one.

    A session begins within, as in ``sign_in``.

    Args:
        service: the service.
        proved: what was proved so far.
        origin: who asks.
        device: names the browser, if the account is known to have signed in with it; else "".
        code: of the second factor, as it was typed, or "".
        remembered: what the browser shows to be one that is remembered; it stands for the second
            factor where none is demanded, and proves none.

    Raises:
        SignInRefused: a wrong code counts against the account.
        SecondFactorNeeded: if there has to be a code.
    """
    account, reached = proved.account, acr_of(proved.amr)
    kinds = await service.factors.kinds(account.id)
    least = demanded_of(account.roles, service.settings)
    # Whoever has a second factor is asked for it, whatever else is demanded.
    if reaches(reached, highest(least, ACR_VALUES[bool(kinds)])):
        yield proved
    elif kinds and code:
        slots = service.throttle.second_factor(account.id, device)
        async with in_turn(slots, origin.address) as attempt:
            amr = await _check_code(service, account, code, origin)
            attempt.succeed()
            attempts = (*proved.attempts, attempt)
            yield proved._replace(amr=with_second(proved.amr, amr), attempts=attempts)
    elif reaches(reached, least) and await service.remembered_browsers.knows(
        account.id, remembered
    ):
        yield proved
    else:
        raise SecondFactorNeeded(proved, kinds)


async def _check_code(service: Service, account: Account, code: str, origin: Origin) -> str:
    """Give how the code of a second factor proves who it is."""
    amr = await service.factors.check_code(account, code, origin)
    if amr is None:
        about = "wrong_code", account.id
        await write_down(service, Event.SECOND_FACTOR_REFUSED, *about, origin)
        raise SignInRefused("the code is wrong, or was used before", "code_wrong")
    return amr


async def _check_password(service: Service, username: str, password: str, origin: Origin) -> Known:
    """Give whose a username and a password are: here, or else in a directory.

    A directory is asked in every case but that of a password that was right here: how long the
    answer takes tells nothing, and neither does what is answered where one is down.
    """
    try:
        account = await service.accounts.check(username, password)
        found = account if isinstance(account, Refusal) else Known(account)
        if isinstance(found, Refusal) and service.upstream.directories.labels:
            found = await ask_directories(service, username, password, found, origin)
    except NotFromDirectory as error:
        about = "not_from_directory", error.account_id
        await write_down(service, Event.SIGN_IN_REFUSED, *about, origin, cause=error.cause)
        raise SignInRefused(str(error), error.code, error.seconds) from None
    if isinstance(found, Refusal):
        about = "wrong_username_or_password", found.account_id
        await write_down(service, Event.SIGN_IN_REFUSED, *about, origin, cause=found.reason)
        raise SignInRefused("the username or the password is wrong", "credentials_wrong")
    return found


async def make_account(service: Service, username: str, password: str, origin: Origin) -> SignedIn:
    """Make an account for somebody who asks for one, and sign that one in.

    Raises:
        AccountRefused: as ``Accounts.create``.
        SignInRefused: whoever makes many accounts has to wait, like whoever fails often.
    """
    async with in_turn(service.throttle.sign_up(origin.address)) as attempt:
        try:
            _check_chosen(service, username)
            account = await service.accounts.create(username, password, origin=origin)
        except AccountRefused as error:
            if error.code not in ("username_taken", "username_alike"):
                attempt.forgive()
            raise
    proved = SignedIn(account, PASSWORD, service.clock())
    async with complete(service, proved, origin) as signed_in:
        return signed_in


async def ask_for_account(service: Service, username: str, email: str, origin: Origin) -> None:
    """Make an account for somebody who then chooses the password by a link that is mailed.

    Raises:
        AccountRefused: as ``Recovery.sign_up``.
        SignInRefused: whoever makes many accounts has to wait.
    """
    async with in_turn(service.throttle.sign_up(origin.address)) as attempt:
        try:
            _check_chosen(service, username)
            await service.recovery.sign_up(username, email, origin)
        except AccountRefused as error:
            if error.code not in ("username_taken", "username_alike"):
                attempt.forgive()
            raise


def _check_chosen(service: Service, username: str) -> None:
    if service.outbox.is_open and "@" in username:
        # Whoever has an address signs in with it: no stranger can have it as a username.
        raise AccountRefused(
            "a username has no @ here: an address is added to the account by itself",
            code="username_invalid",
            member="username",
        )


async def change_password(
    service: Service, account: Account, passwords: tuple[str, str], session_id: str, origin: Origin
) -> None:
    """Change the password of somebody who is signed in; all their other sessions end.

    Args:
        service: the service.
        account: whose.
        passwords: the current one, and the new one.
        session_id: of the session that asked; it lives on.
        origin: who asked.

    Raises:
        AccountRefused: if the new password can't be taken, or ``account_changed``.
        SignInRefused: as ``check_password``.
    """
    current, new = passwords
    async with in_turn(service.throttle.password_change(account.id)) as attempt:
        try:
            right = await service.accounts.change_password(
                account, current, new, session_id, origin
            )
        except AccountRefused:
            # Nothing was looked at, or the current password was right.
            attempt.forgive()
            raise
        if right:
            attempt.succeed()
    if not right:
        _log.info("password_change_refused", account=account.id, address=origin.address)
        raise SignInRefused("the current password is wrong", "credentials_wrong")


async def add_password(
    service: Service, account: Account, new: str, session_id: str, origin: Origin
) -> None:
    """Add a password for somebody who is signed in and has none; their other sessions end.

    Raises:
        AccountRefused: as ``Accounts.add_password``.
        SignInRefused: ``too_many_failures`` or ``too_busy``.
    """
    async with in_turn(service.throttle.password_change(account.id)) as attempt:
        attempt.forgive()
        await service.accounts.add_password(account, new, session_id, origin)


def account_changing() -> SignInRefused:
    """Make the error for an account that has changed while its password was being checked."""
    text = "the account is being changed at this moment; try again"
    return SignInRefused(text, "account_changing", 1)


@asynccontextmanager
async def in_turn(
    slots: AbstractAsyncContextManager[Attempt], address: str = ""
) -> AsyncIterator[Attempt]:
    """Do something once there is a slot for it; where nobody has time for it, none is taken.

    Args:
        slots: takes them.
        address: from where somebody signs in, who is told of in the log where that has to wait.

    Raises:
        SignInRefused: ``too_many_failures`` or ``too_busy``.
    """
    try:
        async with slots as attempt:
            try:
                yield attempt
            except TooBusy:
                attempt.forgive()
                raise
    except (Delayed, TooBusy) as error:
        SIGN_INS.labels("delayed").inc()
        if address:
            _log.info("sign_in_refused", reason=error.code, address=address)
        seconds = error.seconds if isinstance(error, Delayed) else 2
        raise SignInRefused(str(error), error.code, seconds) from None


async def write_down(
    service: Service,
    event: Event,
    reason: str,
    account_id: str | None,
    origin: Origin,
    cause: str = "",
) -> None:
    """Write down that somebody was refused.

    Args:
        service: the service.
        event: what for the audit log.
        reason: why, for the audit log.
        account_id: whom it is about, where that is known.
        origin: who has tried.
        cause: why, for the log, where that says more.
    """
    SIGN_INS.labels("refused").inc()
    # Without what was typed: it may be a password, in the wrong field.
    _log.info(
        "sign_in_refused",
        reason=cause or reason,
        account=account_id,
        address=origin.address,
    )

    def work() -> Transaction[None]:
        if (yield from service.throttle.audited(origin.address)):
            about = {"account_id": account_id, "reason": reason}
            yield from record(service.clock(), event, origin, **about)

    await service.store.transact(work)
