"""What a browser keeps between the password and the second factor.

The cookie says whose password was right, and when. It opens nothing: the only page that takes it
asks for the second factor, and whoever has stolen it lacks that. It is good for a few minutes, and
no more once the account has changed.
"""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.service import Service
from carnet.server.sessions.session_record import Identified
from carnet.server.web.own_cookies import forget_cookie, held_cookie, set_own_cookie
from carnet.server.web.password_sign_in import SignedIn
from carnet.server.web.signed_state import read_state, write_state

__all__ = ["begin_second_step", "end_second_step", "first_step"]

COOKIE: Final = "carnet-second-step"
LIFETIME_SECONDS: Final = 600


class _FirstStep(msgspec.Struct, frozen=True, array_like=True):
    """What was proved, and by whom."""

    account_id: str
    version: int
    amr: str
    authenticated_at: int
    identified: Identified


def begin_second_step(request: Request, response: Response, proved: SignedIn) -> None:
    """Keep with the browser what was proved, until the second factor is."""
    service: Service = request.app.state.service
    account = proved.account
    kept = _FirstStep(
        account.id, account.version, proved.amr, proved.authenticated_at, proved.identified
    )
    # Not strict: whom an application's page has sent to /authorize is led on from there.
    state = write_state(service, kept, LIFETIME_SECONDS)
    set_own_cookie(request, response, COOKIE, state, LIFETIME_SECONDS)


async def first_step(request: Request) -> SignedIn | None:
    """Give what was proved with this browser just now, or None."""
    service: Service = request.app.state.service
    text = held_cookie(request, COOKIE)
    kept = read_state(service, text, _FirstStep) if text else None
    account = None if kept is None else await service.accounts.by_id(kept.account_id)
    # Disabling an account raises its version, too.
    if kept is None or account is None or account.version != kept.version:
        return None
    return SignedIn(account, kept.amr, kept.authenticated_at, kept.identified)


def end_second_step(request: Request, response: Response) -> None:
    """Take the cookie away."""
    forget_cookie(request, response, COOKIE)
