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

__all__ = ["SignInRefused", "account_changing", "check_password"]

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
    wait = await service.throttle.seconds_to_wait(username, origin.address)
    if wait:
        SIGN_INS.labels("delayed").inc()
        raise SignInRefused(
            "there were too many failed attempts; wait before the next one",
            "too_many_failures",
            wait,
        )
    try:
        account = await service.accounts.authenticate(username, password)
    except TooBusy as error:
        SIGN_INS.labels("delayed").inc()
        raise SignInRefused(str(error), error.code, 2) from None
    if account is None:
        await _write_down(service, username, origin)
        raise SignInRefused("the username or the password is wrong", "credentials_wrong")
    return account


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
