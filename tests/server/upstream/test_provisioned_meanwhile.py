"""A directory gives an external id to another user while somebody comes to its account."""

import asyncio

import asyncpg
import pytest
from tests.processes import PATIENCE

from carnet.server.audit import OPERATOR, SERVICE
from carnet.server.directory_settings import ScimSettings
from carnet.server.sessions.identity_rights import NO_RIGHTS
from carnet.server.store import statements as sql
from carnet.server.upstream.provider import Asserted, UpstreamRefused

WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
GIVE = "UPDATE scim_user SET external_id = $1 WHERE account_id = $2"


@pytest.fixture
def engine(postgres_url):
    return postgres_url


def test_whoever_comes_then_is_not_linked_to_the_account_of_before(scene_of, postgres_url):
    async def scene(browser, provider):
        people, users = browser.service.people, browser.service.scim.users
        made = [
            await users.create({"userName": name, "externalId": name}, OPERATOR)
            for name in ("ada", "bob")
        ]
        said = Asserted(provider.url, "ada", {})
        other, watching = [await asyncpg.connect(postgres_url) for _ in range(2)]
        name = await watching.fetchval("SELECT current_database()")
        try:
            async with other.transaction():
                for user, external_id in zip(made, ("nobody", "ada"), strict=True):
                    await other.fetch(sql.HOLD_SCIM_USER, user.id)
                    await other.execute(GIVE, external_id, user.id)
                coming = asyncio.create_task(people.arrive(said, NO_RIGHTS, SERVICE))
                async with asyncio.timeout(PATIENCE):
                    while not await watching.fetchval(WAITING, name):
                        assert not coming.done(), "it does not wait"
                        await asyncio.sleep(0.001)
            with pytest.raises(UpstreamRefused) as refused:
                await coming
            again = await people.arrive(said, NO_RIGHTS, SERVICE)
            return refused.value.code, again.id, made[1].id
        finally:
            await other.close()
            await watching.close()

    code, found, bob = scene_of(scene, settings={"scim": ScimSettings(provider="up")})
    assert (code, found) == ("account_changed", bob)
