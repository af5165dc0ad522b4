"""Choosing the provider by the domain of an address."""

import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import hidden
from tests.server.upstream.imitation import Browser, answer
from tests.server.upstream.test_provider import read
from tests.server.upstream.test_sign_in import CREATE, accounts, linked, query

from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR
from carnet.server.provider_settings import ProviderSettings
from carnet.server.settings import Settings
from carnet.server.upstream.setting_up import read_providers

OURS = {"domains": ("example.com", "xn--mnchen-3ya.example")}


async def name(browser, typed, following="/me"):
    form = {"username": typed, "continue": following}
    return await browser.client.post("/sign-in/name", data=form)


@pytest.mark.parametrize(
    "typed", ["ann@example.com", "ANN@Example.COM", " ann@example.com ", "ann@münchen.example"]
)
def test_an_address_of_a_provider_s_domain_leads_there_with_a_hint(scene_of, typed):
    async def scene(browser, provider):
        led = await name(browser, typed, "/me/sessions")
        address = led.headers["location"]
        assert address.startswith(f"{provider.url}/authorize?")
        assert query(address)["login_hint"] == typed.strip()
        await linked(browser)
        back = await browser.client.get(provider.sign_in(address))
        return back.headers["location"]

    assert scene_of(scene, **OURS) == "/me/sessions"


@pytest.mark.parametrize(
    "typed",
    [
        *("alice", "ann@sub.example.com", "ann@example.com.evil.example", "ann@example.org"),
        *("@example.com", "a b@example.com", "example.com", "x@evil.example@"),
    ],
)
def test_whoever_has_another_address_is_asked_for_a_password_as_everybody_is(scene_of, typed):
    async def scene(browser, provider):
        await browser.service.accounts.create("alice", PASSWORD)
        page = await name(browser, typed)
        assert page.status_code == 200
        assert 'type="password"' in page.text
        assert hidden(page.text)["continue"] == "/me"
        assert provider.requests == []

    scene_of(scene, **OURS)


def test_the_answer_is_the_same_whether_there_is_an_account_or_not(scene_of):
    async def scene(browser, provider):
        service = browser.service
        account = await service.accounts.create("alice", PASSWORD)
        await service.accounts.create("ann@example.com", PASSWORD)
        await service.addresses.add_verified(account.id, "alice@example.com", OPERATOR)
        seen = set()
        for typed in ("alice@example.com", "nobody@example.com", "ann@example.com"):
            led = await name(Browser(service), typed)
            asked = query(led.headers["location"])
            changing = ("state", "nonce", "code_challenge", "login_hint")
            told = sorted((key, text) for key, text in asked.items() if key not in changing)
            seen.add((led.status_code, str(told)))
        for typed in ("alice", "nobody"):
            page = await name(Browser(service), typed)
            seen.add(re.sub(r'value="[^"]*"|data-\w+="[^"]*"|nonce-\S+', "", page.text)[:200])
        return len(seen)

    assert scene_of(scene, **OURS) == 2


def test_the_page_asks_for_the_name_first_and_for_a_password_at_once_where_that_is_wanted(scene_of):
    async def scene(browser, provider):
        account = await browser.service.accounts.create("alice", PASSWORD)
        await browser.service.addresses.add_verified(account.id, "alice@example.com", OPERATOR)
        page = await browser.client.get("/sign-in")
        assert 'action="/sign-in/name"' in page.text
        assert 'type="password"' not in page.text
        assert (await name(browser, " ")).status_code == 422
        link = re.search(r'href="(/sign-in\?[^"]*with=password)"', page.text)[1]
        page = await browser.client.get(link.replace("&amp;", "&"))
        form = {**hidden(page.text), "username": "alice@example.com", "password": PASSWORD}
        # Whoever has a password here is in with it, too.
        await browser.client.post("/sign-in", data=form)
        return await browser.username()

    assert scene_of(scene, **OURS) == "alice"


def test_without_domains_the_page_asks_for_both_at_once(scene_of):
    async def scene(browser, provider):
        return (await browser.client.get("/sign-in")).text

    assert 'type="password"' in scene_of(scene)


def test_a_domain_makes_nobody_trust_the_provider_s_answer_more(scene_of):
    async def scene(browser, provider):
        account = await browser.service.accounts.create("ann", PASSWORD)
        await browser.service.addresses.add_verified(account.id, "ann@example.com", OPERATOR)
        led = await name(browser, "ann@example.com")
        said = {"email": "ann@example.com", "email_verified": True, "preferred_username": "ann"}
        await browser.client.get(provider.sign_in(led.headers["location"], **said))
        assert await browser.username() == "ann2"
        assert await browser.service.identities.of_account(account.id) == []
        return await accounts(browser.service)

    assert scene_of(scene, **OURS, **CREATE) == ["ann", "ann2"]


def test_another_site_sends_nobody_to_a_provider_by_an_address(scene_of):
    async def scene(browser, provider):
        headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        form = {"username": "ann@example.com"}
        led = await browser.client.post("/sign-in/name", data=form, headers=headers)
        return led.status_code

    assert scene_of(scene, **OURS) == 403


def test_a_provider_that_is_away_leaves_another_way_in(scene_of):
    async def scene(browser, provider):
        provider.pages["/.well-known/openid-configuration"] = answer({}, 503)
        page = await name(browser, "ann@example.com")
        assert page.status_code == 502
        return page.text

    assert "does not answer" in scene_of(scene, **OURS)


@pytest.mark.parametrize("domain", ["Example.com", "example", "@example.com", "münchen.example"])
def test_what_is_no_domain_is_refused_at_the_start(domain):
    with pytest.raises(ConfigurationError, match=r"up\.domains: .* is no domain in small letters"):
        read(kind="google", domains=(domain,))


def test_a_domain_leads_to_one_provider():
    given = {
        name: ProviderSettings(client_id="x", issuer=f"https://{name}.example", **OURS)
        for name in ("a", "b")
    }
    with pytest.raises(ConfigurationError, match=r"b\.domains: another provider has one of them"):
        read_providers(Settings(issuer="https://auth.example", providers=given))
