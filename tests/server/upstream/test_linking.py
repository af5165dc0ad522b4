"""Connecting a provider with the account that has the same address, and the attacks on that."""

import html
import re
from dataclasses import replace

import pytest
from msgspec import structs
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import code_at, with_app
from tests.server.flows import hidden
from tests.server.upstream.imitation import SUBJECT, Browser
from tests.server.upstream.test_connecting import RULES, identities
from tests.server.upstream.test_provider import read
from tests.server.upstream.test_sign_in import CREATE, accounts

from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR
from carnet.server.upstream.kinds import KINDS
from carnet.server.upstream.mapping import address_to_link

ADDRESS = "alice@example.com"
PROVED = {"email": ADDRESS, "email_verified": True, "preferred_username": "alice"}
LINK = {"link": "verified-address"}
HERE = "/sign-in/existing-account"


async def with_address(browser, username="alice", address=ADDRESS):
    account = await browser.service.accounts.create(username, PASSWORD)
    await browser.service.addresses.add_verified(account.id, address, OPERATOR)
    return account


async def ask(browser):
    return await browser.client.get(HERE)


async def link(browser, **headers):
    return await browser.client.post(HERE, data={"x": "y"}, headers=headers)


async def prove(browser, page):
    """Sign in as the page says; give where that leads."""
    where = html.unescape(re.search(r'class="button" href="([^"]*)"', page.text)[1])
    page = await browser.client.get(where)
    form = {**hidden(page.text), **browser.typed}
    return await browser.client.post("/sign-in", data=form)


