"""One story on PostgreSQL: a newcomer, roles that come and go, a way out, and what ends there."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.upstream.imitation import SUBJECT, Browser
from tests.server.upstream.test_connecting import RULES, disconnect
from tests.server.upstream.test_kept_tokens import KEEP, look, rows
from tests.server.upstream.test_logout import tell
from tests.server.upstream.test_sign_in import CREATE, linked


@pytest.fixture
def engine(postgres_store):
    return postgres_store


def test_somebody_comes_by_a_provider_and_goes(scene_of):
    async def scene(browser, provider):
        service = browser.service
        await service.accounts.create("bob", PASSWORD)
        await browser.enter(provider, preferred_username="bob", groups=["Press"], sid="one")
        seen = [await browser.username(), (await service.accounts.find("bob2")).roles]
        other = Browser(service)
        await other.enter(provider, groups=["app-sales"], sid="two")
        seen.append((await service.accounts.find("bob2")).roles)
        assert (await disconnect(browser)).status_code == 409
        await tell(browser, provider.logout_token(sub=SUBJECT, sid="two"))
        seen += [await browser.username(), await other.username()]
        await browser.client.post("/me/password", data={"new_password": PASSWORD})
        assert (await disconnect(browser)).is_redirect
        return [*seen, (await service.accounts.find("bob2")).roles]

    expected = ["bob2", ("press",), ("sales",), "bob2", None, ()]
    assert scene_of(scene, roles=RULES, **CREATE) == expected


def test_a_kept_token_is_used_replaced_and_ends_what_began_with_it(scene_of):
    async def scene(browser, provider):
        provider.lasting = True
        await linked(browser)
        for _ in range(2):
            await browser.enter(provider, auth_time=browser.clock() // 1_000_000)
        seen = []
        for _ in range(2):
            await look(browser)
            seen += [len(await rows(browser)), await browser.username()]
            provider.refresh_tokens.clear()
        return seen

    assert scene_of(scene, **KEEP) == [1, "alice", 0, None]
