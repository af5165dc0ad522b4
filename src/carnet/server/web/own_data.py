"""Everything that the service knows of an account, for its owner to take along."""

from __future__ import annotations

from typing import Any, Final

from carnet.server.accounts.account_record import Account
from carnet.server.audit import Entry, of_account
from carnet.server.clock import SECOND
from carnet.server.service import Service

__all__ = ["own_data"]

MOST_EVENTS: Final = 10_000
_TIMES: Final = (
    "at",
    "created_at",
    "rotated_at",
    "expires_at",
    "used_at",
    "granted_at",
    "verified_at",
)


async def own_data(service: Service, account: Account) -> dict[str, Any]:
    """Give it as JSON holds it; times in seconds since 1970.

    Secrets are not in it (passwords, keys and codes), nor from where others have acted. Of the
    audit log the newest entries are.
    """
    events = await of_account(service.store, account.id, MOST_EVENTS)
    return {
        "account": {
            "id": account.id,
            "username": account.username,
            "roles": account.roles,
            "claims": account.claims,
            "disabled": account.disabled,
            "language": (await service.accounts.languages_of(account.id))[0] or None,
        },
        "email_addresses": [_shown(one) for one in await service.addresses.of_account(account.id)],
        "factors": [_shown(one) for one in await service.factors.of_account(account.id)],
        "remembered_browsers": [
            _shown(one) for one in await service.remembered_browsers.of_account(account.id)
        ],
        "recovery_codes_left": await service.factors.recovery_codes_left(account.id),
        "sessions": [_shown(one) for one in await service.sessions.of_account(account.id)],
        "consents": [_shown(one) for one in await service.consents.applications(account.id)],
        "agents": [_shown(one) for one in await service.agents.of_account(account.id)],
        "identities": [_shown(one) for one in await service.identities.of_account(account.id)],
        "events": [_event(one, account.id) for one in events],
    }


def _shown(row: Any) -> dict[str, Any]:
    """Write a row, without what is not there and what all of its kind have in common."""
    return {
        name: value // SECOND if name in _TIMES else value
        for name, value in row._asdict().items()
        if value is not None and name != "account_id"
    }


def _event(entry: Entry, account_id: str) -> dict[str, Any]:
    by_another = entry.actor not in (None, account_id)
    shown = _shown(entry._replace(address=None) if by_another else entry)
    if by_another and entry.actor not in ("operator", "service"):
        shown["actor"] = "administrator"
    return shown
