"""Accounts as they are imported again: all of them, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import structlog

from carnet.server.accounts.account_record import AccountRow, account_of
from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["export_accounts"]

PAGE: Final = 500

_log = structlog.get_logger()


async def export_accounts(store: Store, *, with_hashes: bool) -> AsyncIterator[dict[str, Any]]:
    """Give each account as a row that ``import_shapes`` reads.

    Args:
        store: where they are kept.
        with_hashes: whether with their password hashes.
    """
    after = ""
    while rows := await store.read(sql.ACCOUNTS, after, PAGE):
        for row in [AccountRow(*values) for values in rows]:
            after = row.username
            try:
                account = account_of(row)
            except msgspec.MsgspecError as error:
                _log.error("row_unreadable", kind="account", name=row.id, exc_info=error)
                continue
            claims = account.claims
            if account.email:
                claims = {**claims, "email": account.email, "email_verified": True}
            exported = {
                "id": account.id,
                "username": account.username,
                "roles": account.roles,
                "claims": claims,
                "disabled": account.disabled,
            }
            yield {**exported, "password_hash": row.password_hash} if with_hashes else exported
