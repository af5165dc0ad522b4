"""Consents that are given and taken back while an account is merged: they wait, or are moved."""

import asyncio

import asyncpg
import pytest
from tests.processes import PATIENCE
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR
from carnet.server.store import statements as sql

WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
ABOUT = ("shop", "default")


@pytest.fixture
def engine(postgres_url):
    return postgres_url


async def done_while_held(url, account_id, work):
    """Do something while the account is held, as a merge of it does, and tell whether it waits."""
    other, watching = [await asyncpg.connect(url) for _ in range(2)]
    name = await watching.fetchval("SELECT current_database()")
    try:
        async with other.transaction():
            await other.fetch(sql.SETTLE_ACCOUNT, account_id)
            doing = asyncio.create_task(work)
            async with asyncio.timeout(PATIENCE):
                while not await watching.fetchval(WAITING, name):
                    if doing.done():
                        return False
                    await asyncio.sleep(0.001)
        await doing
        return True
    finally:
        await other.close()
        await watching.close()


def test_a_consent_to_what_is_merged_waits(play, postgres_url):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        giving = service.consents.grant(account.id, *ABOUT, "profile", OPERATOR)
        has_waited = await done_while_held(postgres_url, account.id, giving)
        return has_waited, len(await service.consents.applications(account.id))

    assert play(scene) == (True, 1)


def test_whoever_takes_a_consent_back_waits_for_a_merge(play, postgres_url):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        await service.consents.grant(account.id, *ABOUT, "profile", OPERATOR)
        taking_back = service.consents.withdraw(account.id, "shop", OPERATOR)
        has_waited = await done_while_held(postgres_url, account.id, taking_back)
        return has_waited, await service.consents.applications(account.id)

    assert play(scene) == (True, [])
