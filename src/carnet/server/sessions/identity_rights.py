"""The roles and claims that an account has of an identity, and loses with it.

    before: roles of the account      ADMIN  press          of the identity: press
    the provider says                 press  sales
    after: roles of the account       ADMIN  press  sales   of the identity: press  sales

What the account has otherwise is left alone, and is not the identity's although the provider says
it too: it stays when the identity goes. Where something changes, older tokens are stale at once.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from carnet.server.accounts.account_record import account_of, claims_text, roles_text
from carnet.server.audit import Event, Origin, record
from carnet.server.revocations.revocations import Revocations
from carnet.server.store import Transaction
from carnet.server.store import statements as sql

__all__ = ["NO_RIGHTS", "Rights", "replace_rights"]

_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode


class Rights(NamedTuple):
    """What a provider gives.

    Attributes:
        roles: names of roles.
        claims: more claims for the account's tokens.
    """

    roles: tuple[str, ...]
    claims: dict[str, Any]


NO_RIGHTS: Final = Rights((), {})


def replace_rights(
    revocations: Revocations, issuer: str, subject: str, rights: Rights, now: int, origin: Origin
) -> Transaction[None]:
    """Give an account what an identity of it brings now, instead of what it brought before.

    The account is held by whoever's transaction this is.

    Args:
        revocations: makes older tokens stale.
        issuer: who knows the account.
        subject: as whom.
        rights: what that brings now.
        now: microseconds since 1970.
        origin: who asked.

    Raises:
        AccountRefused: if the account can't have that.
    """
    for found in (yield sql.UPSTREAM_IDENTITY, (issuer, subject)):
        row = sql.UpstreamIdentityRow(*found)
        try:
            account = account_of(row[:6])
        except msgspec.MsgspecError:
            # Nobody gets tokens for an account that can't be read.
            return
        own = set(account.roles) - set(_names(row.given_roles))
        added = sorted(set(rights.roles) - own)
        before = _names(row.given_claims)
        kept = {name: value for name, value in account.claims.items() if name not in before}
        given = msgspec.json.encode(added).decode(), msgspec.json.encode([*rights.claims]).decode()
        yield sql.SET_IDENTITY_RIGHTS, (*given, issuer, subject)
        for statement, text, event in (
            (sql.SET_ROLES, roles_text([*own, *added]), Event.ROLES_CHANGED),
            (sql.SET_CLAIMS, claims_text({**kept, **rights.claims}), Event.CLAIMS_CHANGED),
        ):
            for (version,) in (yield statement, (text, account.id)):
                yield from revocations.revoke_older_versions(account.id, version)
                yield from record(now, event, origin, account_id=account.id, reason=text)


def _names(text: str) -> tuple[str, ...]:
    """Read names; a row that was damaged has none, and harms its own account alone."""
    try:
        return _decode_names(text)
    except msgspec.MsgspecError:
        return ()
