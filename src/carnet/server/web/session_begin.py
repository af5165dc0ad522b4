"""Beginning a session of somebody who has signed in just now.

An account that its owner wanted to be deleted is kept by that: no other way to begin a session does
so, and none is open to it until then.
"""

from __future__ import annotations

from carnet.server.audit import Origin
from carnet.server.service import Service
from carnet.server.sessions.sessions import Grant, NewSession
from carnet.server.store import Transaction
from carnet.server.web.password_sign_in import SignedIn, account_changing

__all__ = ["begin_session_of"]


async def begin_session_of(
    service: Service,
    signed_in: SignedIn,
    new: NewSession,
    origin: Origin,
    *,
    is_new_device: bool = False,
) -> Grant:
    """Begin the session.

    Args:
        service: the service.
        signed_in: who has signed in.
        new: what the session is for.
        origin: from where.
        is_new_device: whether the account's owner is told by mail.

    Raises:
        SignInRefused: ``account_changing``.
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
    grant = await service.sessions.begin(account, new, origin, told)
    if grant is None and await service.deletions.keep(account.id, origin):
        grant = await service.sessions.begin(account, new, origin, told)
    if grant is None:
        raise account_changing()
    return grant
