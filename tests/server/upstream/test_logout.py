"""What ends at a provider ends here, and at every service that follows."""

import secrets

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import code_at, with_app
from tests.server.inside import register
from tests.server.upstream.imitation import SUBJECT, Browser
from tests.server.upstream.test_sign_in import linked

from carnet import Key, inspect
from carnet.server.audit import OPERATOR

EVENTS = {"http://schemas.openid.net/event/backchannel-logout": {}}


async def tell(browser, token, name="up"):
    form = {"logout_token": token}
    return await browser.client.post(f"/sign-in/with/{name}/logout", data=form)


def test_ending_a_session_there_refuses_the_tokens_that_began_with_it(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await register(browser.service, scope="openid", resources=("orders",))
        other = Browser(browser.service)
        await browser.enter(provider, sid="one")
        await other.enter(provider, sid="two")
        sids = [
            inspect((await one.tokens())["access_token"]).claims["sid"] for one in (browser, other)
        ]
        answer = await tell(browser, provider.logout_token(sub=SUBJECT, sid="one"))
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert await browser.username() is None
        assert await other.username() == "alice"
        rows = await browser.service.store.read("SELECT value FROM revocation")
        refused = {value for (value,) in rows}
        reasons = await browser.service.store.read(
            "SELECT DISTINCT ended_reason FROM session WHERE ended_at IS NOT NULL"
        )
        return sids[0] in refused, sids[1] in refused, len(refused), reasons

    # The browser's session, and that of the client which was granted in it.
    assert scene_of(scene) == (True, False, 2, [("ended_at_provider",)])


def test_a_subject_alone_ends_all_sessions_of_theirs_that_began_there(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await linked(browser, "bob", "b")
        people = [Browser(browser.service) for _ in range(3)]
        await people[0].enter(provider, sid="one")
        await people[1].enter(provider)
        await people[2].enter(provider, subject="b", sid="one")
        await browser.sign_in()
        assert (await tell(browser, provider.logout_token(sub=SUBJECT))).status_code == 200
        return [await one.username() for one in (browser, *people)]

    # A sign-in with the password here is no business of the provider's.
    assert scene_of(scene) == ["alice", None, None, "bob"]


def test_a_session_that_was_carried_on_with_a_password_is_the_provider_s_no_more(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider, sid="one")
        await browser.sign_in()
        await tell(browser, provider.logout_token(sid="one"))
        return await browser.username()

    assert scene_of(scene) == "alice"


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-client"},
        {"iss": "https://evil.example"},
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": 1}},
        {"events": ...},
        {"nonce": "x"},
        {"sid": ...},
        {"iat": ...},
        {"iat": 1_799_990_000},
        {"exp": 1_799_999_000},
        {"jti": ...},
    ],
    ids=str,
)
def test_a_token_that_is_no_logout_token_for_this_service_ends_nothing(scene_of, wrong):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider, sid="one")
        answer = await tell(browser, provider.logout_token(**{"sid": "one", **wrong}))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        return await browser.username()

    assert scene_of(scene) == "alice"


def test_a_forged_or_repeated_token_ends_nothing(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        token = provider.logout_token(sub=SUBJECT)
        assert (await tell(browser, token)).status_code == 200
        await browser.enter(provider, sid="one")
        assert (await tell(browser, token)).status_code == 400
        own, provider.signing_key = provider.signing_key, Key.generate("ES256", kid="up")
        assert (await tell(browser, provider.logout_token(sid="one"))).status_code == 400
        provider.signing_key = own
        id_token = provider.id_token({}, {"sub": SUBJECT, "sid": "one", "jti": "x"})
        for text in (id_token, "x", "", secrets.token_hex(40)):
            assert (await tell(browser, text)).status_code == 400
        assert (await tell(browser, token, "nobody")).status_code == 404
        return await browser.username()

    assert scene_of(scene) == "alice"


def test_a_session_that_ends_there_during_the_second_step_begins_none_here(scene_of):
    async def scene(browser, provider):
        account = await with_app(browser.service, browser.clock)
        await browser.service.identities.link(account.id, provider.url, SUBJECT, OPERATOR)
        await browser.enter(provider, sid="one")
        assert (await tell(browser, provider.logout_token(sid="one"))).status_code == 200
        form = {"continue": "/me", "code": code_at(browser.clock)}
        answer = await browser.client.post("/sign-in/code", data=form)
        assert answer.status_code == 503
        return await browser.username(), await browser.service.store.read("SELECT id FROM session")

    assert scene_of(scene) == (None, [])


def while_a_session_begins(browser, happens):
    """Let something happen when a sign-in is about to begin its session."""
    sessions = browser.service.sessions
    begin = sessions.begin

    async def beginning(*given, **more):
        sessions.begin = begin
        await happens()
        return await begin(*given, **more)

    sessions.begin = beginning


def test_a_session_that_ends_there_while_one_begins_here_ends_that(scene_of):
    async def scene(browser, provider):
        await linked(browser)

        async def over():
            other = Browser(browser.service)
            assert (await tell(other, provider.logout_token(sid="one"))).status_code == 200

        while_a_session_begins(browser, over)
        await browser.enter(provider, sid="one")
        rows = await browser.service.store.read("SELECT ended_reason FROM session")
        return await browser.username(), rows

    assert scene_of(scene) == (None, [("ended_at_provider",)])


def test_who_is_disconnected_while_they_sign_in_is_not_signed_in(scene_of):
    async def scene(browser, provider):
        account = await linked(browser)

        async def unlinked():
            about = account.id, provider.url, SUBJECT, OPERATOR
            assert await browser.service.identities.unlink(*about)

        while_a_session_begins(browser, unlinked)
        await browser.enter(provider, sid="one")
        return await browser.username(), await browser.service.store.read("SELECT id FROM session")

    assert scene_of(scene) == (None, [])


def test_an_identity_that_moves_while_somebody_comes_with_it_changes_no_account(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        service = browser.service
        other = await service.accounts.create("bob", PASSWORD, ("editor",))
        service.people._store = Moving(service.store, other.id)
        await browser.enter(provider, roles=["sales"])
        return await browser.username(), (await service.accounts.by_id(other.id)).roles

    assert scene_of(scene) == (None, ("editor",))


class Moving:
    """A store in which an identity is another account's once somebody has read whose it is."""

    def __init__(self, store, account_id):
        self.store = store
        self.transact = store.transact
        self.account_id = account_id

    async def read(self, sql, *values):
        rows = await self.store.read(sql, *values)
        await self.store.write("UPDATE account_identity SET account_id = $1", self.account_id)
        return rows


def test_nothing_is_fetched_for_a_token_that_names_another_issuer(scene_of):
    async def scene(browser, provider):
        await tell(browser, provider.logout_token(iss="https://evil.example", sid="one"))
        await tell(browser, "x")
        return provider.requests

    assert scene_of(scene) == []