def test_an_account_with_the_address_is_connected_once_its_owner_has_proved_it(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        answer = await browser.enter(provider, following="/me/sessions", groups=["Press"], **PROVED)
        assert answer.headers["location"] == HERE
        assert await browser.username() is None
        page = await ask(browser)
        assert ADDRESS in page.text
        # Whose it is stands nowhere.
        assert account.id not in page.text
        assert "Make another account" not in page.text
        assert await identities(browser, account) == []
        answer = await prove(browser, page)
        assert answer.headers["location"] == HERE
        page = await ask(browser)
        assert "Connect Up with your account?" in page.text
        assert await identities(browser, account) == []
        answer = await link(browser)
        assert answer.headers["location"] == "/me/sessions"
        assert (await browser.service.accounts.find("alice")).roles == ("press",)
        other = Browser(browser.service)
        await other.enter(provider, email="another@example.com")
        assert await other.username() == "alice"
        return await identities(browser, account), provider.url

    found, url = scene_of(scene, roles=RULES, **LINK)
    assert found == [(url, SUBJECT, "another@example.com")]


def test_the_proof_is_the_usual_sign_in_with_the_second_factor(scene_of):
    async def scene(browser, provider):
        account = await with_app(browser.service, browser.clock)
        await browser.service.addresses.add_verified(account.id, ADDRESS, OPERATOR)
        await browser.enter(provider, **PROVED)
        answer = await prove(browser, await ask(browser))
        assert answer.headers["location"].startswith("/sign-in/code?")
        # The password alone is not enough.
        assert (await link(browser)).status_code == 401
        assert await identities(browser, account) == []
        form = {"continue": HERE, "code": code_at(browser.clock)}
        answer = await browser.client.post("/sign-in/code", data=form)
        assert answer.headers["location"] == HERE
        assert (await link(browser)).headers["location"] == "/me"
        return len(await identities(browser, account))

    assert scene_of(scene, **LINK) == 1


def test_a_sign_in_that_is_old_or_without_the_second_factor_is_no_proof(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.sign_in()
        browser.clock.advance(3600)
        await browser.enter(provider, auth_time=browser.clock() // 1_000_000, **PROVED)
        answer = await ask(browser)
        assert answer.headers["location"].endswith("existing-account&why=again")
        assert (await link(browser)).status_code == 401
        # Whoever is signed in with the password alone has a factor by now.
        await browser.sign_in()
        await browser.service.store.write(
            "INSERT INTO factor (id, account_id, kind, name, secret, counter, details, created_at) "
            "VALUES ('f', $1, 'passkey', 'Key', x'00', 0, '', 1) RETURNING id",
            account.id,
        )
        assert (await link(browser)).status_code == 401
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


@pytest.mark.parametrize(
    "said",
    [
        {"email": ADDRESS},
        {"email": ADDRESS, "email_verified": False},
        {"email": ADDRESS, "email_verified": "yes"},
        {"email": ADDRESS, "email_verified": 1},
        {"email": "bob@example.com", "email_verified": True},
        {"email": f"{ADDRESS},bob@example.com", "email_verified": True},
        {"email": [ADDRESS], "email_verified": True},
        {"upn": ADDRESS, "email_verified": True},
    ],
    ids=str,
)
def test_takeover_an_address_that_the_provider_has_not_proved_leads_nowhere(scene_of, said):
    async def scene(browser, provider):
        account = await with_address(browser)
        answer = await browser.enter(provider, **said)
        assert answer.status_code == 403
        assert (await ask(browser)).is_redirect
        await browser.sign_in()
        assert (await link(browser)).headers["location"] == "/sign-in?why=late"
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_takeover_a_newcomer_without_a_proved_address_connects_nothing(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        answer = await browser.enter(provider, email=ADDRESS)
        assert answer.headers["location"] == "/sign-in/new-account"
        await browser.sign_in()
        for asked in (ask, link):
            assert (await asked(browser)).headers["location"] == "/sign-in?why=late"
        return await identities(browser, account)

    assert scene_of(scene, **LINK, **CREATE) == []


def test_takeover_without_the_proof_of_the_account_nothing_is_connected(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.enter(provider, **PROVED)
        # Whoever has the provider's account and not this one's password gets no further.
        assert (await link(browser)).status_code == 401
        browser.typed["password"] = "a guess of theirs"
        assert (await prove(browser, await ask(browser))).status_code == 401
        assert (await link(browser)).status_code == 401
        assert await browser.username() is None
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_takeover_somebody_else_s_account_is_not_connected_by_the_address(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        bob = await browser.service.accounts.create("bob", PASSWORD)
        browser.typed["username"] = "bob"
        await browser.enter(provider, **PROVED)
        await prove(browser, await ask(browser))
        page = await ask(browser)
        assert "You are signed in as <strong>bob</strong>" in page.text
        answer = await link(browser)
        assert answer.status_code == 409
        assert "This account does not have that address" in answer.text
        return await identities(browser, account) + await identities(browser, bob)

    assert scene_of(scene, **LINK) == []


def test_pre_hijacking_an_account_that_only_claims_the_address_is_nobody_s(scene_of):
    async def scene(browser, provider):
        service = browser.service
        early = await service.accounts.create("early", "the attacker's password")
        # Claimed, and never proved.
        await service.store.write(
            "INSERT INTO email_address (account_id, normalized, address, is_primary, created_at) "
            "VALUES ($1, $2, $2, 0, 1) RETURNING account_id",
            *(early.id, ADDRESS),
        )
        await browser.enter(provider, **PROVED)
        assert await browser.username() == "alice"
        return await identities(browser, early)

    assert scene_of(scene, **LINK, **CREATE) == []


def test_pre_hijacking_whoever_connects_before_the_owner_comes_gets_a_refusal_then(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        # Somebody here has the identity already.
        bob = await browser.service.accounts.create("bob", PASSWORD)
        await browser.enter(provider, **PROVED)
        await prove(browser, await ask(browser))
        await browser.service.identities.link(bob.id, provider.url, SUBJECT, OPERATOR)
        answer = await link(browser)
        assert answer.status_code == 409
        assert "connected with another account" in answer.text
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_another_browser_is_asked_nothing_and_connects_nothing(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await Browser(browser.service).enter(provider, **PROVED)
        await browser.sign_in()
        assert (await ask(browser)).headers["location"] == "/sign-in?why=late"
        assert (await link(browser)).headers["location"] == "/sign-in?why=late"
        # What this browser keeps for another purpose counts for nothing here.
        await browser.press()
        begun = browser.client.cookies["__Host-carnet-provider"]
        browser.client.cookies.set("__Host-carnet-newcomer", begun, domain="auth.example")
        assert (await link(browser)).headers["location"] == "/sign-in?why=late"
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_another_site_s_form_connects_nothing(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.enter(provider, **PROVED)
        await prove(browser, await ask(browser))
        elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert (await link(browser, **elsewhere)).status_code == 403
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_replay_what_the_provider_has_said_connects_once_and_for_ten_minutes(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.enter(provider, **PROVED)
        kept = browser.client.cookies["__Host-carnet-newcomer"]
        await prove(browser, await ask(browser))
        assert (await link(browser)).headers["location"] == "/me"
        assert "__Host-carnet-newcomer" not in browser.client.cookies
        service = browser.service
        await service.identities.unlink(account.id, provider.url, SUBJECT, OPERATOR)
        await browser.sign_in()
        browser.client.cookies.set("__Host-carnet-newcomer", kept, domain="auth.example")
        answer = await link(browser)
        assert answer.status_code == 400
        assert "can't go on" in html.unescape(answer.text)
        late = Browser(service)
        await late.enter(provider, **PROVED)
        browser.clock.advance(601)
        await late.sign_in()
        assert (await link(late)).headers["location"] == "/sign-in?why=late"
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_an_address_that_the_account_has_no_more_connects_nothing(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.enter(provider, **PROVED)
        await prove(browser, await ask(browser))
        await browser.service.addresses.remove(account.id, ADDRESS, OPERATOR)
        answer = await link(browser)
        assert answer.status_code == 409
        assert "the address was removed from it meanwhile" in answer.text
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_whoever_wants_another_account_makes_one(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.enter(provider, **PROVED)
        page = await ask(browser)
        assert "Make another account" in page.text
        page = await browser.client.get("/sign-in/new-account")
        await browser.client.post("/sign-in/new-account", data={"username": "second"})
        assert await browser.username() == "second"
        assert await identities(browser, account) == []
        return await accounts(browser.service)

    assert scene_of(scene, **LINK, **CREATE) == ["alice", "second"]


def test_once_the_settings_say_otherwise_nothing_is_connected(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.enter(provider, **PROVED)
        await prove(browser, await ask(browser))
        before = browser.service.upstream.providers["up"]
        given = structs.replace(before.settings, link="from-within")
        browser.service.upstream.providers["up"] = replace(before, settings=given)
        assert (await link(browser)).headers["location"] == "/sign-in?why=late"
        return await identities(browser, account)

    assert scene_of(scene, **LINK) == []


def test_a_person_whose_account_there_was_made_anew_connects_it_beside_the_old_one(scene_of):
    async def scene(browser, provider):
        account = await with_address(browser)
        await browser.service.identities.link(account.id, provider.url, "deleted", OPERATOR)
        await browser.enter(provider, **PROVED)
        await prove(browser, await ask(browser))
        await link(browser)
        return sorted(subject for _, subject, _ in await identities(browser, account))

    assert scene_of(scene, **LINK) == sorted((SUBJECT, "deleted"))


def test_an_address_counts_only_where_the_provider_proves_addresses():
    settings = read("google", **LINK).settings
    for kind, found in (("google", ADDRESS), ("microsoft", "")):
        assert address_to_link(settings, KINDS[kind], PROVED) == found
    assert address_to_link(read("google").settings, KINDS["google"], PROVED) == ""
    more = {"tenant": "8eaef023-2b34-4da1-9baa-8bc8c9d6a490", **LINK}
    with pytest.raises(ConfigurationError, match=r"up\.link: nobody has proved the addresses"):
        read(kind="microsoft", **more)
    assert read(kind="microsoft", trust_addresses=True, **more).wanted >= {"email"}
