"""SCIM on PostgreSQL, where transactions really run at the same time."""

import asyncio

import pytest
from tests.server.scim.test_groups import RULES, roles


@pytest.fixture
def engine(postgres_store):
    return postgres_store


def test_of_many_changes_at_once_none_is_lost_and_none_waits_for_ever(directory):
    async def scene(found):
        ada, grace = await found.user("ada"), await found.user("grace")
        names = [f"app-{number}" for number in range(8)]
        both = ada["id"], grace["id"]
        groups = await asyncio.gather(
            *(
                found.group(name, *(both if number % 2 else both[::-1]))
                for number, name in enumerate(names)
            )
        )
        expected = tuple(name.removeprefix("app-") for name in names)
        assert await roles(found, ada) == await roles(found, grace) == expected
        gone = [found.send("DELETE", f"/Groups/{one['id']}", status=204) for one in groups[:4]]
        off = [found.patch(one, {"op": "remove", "path": "members"}) for one in groups[4:]]
        switched = found.patch(ada, {"op": "replace", "value": {"active": False}})
        await asyncio.gather(*gone, *off, switched)
        assert await roles(found, ada) == await roles(found, grace) == ()
        listed = (await found.send("GET", "/Users", status=200)).json()
        assert sorted((one["userName"], one["active"]) for one in listed["Resources"]) == [
            ("ada", False),
            ("grace", True),
        ]
        assert await found.found("/Users", 'externalId eq "x" or userName sw "gr"') == ["grace"]
        # Two of one name at once: one is made.
        made = await asyncio.gather(
            *(found.send("POST", "/Users", {"userName": "joan"}) for _ in range(4))
        )
        assert sorted(one.status_code for one in made) == [201, 409, 409, 409]

    directory(scene, roles=RULES)
