"""Checking a username and a password, for programs and pages alike: throttled and written down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from carnet.errors import CarnetError
from carnet.server.accounts.accounts import Account, AccountRefused, Refusal
from carnet.server.accounts.passwords import TooBusy
from carnet.server.accounts.throttle import Attempt, Delayed
from carnet.server.audit import Event, Origin, record
from carnet.server.metrics import SIGN_INS
from carnet.server.service import Service
from carnet.server.store import Transaction

__all__ = [
    "SignInRefused",
    "account_changing",
    "change_password",
    "check_password",
    "make_account",
]

_log = structlog.get_logger()


class SignInRefused(CarnetError):
    """Somebody can't be signed in.

    Codes: ``credentials_wrong``, ``too_many_failures``, ``too_busy``, ``account_changing``.

    Args:
        message: for whoever tries.
        code: why.
        seconds: how long to wait before the next attempt; 0 for not at all.
    """

    def __init__(self, message: str, code: str, seconds: int = 0) -> None:
        super().__init__(message, code=code)
        self.seconds = seconds


async def check_password(
    service: Service, username: str, password: str, origin: Origin, device: str = ""
) -> Account:
    """Give the account of a username and a password.

    Args:
        service: the service.
        username: as it was typed.
        password: as it was typed.
        origin: who asks.
        device: names the browser, if the account is known to have signed in with it; else "".

    Raises:
        SignInRefused: a failure counts against the address and the account.
    """
    try:
        async with _in_turn(service.throttle.sign_in(username, origin.address, device)) as attempt:
            found = await service.accounts.check(username, password)
            if isinstance(found, Account):
                attempt.succeed()
    except SignInRefused as error:
        _log.info("sign_in_refused", reason=error.code, address=origin.address)
        raise
    if isinstance(found, Refusal):
        await _write_down(service, found, origin)
        raise SignInRefused("the username or the password is wrong", "credentials_wrong")
    return found


async def make_account(service: Service, username: str, password: str, origin: Origin) -> Account:
    """Make an account for somebody who asks for one.

    Raises:
        AccountRefused: as ``Accounts.create``.
        SignInRefused: whoever makes many accounts has to wait, like whoever fails often.
    """
    async with _in_turn(service.throttle.sign_up(origin.address)) as attempt:
        try:
            return await service.accounts.create(username, password, origin=origin)
        except AccountRefused as error:
            if error.code not in ("username_taken", "username_alike"):
                attempt.forgive()
            raise


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
    async with _in_turn(service.throttle.password_change(account.id)) as attempt:
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


def account_changing() -> SignInRefused:
    """Make the error for an account that has changed while its password was being checked."""
    text = "the account is being changed at this moment; try again"
    return SignInRefused(text, "account_changing", 1)


@asynccontextmanager
async def _in_turn(slots: AbstractAsyncContextManager[Attempt]) -> AsyncIterator[Attempt]:
    """Do something once there is a slot for it; where nobody has time for it, none is taken."""
    try:
        async with slots as attempt:
            try:
                yield attempt
            except TooBusy:
                attempt.forgive()
                raise
    except Delayed as error:
        SIGN_INS.labels("delayed").inc()
        raise SignInRefused(str(error), error.code, error.seconds) from None
    except TooBusy as error:
        SIGN_INS.labels("delayed").inc()
        raise SignInRefused(str(error), error.code, 2) from None


async def _write_down(service: Service, refusal: Refusal, origin: Origin) -> None:
    SIGN_INS.labels("refused").inc()
    # Without what was typed: it may be a password, in the wrong field.
    _log.info(
        "sign_in_refused",
        reason=refusal.reason,
        account=refusal.account_id,
        address=origin.address,
    )

    def work() -> Transaction[None]:
        if (yield from service.throttle.audited(origin.address)):
            yield from record(
                service.clock(),
                Event.SIGN_IN_REFUSED,
                origin,
                account_id=refusal.account_id,
                reason="wrong_username_or_password",
            )

    await service.store.transact(work)
