"""Signing in with a code that was mailed: a first factor, as a password is."""

from __future__ import annotations

from carnet.server.audit import Event, Origin
from carnet.server.factors.levels import MAILED_CODE
from carnet.server.service import Service
from carnet.server.web.password_sign_in import (
    SignedIn,
    SignInRefused,
    complete,
    in_turn,
    write_down,
)

__all__ = ["sign_in_with_code"]


async def sign_in_with_code(service: Service, page: str, code: str, origin: Origin) -> SignedIn:
    """Sign somebody in with a code.

    Args:
        service: the service.
        page: the number of the page that the code is for.
        code: as it was typed.
        origin: who asks.

    Raises:
        SignInRefused: a wrong code counts against the page.
        SecondFactorNeeded: as ``complete``.
    """
    async with in_turn(service.throttle.mailed_code(page, origin.address)) as attempt:
        account = await service.mailed_codes.take(page, code)
        if account is not None:
            attempt.succeed()
    if account is None or account.disabled:
        about = "wrong_code", None if account is None else account.id
        await write_down(service, Event.SIGN_IN_REFUSED, *about, origin, cause="wrong_mailed_code")
        raise SignInRefused("the code is wrong, too old, or was used before", "code_wrong")
    proved = SignedIn(account, MAILED_CODE, service.clock())
    async with complete(service, proved, origin) as signed_in:
        return signed_in
