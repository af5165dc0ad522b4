"""A session that ends while another end of it waits: PostgreSQL looks at the row again then."""

import asyncio

import asyncpg
import pytest
from tests.processes import PATIENCE
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR
from carnet.server.sessions.sessions import NewSession
from carnet.server.store import statements as sql

WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
WHY = "SELECT ended_reason FROM session WHERE id = $1"


@pytest.fixture
def engine(postgres_url):
    return postgres_url


def test_the_end_of_an_application_does_not_end_again_what_has_ended_meanwhile(play, postgres_url):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        grant = await service.sessions.begin(account, NewSession("shop", "default"))
        other, watching = [await asyncpg.connect(postgres_url) for _ in range(2)]
        name = await watching.fetchval("SELECT current_database()")

        def work():
            return (
                yield from service.sessions.ending_with_client(
                    account.id, "shop", "application_disconnected", clock(), OPERATOR
                )
            )

        try:
            async with other.transaction():
                await other.fetch(sql.END_SESSION, clock(), "signed_out", grant.session_id)
                ending = asyncio.create_task(service.store.transact(work))
                async with asyncio.timeout(PATIENCE):
                    while not await watching.fetchval(WAITING, name):
                        assert not ending.done(), "it does not wait"
                        await asyncio.sleep(0.001)
            return await ending, await watching.fetchval(WHY, grant.session_id)
        finally:
            await other.close()
            await watching.close()

    assert play(scene) == (0, "signed_out")
