"""The groups that a directory keeps here: their names say which roles their members have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from carnet.server.audit import Event, Origin, record
from carnet.server.clock import Clock
from carnet.server.identifiers import new_identifier
from carnet.server.scim.filters import Filter, equalities, matches, names_in
from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.resources import Resource, checked_version
from carnet.server.scim.rights import Entitlements
from carnet.server.scim.schemas import GROUP
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["ScimGroups"]

MOST_SCANNED: Final = 5_000
BATCH: Final = 500
LOOKED_UP: Final = (("externalId", sql.SCIM_GROUPS_BY_EXTERNAL_ID), ("id", sql.SCIM_GROUP))
"""By which groups are found without looking through all, each with its statement."""


class ScimGroups:
    """The groups of SCIM.

    Args:
        store: where they are kept.
        entitlements: gives members their roles.
        clock: gives the microseconds since 1970.
    """

    schema = GROUP

    def __init__(self, store: Store, entitlements: Entitlements, clock: Clock) -> None:
        self._store = store
        self._entitlements = entitlements
        self._clock = clock

    async def create(self, content: dict[str, Any], origin: Origin) -> Resource:
        """Make a group.

        Raises:
            ScimRefused: if a member is no user of the directory's.
        """
        now, group_id, name = self._clock(), new_identifier(), content["displayName"]

        def work() -> Transaction[Resource]:
            yield sql.ADD_SCIM_GROUP, (group_id, content.get("externalId"), name, now)
            about = {"reason": name}
            yield from record(now, Event.SCIM_GROUP_CREATED, origin, **about)
            members = _members(content)
            yield from self._having(group_id, set(), members)
            yield from self._settling(members, now, origin)
            return (yield from _reading(group_id))

        return await self._store.transact(work)

    async def find(self, group_id: str) -> Resource:
        """Give a group with its members.

        Raises:
            ScimRefused: ``notFound``.
        """
        for row in await self._store.read(sql.SCIM_GROUP, group_id):
            return await self.with_members(_resource(sql.ScimGroupRow(*row)))
        raise _unknown()

    async def page(self, offset: int, limit: int) -> tuple[list[Resource], int]:
        """Give some groups from an offset on, without members, and how many there are in all."""
        count = await self._store.read(sql.SCIM_GROUP_COUNT)
        rows = await self._store.read(sql.SCIM_GROUPS, limit, offset)
        return [_resource(sql.ScimGroupRow(*row)) for row in rows], count[0][0]

    async def search(self, filter: Filter) -> list[Resource]:
        """Give the groups that a filter lets through; it sees their members where it asks for them.

        Raises:
            ScimRefused: ``tooMany``, where more would have to be looked through than will be.
        """
        wanted = dict(equalities(filter))
        for name, statement in LOOKED_UP:
            if isinstance(wanted.get(name), str):
                rows = await self._store.read(statement, wanted[name])
                return await self._let_through(filter, rows)
        found, last, seen = [], "", 0
        while rows := await self._store.read(sql.SCIM_GROUPS_AFTER, last, BATCH):
            last, seen = rows[-1][0], seen + len(rows)
            if seen > MOST_SCANNED:
                raise ScimRefused(
                    "this filter would look through too many groups: filter by externalId with eq",
                    code="tooMany",
                )
            found += await self._let_through(filter, rows)
        return found

    async def with_members(self, group: Resource) -> Resource:
        """Give a group with its members."""
        rows = await self._store.read(sql.SCIM_MEMBERS, group.id)
        return _with(group, [member for (member,) in rows])

    async def change(
        self,
        group_id: str,
        changed: Callable[[dict[str, Any]], dict[str, Any]],
        version: str | None,
        origin: Origin,
    ) -> Resource:
        """Change a group, and what its members have by it, in one transaction.

        Args:
            group_id: which.
            changed: gives the group as it is to be, of the one that there is; may raise.
            version: what the client thinks that it changes, or None.
            origin: who asked.

        Raises:
            ScimRefused: ``notFound``, ``changed``, or what ``changed`` raises.
        """

        def work() -> Transaction[Resource]:
            yield sql.HOLD_SCIM_GROUP, (group_id,)
            before = yield from _reading(group_id)
            checked_version(before, version)
            after = changed(before.content)
            old, new = _members(before.content), _members(after)
            is_renamed = after["displayName"] != before.content["displayName"]
            now = max(self._clock(), before.changed_at + 1)
            yield from self._having(group_id, old, new)
            external = after.get("externalId")
            if is_renamed or old != new or external != before.content.get("externalId"):
                yield sql.SET_SCIM_GROUP, (external, after["displayName"], now, group_id)
            yield from self._settling(old | new if is_renamed else old ^ new, now, origin)
            return (yield from _reading(group_id))

        return await self._store.transact(work)

    async def delete(self, group_id: str, version: str | None, origin: Origin) -> None:
        """Delete a group, and take from its members what they have by it.

        Raises:
            ScimRefused: ``notFound`` or ``changed``.
        """
        now = self._clock()

        def work() -> Transaction[None]:
            yield sql.HOLD_SCIM_GROUP, (group_id,)
            group = yield from _reading(group_id)
            checked_version(group, version)
            members = _members(group.content)
            yield from self._having(group_id, members, set())
            yield sql.REMOVE_SCIM_GROUP, (group_id,)
            yield from self._settling(members, now, origin)
            about = {"reason": group.content["displayName"]}
            yield from record(now, Event.SCIM_GROUP_REMOVED, origin, **about)

        await self._store.transact(work)

    async def _let_through(self, filter: Filter, rows: Rows) -> list[Resource]:
        found = []
        needs_members = "members" in names_in(filter)
        for group in [_resource(sql.ScimGroupRow(*row)) for row in rows]:
            seen = await self.with_members(group) if needs_members else group
            if matches(filter, {"id": seen.id, **seen.content}):
                found.append(group)
        return found

    def _having(self, group_id: str, old: set[str], new: set[str]) -> Transaction[None]:
        for member in sorted(new - old):
            if not (yield sql.ADD_SCIM_MEMBER, (group_id, member)):
                raise ScimRefused(f"the member {member} is no user that the directory keeps here")
        for member in sorted(old - new):
            yield sql.REMOVE_SCIM_MEMBER, (group_id, member)

    def _settling(self, members: Iterable[str], now: int, origin: Origin) -> Transaction[None]:
        # Always in the same order, so that two changes of groups never wait for each other.
        for member in sorted(members):
            yield from self._entitlements.settling(member, now, origin)


def _reading(group_id: str) -> Transaction[Resource]:
    for row in (yield sql.SCIM_GROUP, (group_id,)):
        members = yield sql.SCIM_MEMBERS, (group_id,)
        return _with(_resource(sql.ScimGroupRow(*row)), [member for (member,) in members])
    raise _unknown()


def _unknown() -> ScimRefused:
    return ScimRefused("there is no such group", code="notFound")


def _resource(row: sql.ScimGroupRow) -> Resource:
    content = {"displayName": row.display_name}
    if row.external_id is not None:
        content["externalId"] = row.external_id
    return Resource(row.id, content, row.created_at, row.changed_at)


def _with(group: Resource, members: list[str]) -> Resource:
    values = {"members": [{"value": one} for one in members]} if members else {}
    return group._replace(content={**group.content, **values})


def _members(content: dict[str, Any]) -> set[str]:
    found = set()
    for one in content.get("members", ()):
        if not one.get("value"):
            raise ScimRefused("a member is named by its value")
        found.add(one["value"])
    return found
