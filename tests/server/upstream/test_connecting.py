"""Connecting a provider with an account, and disconnecting it."""

import html
import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import with_app
from tests.server.mail.inbox import Inbox, link_of, text_of
from tests.server.mail.person import ALICE, Person, deliver
from tests.server.upstream.imitation import SUBJECT, Browser
from tests.server.upstream.test_sign_in import CREATE, linked, query

from carnet.server.audit import OPERATOR
from carnet.server.provider_settings import RoleRules
from carnet.server.sessions.identity_rights import NO_RIGHTS
from carnet.server.upstream.provider import Asserted, UpstreamRefused


async def disconnect(browser, subject=SUBJECT):
    form = {"issuer": browser.provider.url, "subject": subject}
    return await browser.client.post("/me/providers/disconnect", data=form)


async def identities(browser, account):
    found = await browser.service.identities.of_account(account.id)
    return [(one.issuer, one.subject, one.name) for one in found]


def test_somebody_who_is_signed_in_connects_a_provider_and_signs_in_with_it(scene_of):
    async def scene(browser, provider):
        account = await browser.service.accounts.create("alice", PASSWORD)
        await browser.sign_in()
        page = await browser.client.get("/me/factors")
        assert "Connect Up" in page.text
        address = await browser.connect()
        assert "prompt" not in query(address)
        answer = await browser.client.get(provider.sign_in(address, email="al@example.com"))
        assert answer.headers["location"] == "/me/factors?done=connected"
        page = await browser.client.get("/me/factors?done=connected")
        assert "al@example.com" in page.text
        assert "Connect Up" not in page.text
        other = Browser(browser.service)
        await other.enter(provider)
        assert await other.username() == "alice"
        return await identities(browser, account), provider.url

    found, url = scene_of(scene)
    assert found == [(url, SUBJECT, "")]


def test_connecting_needs_a_recent_sign_in(scene_of):
    async def scene(browser, provider):
        await browser.service.accounts.create("alice", PASSWORD)
        assert (await browser.connect()).status_code == 401
        await browser.sign_in()
        browser.clock.advance(3600)
        answer = await browser.connect()
        assert answer.status_code == 401
        assert "Sign in again" in answer.text

    scene_of(scene)


def test_nothing_is_connected_once_the_session_has_ended_or_the_account_has_changed(scene_of):
    async def scene(browser, provider):
        service = browser.service
        account = await service.accounts.create("alice", PASSWORD)
        await browser.sign_in()
        [(session_id,)] = await service.store.read("SELECT id FROM session")
        said, codes = Asserted(provider.url, SUBJECT, {}), []

        async def connect():
            with pytest.raises(UpstreamRefused) as refused:
                await service.people.connect(account, said, NO_RIGHTS, session_id, OPERATOR)
            codes.append(refused.value.code)

        await service.sessions.end(session_id, "signed_out")
        await connect()
        await browser.sign_in()
        [(session_id,)] = await service.store.read("SELECT id FROM session WHERE ended_at IS NULL")
        await service.accounts.set_roles(account.id, ["other"], OPERATOR)
        await connect()
        return codes, await identities(browser, account)

    assert scene_of(scene) == (["account_changed"] * 2, [])


def test_an_identity_that_is_another_account_s_stays_there(scene_of):
    async def scene(browser, provider):
        alice = await linked(browser)
        bob = await browser.service.accounts.create("bob", PASSWORD)
        browser.typed["username"] = "bob"
        await browser.sign_in()
        answer = await browser.client.get(provider.sign_in(await browser.connect()))
        assert answer.status_code == 409
        assert "connected with another account" in answer.text
        assert "/me/factors" in answer.text
        assert await browser.username() == "bob"
        return await identities(browser, bob), len(await identities(browser, alice))

    assert scene_of(scene) == ([], 1)


