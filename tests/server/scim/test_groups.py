"""The groups of a directory, and the roles that their members have by them."""

import asyncio

import pytest

from carnet.server.provider_settings import RoleRules

RULES = RoleRules(values={"Press": "press", "Sales": "sales"}, prefix="app-")


async def roles(found, user):
    return (await found.service.accounts.by_id(user["id"])).roles


async def version(found, user):
    return (await found.service.accounts.by_id(user["id"])).version


def test_members_have_the_roles_of_their_groups_as_long_as_they_are_in_them(directory):
    async def scene(found):
        ada, grace = await found.user("ada"), await found.user("grace")
        group = await found.group("Press", ada["id"], externalId="g1")
        before = await version(found, ada)
        assert group["members"] == [
            {
                "value": ada["id"],
                "$ref": f"https://auth.example/scim/v2/Users/{ada['id']}",
                "type": "User",
            }
        ]
        assert await roles(found, ada) == ("press",)
        shown = (await found.send("GET", f"/Users/{ada['id']}", status=200)).json()
        assert [one["display"] for one in shown["groups"]] == ["Press"]
        # Entra names them in the value, Okta in the path.
        add = {"op": "Add", "path": "members", "value": [{"value": grace["id"]}]}
        await found.patch(group, add)
        assert await roles(found, grace) == ("press",)
        await found.patch(
            group, {"op": "Remove", "path": "members", "value": [{"value": ada["id"]}]}
        )
        assert (await roles(found, ada), await roles(found, grace)) == ((), ("press",))
        # Older tokens are stale at once.
        assert await version(found, ada) > before
        await found.patch(group, {"op": "remove", "path": f'members[value eq "{grace["id"]}"]'})
        assert await roles(found, grace) == ()
        await found.patch(group, add, add)
        await found.patch(group, {"op": "replace", "path": "members", "value": []})
        assert await roles(found, grace) == ()

    directory(scene, roles=RULES)


def test_another_name_of_a_group_brings_its_members_other_roles(directory):
    async def scene(found):
        ada = await found.user()
        group = await found.group("Press", ada["id"])
        # As Okta renames.
        renamed = {"op": "replace", "value": {"id": group["id"], "displayName": "Sales"}}
        changed = await found.patch(group, renamed)
        assert changed["id"] == group["id"]
        assert await roles(found, ada) == ("sales",)
        path = f"/Groups/{group['id']}"
        await found.send("PUT", path, {"displayName": "app-x"}, 200)
        assert await roles(found, ada) == ()
        await found.send("PUT", path, {"displayName": "app-x", "members": [{"value": ada["id"]}]})
        assert await roles(found, ada) == ("x",)
        await found.send("DELETE", path, status=204)
        assert await roles(found, ada) == ()
        await found.send("GET", path, status=404)

    directory(scene, roles=RULES)


def test_no_name_of_a_group_makes_an_administrator_unless_the_table_says_so(directory):
    async def scene(found):
        ada = await found.user()
        for name in ("app-carnet:admin", "carnet:admin"):
            await found.group(name, ada["id"])
        return await roles(found, ada)

    assert directory(scene, roles=RULES) == ()


def test_a_group_of_somebody_unknown_is_refused_whole(directory):
    async def scene(found):
        ada = await found.user()
        members = [{"value": ada["id"]}, {"value": "nobody"}]
        await found.send("POST", "/Groups", {"displayName": "Press", "members": members}, 400)
        assert await roles(found, ada) == ()
        group = await found.group("Press")
        await found.patch(
            group,
            {"op": "add", "path": "members", "value": members},
            status=400,
        )
        assert await roles(found, ada) == ()
        for wrong in ([{"display": "Ada"}], [7], "x" * 2000):
            content = {"displayName": "Press", "members": wrong}
            await found.send("PUT", f"/Groups/{group['id']}", content, 400)
        for name in (None, "", 7):
            await found.send("PUT", f"/Groups/{group['id']}", {"displayName": name}, 400)

    directory(scene, roles=RULES)


def test_of_two_changes_at_once_none_is_lost(directory):
    async def scene(found):
        ada = await found.user()
        names = [f"app-{number}" for number in range(8)]
        await asyncio.gather(*(found.group(name, ada["id"]) for name in names))
        assert await roles(found, ada) == tuple(name.removeprefix("app-") for name in names)

    directory(scene, roles=RULES)


def test_an_account_that_is_deleted_leaves_its_groups(directory):
    async def scene(found):
        ada = await found.user()
        group = await found.group("Press", ada["id"])
        await found.send("DELETE", f"/Users/{ada['id']}", status=204)
        shown = await found.send("GET", f"/Groups/{group['id']}", status=200)
        assert "members" not in shown.json()

    directory(scene, roles=RULES)


def test_groups_are_listed_without_members_where_those_are_not_wanted(directory):
    async def scene(found):
        ada = await found.user()
        for number in range(12):
            await found.group(f"Group {number}", ada["id"])
        listed = (await found.send("GET", "/Groups", status=200)).json()
        # Each may have thousands of members: they come in smaller pages.
        assert (listed["totalResults"], listed["itemsPerPage"]) == (12, 10)
        assert all(one["members"] for one in listed["Resources"])
        query = {"excludedAttributes": "members"}
        bare = (await found.send("GET", "/Groups", params=query, status=200)).json()
        assert bare["itemsPerPage"] == 12
        assert not any("members" in one for one in bare["Resources"])
        one = await found.found("/Groups", f'members eq "{ada["id"]}" and displayName sw "group 1"')
        assert sorted(one) == ["Group 1", "Group 10", "Group 11"]
        assert await found.found("/Groups", 'members[value eq "nobody"]') == []

    directory(scene)


@pytest.mark.parametrize("content", [{"externalId": "x"}, {"displayName": "Other"}])
def test_members_of_a_group_are_not_touched_where_they_stay(directory, content):
    async def scene(found):
        ada = await found.user()
        group = await found.group("Press", ada["id"])
        before = await version(found, ada)
        await found.patch(group, {"op": "replace", "value": content})
        return before, await version(found, ada)

    before, after = directory(scene)
    assert before == after
