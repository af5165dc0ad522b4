"""Signing in with a passkey, alone or as the second factor.

What a browser is asked for stands in the page, with the signed challenge beside it: nothing is
stored for a page that is only opened. A challenge is good for ten minutes, for its purpose and,
where it is somebody's, for that account; it is used up by the first good signature.
"""

from __future__ import annotations

import secrets
from typing import Final, Literal, NamedTuple

import msgspec
import structlog

from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.accounts.account_record import Account
from carnet.server.audit import Event, Origin
from carnet.server.clock import SECOND
from carnet.server.factors.levels import PASSKEY, WITH_PASSKEY, with_second
from carnet.server.factors.passkeys import PasskeyRefused
from carnet.server.service import Service
from carnet.server.web.password_sign_in import SignedIn, SignInRefused, write_down
from carnet.server.web.signed_state import read_state, write_state

__all__ = ["Ceremony", "Purpose", "add_passkey", "ask_for_passkey", "sign_in_with_passkey"]

LIFETIME_SECONDS: Final = 600

_log = structlog.get_logger()

Purpose = Literal["sign in", "second factor", "new"]


class Ceremony(NamedTuple):
    """What a page holds for its script.

    Attributes:
        options: for the browser, as JSON.
        state: the signed challenge, which goes back with the answer.
    """

    options: str
    state: str


class _Challenge(msgspec.Struct, frozen=True, array_like=True):
    """What a browser was asked, and about which account: "" where any may answer."""

    purpose: Purpose
    account_id: str
    challenge: str


async def ask_for_passkey(
    service: Service, purpose: Purpose, account: Account | None = None
) -> Ceremony | None:
    """Ask for a passkey.

    Args:
        service: the service.
        purpose: what for.
        account: whose, or None for whichever person signs in.

    Returns:
        What the page holds; None where there can be no passkey, or where the account has none.
    """
    passkeys, challenge = service.factors.passkeys, secrets.token_bytes(32)
    if not passkeys.available:
        return None
    known = [] if account is None else await service.factors.credential_ids(account.id)
    if account is None:
        options = passkeys.request_options(None, challenge)
    elif purpose == "new":
        options = passkeys.creation_options(account, known, challenge)
    elif known:
        options = passkeys.request_options(known, challenge)
    else:
        return None
    kept = _Challenge(purpose, "" if account is None else account.id, b64url_encode(challenge))
    return Ceremony(options, write_state(service, kept, LIFETIME_SECONDS))


async def sign_in_with_passkey(
    service: Service, state: str, answer: str, origin: Origin, proved: SignedIn | None = None
) -> SignedIn:
    """Sign somebody in who has signed with a passkey.

    Args:
        service: the service.
        state: the signed challenge.
        answer: what the browser has answered.
        origin: who asks.
        proved: what was proved before, where the passkey is the second factor; else None.

    Raises:
        SignInRefused: ``passkey_wrong``.
    """
    is_alone = proved is None
    account_id = "" if proved is None else proved.account.id
    purpose: Purpose = "sign in" if is_alone else "second factor"
    try:
        challenge = _challenge(service, state, purpose, account_id)
        found = await service.factors.check_passkey(answer, challenge, is_alone=is_alone)
        account = await service.accounts.by_id(found.account_id)
        if account is None or account.disabled or account_id not in ("", account.id):
            text = "the passkey is of another account, or of one that is disabled"
            raise PasskeyRefused(text, found.account_id)
        await _use_up(service, challenge, found.account_id)
        await service.factors.use_passkey(found)
    except PasskeyRefused as error:
        concerned = error.account_id or account_id
        if concerned:
            event = Event.SIGN_IN_REFUSED if is_alone else Event.SECOND_FACTOR_REFUSED
            about = "wrong_passkey", concerned
            await write_down(service, event, *about, origin, cause=str(error))
        else:
            # Anybody can send what is nobody's: nothing of it stays.
            _log.info("sign_in_refused", reason=str(error), address=origin.address)
        raise SignInRefused("the passkey was not accepted", "passkey_wrong") from None
    if proved is not None:
        return proved._replace(amr=with_second(proved.amr, WITH_PASSKEY))
    return SignedIn(account, PASSKEY, service.clock())


async def add_passkey(
    service: Service, account: Account, state: str, answer: str, name: str, origin: Origin
) -> None:
    """Add the passkey that a browser has made.

    Raises:
        PasskeyRefused: if it is not good.
        FactorRefused: as ``Factors.add_passkey``.
    """
    challenge = _challenge(service, state, "new", account.id)
    await service.factors.add_passkey(account, answer, challenge, name, origin)


def _challenge(service: Service, state: str, purpose: Purpose, account_id: str) -> bytes:
    """Read the challenge of a purpose.

    Raises:
        PasskeyRefused: if it is none, or too old.
    """
    kept = read_state(service, state, _Challenge)
    if kept is None or (kept.purpose, kept.account_id) != (purpose, account_id):
        raise PasskeyRefused("the challenge is too old, or was for something else")
    return b64url_decode(kept.challenge, "the challenge")


async def _use_up(service: Service, challenge: bytes, account_id: str) -> None:
    name, lifetime = b64url_encode(challenge), LIFETIME_SECONDS * SECOND
    if not await service.used_once.first_use("passkey", name, microseconds=lifetime):
        raise PasskeyRefused("the challenge was used before", account_id)
