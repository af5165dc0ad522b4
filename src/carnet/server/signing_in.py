"""Checking a username and a password, for programs and pages alike: throttled and written down."""

from __future__ import annotations

import structlog

from carnet.errors import CarnetError
from carnet.server.accounts import Account
from carnet.server.audit import Event, Origin, record
from carnet.server.metrics import SIGN_INS
from carnet.server.passwords import TooBusy
from carnet.server.service import Service
from carnet.server.store import Transaction

__all__ = [
    "SignInRefused",
    "account_changing",
    "change_password",
    "check_password",
    "check_wait",
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


async def check_password(service: Service, username: str, password: str, origin: Origin) -> Account:
    """Give the account of a username and a password.

    Raises:
        SignInRefused: a failure counts against the address and the account.
    """
    await check_wait(service, username, origin)
    try:
        account = await service.accounts.authenticate(username, password)
    except TooBusy as error:
        SIGN_INS.labels("delayed").inc()
        raise SignInRefused(str(error), error.code, 2) from None
    if account is None:
        await _write_down(service, username, origin)
        raise SignInRefused("the username or the password is wrong", "credentials_wrong")
    return account


async def check_wait(service: Service, username: str, origin: Origin) -> None:
    """Check that an attempt may be looked at now.

    Raises:
        SignInRefused: ``too_many_failures``.
    """
    wait = await service.throttle.seconds_to_wait(username, origin.address)
    if wait:
        SIGN_INS.labels("delayed").inc()
        raise SignInRefused(
            "there were too many failed attempts; wait before the next one",
            "too_many_failures",
            wait,
        )


async def change_password(
    service: Service, account: Account, passwords: tuple[str, str], session_id: str, origin: Origin
) -> None:
    """Change the password of somebody who is signed in; all their other sessions end.

    Args:
        service: the service.
        account: whose.
        passwords: the one until now, and the one from now on.
        session_id: of the session that asked; it lives on.
        origin: who asked.

    Raises:
        AccountRefused: if the new password can't be taken.
        SignInRefused: as ``check_password``.
    """
    await check_wait(service, account.username, origin)
    current, new = passwords
    try:
        right = await service.accounts.change_password(account, current, new, session_id, origin)
    except TooBusy as error:
        raise SignInRefused(str(error), error.code, 2) from None
    if not right:
        await service.store.transact(
            lambda: service.throttle.failed(account.username, origin.address)
        )
        raise SignInRefused("the current password is wrong", "credentials_wrong")


def account_changing() -> SignInRefused:
    """Make the error for an account that has changed while its password was being checked."""
    text = "the account is being changed at this moment; try again"
    return SignInRefused(text, "account_changing", 1)


async def _write_down(service: Service, username: str, origin: Origin) -> None:
    SIGN_INS.labels("refused").inc()
    _log.info("sign_in_refused", address=origin.address)

    def work() -> Transaction[None]:
        yield from service.throttle.failed(username, origin.address)
        reason = "wrong_username_or_password"
        yield from record(service.clock(), Event.SIGN_IN_REFUSED, origin, reason=reason)

    await service.store.transact(work)