def test_what_is_disconnected_lets_in_no_more_and_its_other_sessions_end(scene_of):
    async def scene(browser, provider):
        account = await linked(browser)
        other = Browser(browser.service)
        for one in (browser, other):
            await one.enter(provider)
        page = await browser.client.get("/me/factors")
        [link] = re.findall(r'href="([^"]*/me/providers/disconnect[^"]*)"', page.text)
        page = await browser.client.get(html.unescape(link))
        assert "Disconnect Up?" in page.text
        answer = await disconnect(browser)
        assert answer.headers["location"] == "/me/factors?done=disconnected"
        assert await browser.username() == "alice"
        assert await other.username() is None
        answer = await other.enter(provider)
        assert answer.status_code == 403
        again = await disconnect(browser)
        assert again.headers["location"] == "/me/factors?done=disconnected"
        return await identities(browser, account)

    assert scene_of(scene) == []


def test_the_last_way_in_stays_until_there_is_a_password(scene_of):
    async def scene(browser, provider):
        await browser.enter(provider, preferred_username="bob")
        account = await browser.service.accounts.find("bob")
        answer = await disconnect(browser)
        assert answer.status_code == 409
        assert "only way to sign in to your account" in answer.text
        assert len(await identities(browser, account)) == 1
        # What another issuer says of them lets in nowhere here.
        elsewhere = "https://elsewhere.example"
        await browser.service.identities.link(account.id, elsewhere, "x", OPERATOR)
        assert (await disconnect(browser)).status_code == 409
        page = await browser.client.get("/me/password")
        assert "Set a password" in page.text
        assert "Current password" not in page.text
        form = {"new_password": "short"}
        assert (await browser.client.post("/me/password", data=form)).status_code == 422
        answer = await browser.client.post("/me/password", data={"new_password": PASSWORD})
        assert answer.headers["location"] == "/me?done=password"
        assert await browser.service.accounts.authenticate("bob", PASSWORD) is not None
        # From now on the current one is asked for.
        answer = await browser.client.post(
            "/me/password", data={"new_password": "another password"}
        )
        assert answer.status_code == 403
        assert (await disconnect(browser)).is_redirect
        return await identities(browser, account)

    assert scene_of(scene, **CREATE) == [("https://elsewhere.example", "x", "")]


def test_a_password_is_added_after_a_recent_sign_in_alone(scene_of):
    async def scene(browser, provider):
        await browser.enter(provider, preferred_username="bob")
        browser.clock.advance(3600)
        answer = await browser.client.post("/me/password", data={"new_password": PASSWORD})
        assert answer.status_code == 401
        assert await browser.service.accounts.authenticate("bob", PASSWORD) is None

    scene_of(scene, **CREATE)


def test_a_passkey_that_is_the_last_way_in_stays(scene_of):
    async def scene(browser, provider):
        await browser.enter(provider, preferred_username="bob")
        account = await browser.service.accounts.find("bob")
        await browser.service.store.write(
            "INSERT INTO factor (id, account_id, kind, name, secret, counter, details, created_at) "
            "VALUES ('f', $1, 'passkey', 'Key', x'00', 0, '', 1) RETURNING id",
            account.id,
        )
        # What changes how somebody signs in needs the second factor that they have.
        assert (await disconnect(browser)).status_code == 401
        await browser.service.store.write("UPDATE session SET amr = 'fed mfa'")
        assert (await disconnect(browser)).is_redirect
        answer = await browser.client.post("/me/factors/remove", data={"id": "f"})
        assert answer.status_code == 409
        assert "the only way to sign in to your account" in answer.text
        return await browser.service.store.read("SELECT id FROM factor")

    assert scene_of(scene, **CREATE) == [("f",)]


def test_an_app_is_no_way_in_by_itself_and_is_removed(scene_of):
    async def scene(browser, provider):
        await with_app(browser.service, browser.clock)
        account = await browser.service.accounts.find("alice")
        [factor] = await browser.service.factors.of_account(account.id)
        session = await browser.service.store.read("SELECT id FROM session")
        assert session == []
        return factor.kind

    assert scene_of(scene) == "totp"


RULES = RoleRules(values={"Press": "press", "Bosses": "carnet:admin"}, prefix="app-")


