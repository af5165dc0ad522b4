"""The accounts that a directory keeps here: made, changed, disabled and deleted by it.

It sees and changes those that it has made, and those that an operator has handed to it, and no
others: whoever can write in the directory gets no hold of a local administrator's account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.accounts import Accounts
from carnet.server.accounts.deletion import Deletions
from carnet.server.accounts.usernames import canonical_username
from carnet.server.audit import Origin
from carnet.server.clock import Clock
from carnet.server.scim.filters import Filter, equalities, matches, names_in
from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.resources import Resource, checked_version
from carnet.server.scim.rights import Entitlements
from carnet.server.scim.schemas import USER
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["ScimUsers"]

MOST_SCANNED: Final = 20_000
MOST_CONTENT: Final = 32 * 1024
BATCH: Final = 500
LOOKED_UP: Final[tuple[tuple[str, str, Callable[[str], str]], ...]] = (
    ("userName", sql.SCIM_USERS_BY_NAME, canonical_username),
    ("externalId", sql.SCIM_USERS_BY_EXTERNAL_ID, str),
    ("id", sql.SCIM_USER, str),
)
"""By which users are found without looking through all, each with its statement and its form."""
TAKEN: Final = ("username_taken", "username_alike")

_log = structlog.get_logger()


class ScimUsers:
    """The users of SCIM.

    Args:
        store: where they are kept.
        accounts: makes their accounts.
        deletions: deletes those.
        entitlements: gives them their roles.
        clock: gives the microseconds since 1970.
    """

    schema = USER

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        deletions: Deletions,
        entitlements: Entitlements,
        clock: Clock,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._deletions = deletions
        self._entitlements = entitlements
        self._clock = clock

    async def create(self, content: dict[str, Any], origin: Origin) -> Resource:
        """Make an account.

        Raises:
            ScimRefused: ``uniqueness`` where there is such an account, also one that the directory
                does not see.
        """
        now = self._clock()

        def work() -> Transaction[Resource]:
            account = yield from self._accounts.adding_without_password(
                content["userName"], now, origin
            )
            yield sql.ADD_SCIM_USER, (*_kept(content), now, account.id)
            yield from self._entitlements.settling(account.id, now, origin)
            if content.get("active") is False:
                yield from self._accounts.disabling(account.id, now, origin)
            return (yield from _reading(account.id))

        return await self._carry_out(work)

    async def adopt(self, username: str, origin: Origin) -> Resource:
        """Hand an account to the directory, which sees and changes it from now on.

        Raises:
            AccountRefused: ``account_unknown``.
        """
        account = await self._accounts.find(username)
        content = {"userName": account.username}
        now = self._clock()

        def work() -> Transaction[Resource]:
            yield sql.ADD_SCIM_USER, (*_kept(content), now, account.id)
            yield from self._entitlements.settling(account.id, now, origin)
            return (yield from _reading(account.id))

        return await self._carry_out(work)

    async def find(self, user_id: str) -> Resource:
        """Give a user.

        Raises:
            ScimRefused: ``notFound``.
        """
        for row in await self._store.read(sql.SCIM_USER, user_id):
            return _resource(sql.ScimUserRow(*row))
        raise _unknown()

    async def page(self, offset: int, limit: int) -> tuple[list[Resource], int]:
        """Give some users from an offset on, and how many there are in all."""
        count = await self._store.read(sql.SCIM_USER_COUNT)
        rows = await self._store.read(sql.SCIM_USERS, limit, offset)
        return _readable(rows), count[0][0]

    async def search(self, filter: Filter) -> list[Resource]:
        """Give the users that a filter lets through.

        Raises:
            ScimRefused: ``tooMany``, where more would have to be looked through than will be.
        """
        if "groups" in names_in(filter):
            raise ScimRefused("filter Groups by their members instead", code="invalidFilter")
        wanted = dict(equalities(filter))
        for name, statement, written in LOOKED_UP:
            value = wanted.get(name)
            if isinstance(value, str):
                rows = await self._store.read(statement, written(value))
                return _let_through(filter, rows)
        found, last, seen = [], "", 0
        while rows := await self._store.read(sql.SCIM_USERS_AFTER, last, BATCH):
            last, seen = rows[-1][0], seen + len(rows)
            if seen > MOST_SCANNED:
                raise ScimRefused(
                    "this filter would look through too many users: filter by userName or "
                    "externalId with eq",
                    code="tooMany",
                )
            found += _let_through(filter, rows)
        return found

    async def change(
        self,
        user_id: str,
        changed: Callable[[dict[str, Any]], dict[str, Any]],
        version: str | None,
        origin: Origin,
    ) -> Resource:
        """Change a user; what ends by that ends in the same transaction.

        Args:
            user_id: which.
            changed: gives the user as it is to be, of the one that there is; may raise.
            version: what the client thinks that it changes, or None.
            origin: who asked.

        Raises:
            ScimRefused: ``notFound``, ``changed``, ``uniqueness``, or what ``changed`` raises.
        """

        def work() -> Transaction[Resource]:
            yield sql.HOLD_SCIM_USER, (user_id,)
            before = yield from _reading(user_id)
            checked_version(before, version)
            after = changed(before.content)
            # What is left out stays: an omission neither enables nor disables anybody.
            is_active = after.get("active", before.content["active"])
            now = max(self._clock(), before.changed_at + 1)
            if canonical_username(after["userName"]) != canonical_username(
                before.content["userName"]
            ):
                yield from self._accounts.renaming(user_id, after["userName"], now, origin)
            if {**after, "active": is_active} != before.content:
                yield sql.SET_SCIM_USER, (*_kept(after), now, user_id)
                yield from self._entitlements.settling(user_id, now, origin)
            if is_active != before.content["active"]:
                switching = self._accounts.enabling if is_active else self._accounts.disabling
                yield from switching(user_id, now, origin)
            return (yield from _reading(user_id))

        return await self._carry_out(work)

    async def delete(self, user_id: str, version: str | None, origin: Origin) -> None:
        """Delete an account at once, and end its sessions.

        Raises:
            ScimRefused: ``notFound`` or ``changed``.
        """
        checked_version(await self.find(user_id), version)
        await self._deletions.delete(user_id, origin)

    async def groups_of(self, user_id: str) -> list[tuple[str, str]]:
        """Give id and name of the groups that a user is in."""
        rows = await self._store.read(sql.SCIM_GROUPS_OF_ACCOUNT, user_id)
        return [(group_id, name) for group_id, name in rows]

    async def _carry_out(self, work: Callable[[], Transaction[Resource]]) -> Resource:
        try:
            return await self._store.transact(work)
        except AccountRefused as error:
            code = "uniqueness" if error.code in TAKEN else "invalidValue"
            raise ScimRefused(str(error), code=code) from None


def _reading(user_id: str) -> Transaction[Resource]:
    for row in (yield sql.SCIM_USER, (user_id,)):
        return _resource(sql.ScimUserRow(*row))
    raise _unknown()


def _unknown() -> ScimRefused:
    return ScimRefused("there is no such user", code="notFound")


def _let_through(filter: Filter, rows: Rows) -> list[Resource]:
    found = _readable(rows)
    return [one for one in found if matches(filter, {"id": one.id, **one.content})]


def _readable(rows: Rows) -> list[Resource]:
    """Read rows; one that can't be read is left out, and hides no other."""
    found = []
    for row in [sql.ScimUserRow(*values) for values in rows]:
        try:
            found.append(_resource(row))
        except msgspec.MsgspecError as error:
            _log.error("row_unreadable", kind="scim_user", name=row.id, exc_info=error)
    return found


def _resource(row: sql.ScimUserRow) -> Resource:
    content = msgspec.json.decode(row.content, type=dict[str, Any])
    content = {**content, "active": row.disabled_at is None}
    return Resource(row.id, content, row.created_at, row.changed_at)


def _kept(content: dict[str, Any]) -> tuple[str | None, str]:
    """Give what the database holds of a user besides the account: whether it may sign in is that's.

    Raises:
        ScimRefused: if it is too large.
    """
    kept = {name: value for name, value in content.items() if name not in ("active", "id")}
    text = msgspec.json.encode(kept).decode()
    if len(text) > MOST_CONTENT:
        raise ScimRefused(f"a user has at most {MOST_CONTENT} characters of JSON")
    return content.get("externalId"), text
