"""Beginning a session of somebody who has signed in just now.

An account that its owner wanted to be deleted is kept by that: no other way to begin a session does
so, and none is open to it until then.
"""

from __future__ import annotations

from typing import Final

from carnet.server.accounts.throttle import giving_back
from carnet.server.audit import Origin
from carnet.server.service import Service
from carnet.server.sessions.session_record import Identified
from carnet.server.sessions.sessions import Grant, NewSession
from carnet.server.store import Transaction
from carnet.server.web.password_sign_in import SignedIn, account_changing

__all__ = ["PROVIDER_SESSION_OVER", "begin_session_of", "check_at_provider", "is_over_at_provider"]

PROVIDER_SESSION_OVER: Final = "provider session over"
"""Under this, with the issuer and its ``sid``, is written down what a provider has ended."""


async def begin_session_of(
    service: Service,
    signed_in: SignedIn,
    new: NewSession,
    origin: Origin,
    *,
    is_new_device: bool = False,
) -> Grant:
    """Begin the session, and give back what slots were taken for it.

    Args:
        service: the service.
        signed_in: who has signed in.
        new: what the session is for.
        origin: from where.
        is_new_device: whether the account's owner is told by mail.

    Raises:
        SignInRefused: ``account_changing``, also where the session at the provider that has named
            the account is over.
    """
    account = signed_in.account
    new = new._replace(
        authenticated_at=signed_in.authenticated_at,
        amr=signed_in.amr,
        identified=signed_in.identified,
    )

    def tell(_session_id: str) -> Transaction[bool]:
        return service.notices.of_new_device(account.id, service.clock(), origin)

    told = tell if is_new_device else None
    besides = giving_back(signed_in.attempts)
    grant = await service.sessions.begin(account, new, origin, told, besides)
    if grant is None and await service.deletions.keep(account.id, origin):
        grant = await service.sessions.begin(account, new, origin, told)
    if grant is None:
        raise account_changing()
    await check_at_provider(service, signed_in.identified, grant.session_id, origin)
    return grant


async def is_over_at_provider(service: Service, identified: Identified) -> bool:
    """Tell whether a provider has ended the session there with which somebody comes."""
    if identified.issuer is None or identified.session_id is None:
        return False
    over = (PROVIDER_SESSION_OVER, identified.issuer, identified.session_id)
    return await service.used_once.was_used(*over)


async def check_at_provider(
    service: Service, identified: Identified, session_id: str, origin: Origin
) -> None:
    """End a session again where that at the provider is over with which it has begun.

    It is asked once the session is there: whoever ends it at this moment has written that down
    before, or finds the session.

    Raises:
        SignInRefused: ``account_changing``.
    """
    if await is_over_at_provider(service, identified):
        await service.sessions.end(session_id, "ended_at_provider", origin)
        raise account_changing()