def test_roles_follow_the_provider_and_older_tokens_are_stale_at_once(scene_of):
    async def scene(browser, provider):
        service = browser.service
        account = await service.accounts.create("alice", PASSWORD, ("own", "press"))
        await service.identities.link(account.id, provider.url, SUBJECT, OPERATOR)
        seen = []
        for groups in (["Press", "app-sales"], ["Press", "app-sales"], ["Press"], []):
            await Browser(service).enter(provider, groups=groups)
            now = await service.accounts.find("alice")
            seen.append((now.roles, now.version))
        return seen, await service.store.read("SELECT version FROM revocation ORDER BY seq")

    seen, stale = scene_of(scene, roles=RULES)
    own = ("own", "press")
    assert [roles for roles, _ in seen] == [(*own, "sales"), (*own, "sales"), own, own]
    # Where nothing changes, no token is refused.
    assert [version for _, version in seen] == [2, 2, 3, 3]
    assert [version for (version,) in stale] == [2, 3]


def test_what_came_with_an_identity_goes_with_it(scene_of):
    async def scene(browser, provider):
        service = browser.service
        account = await service.accounts.create("alice", PASSWORD, ("own",), {"team": "x"})
        await browser.sign_in()
        address = await browser.connect()
        said = {"groups": ["Bosses"], "dept": "press"}
        await browser.client.get(provider.sign_in(address, **said))
        before = await service.accounts.find("alice")
        await service.identities.unlink(account.id, provider.url, SUBJECT, OPERATOR)
        after = await service.accounts.find("alice")
        return before[2:5], after[2:5]

    claims = {"department": "dept"}
    before, after = scene_of(scene, roles=RULES, claims=claims)
    assert before == (("carnet:admin", "own"), {"department": "press", "team": "x"}, 3)
    assert after == (("own",), {"team": "x"}, 5)


def test_what_an_account_can_t_hold_signs_nobody_in(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        answer = await browser.enter(provider, dept="x" * 5000)
        assert answer.status_code == 502
        assert "can&#39;t hold what Up says" in answer.text
        return (await browser.service.accounts.find("alice")).claims

    assert scene_of(scene, claims={"department": "dept"}) == {}


@pytest.mark.parametrize("column", ["roles", "claims"])
def test_a_damaged_row_harms_nobody(scene_of, column):
    async def scene(browser, provider):
        await linked(browser)
        await browser.service.store.write(
            f"UPDATE account_identity SET {column} = '{{' RETURNING account_id"
        )
        await browser.enter(provider, groups=["Press"])
        return await browser.username()

    assert scene_of(scene, roles=RULES) == "alice"


def test_what_is_connected_is_told_by_mail_and_whoever_was_not_asked_gets_no_one_else_in(scene_of):
    inbox = Inbox()

    async def scene(browser, provider):
        service = browser.service
        account = await service.accounts.create("alice", PASSWORD)
        await service.addresses.add_verified(account.id, ALICE, OPERATOR)
        async with inbox.open():
            # A thief who knows the password.
            await browser.sign_in()
            browser.clock.advance(1)
            await browser.client.get(provider.sign_in(await browser.connect()))
            await deliver(service)
            [mail] = [one for one in inbox.mails if "A way to sign in" in one["subject"]]
            assert "sign-in with Up" in text_of(mail)
            person = Person(service, browser.clock, inbox)
            assert (await person.use(link_of(mail))).status_code == 200
        thief = Browser(service)
        await thief.enter(provider)
        return await thief.username(), (await service.accounts.by_id(account.id)).disabled

    assert scene_of(scene, settings=inbox.settings) == (None, True)


def test_an_account_that_began_with_a_provider_is_not_shut_for_that(scene_of):
    inbox = Inbox()

    async def scene(browser, provider):
        service = browser.service
        await browser.enter(provider, preferred_username="alice")
        [(account_id,)] = await service.store.read("SELECT id FROM account")
        async with inbox.open():
            await service.addresses.add_verified(account_id, ALICE, OPERATOR)
            await deliver(service)
            await Person(service, browser.clock, inbox).use(link_of(inbox.mails[-1]))
        return (await service.accounts.by_id(account_id)).disabled

    assert scene_of(scene, settings=inbox.settings, **CREATE) is False
