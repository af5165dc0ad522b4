"""Trying rules on a sample, by themselves and on the administration's page."""

import html
import json
import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.upstream.imitation import Browser
from tests.server.upstream.test_provider import TENANT, read
from tests.server.upstream.test_tenants import OTHER

from carnet import Key
from carnet.errors import ConfigurationError
from carnet.jose import jws
from carnet.server.audit import newest
from carnet.server.provider_settings import ClaimRule, RoleRules
from carnet.server.upstream.trial import read_rules, read_sample, try_claims, write_rules

ADMIN = "carnet:admin"
RULES = {
    "required": {"hd": ("example.com",), "https://x.example/y": "z"},
    "roles": RoleRules(
        claim="realm_access.roles",
        values={"Press": "press", 'a "b" \\ \x7f\n\u00e9': ADMIN},
        prefix="app-",
        default=("guest",),
    ),
    "claims": {
        "email": "email",
        "department": ClaimRule(claim="dept", values={"PR": "press"}, default="none"),
        "a b": ClaimRule(claim="c"),
    },
}


@pytest.mark.parametrize("rules", [RULES, {}, {"roles": RoleRules()}], ids=["many", "none", "few"])
def test_rules_that_were_written_are_the_same_when_they_are_read(rules):
    provider = read("google", **rules)
    assert read_rules(provider, write_rules(provider)).settings == provider.settings
    assert read_rules(provider, "").settings == read("google").settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x", "the rules are no TOML"),
        ("x = " + "[" * 5000, "the rules are no TOML"),
        ("[providers.google]\nclient_id = 'x'", "and no other settings"),
        ("[providers.google]\ntrust_addresses = true", "and no other settings"),
        ("[providers.other]\nrequired = {}", "and no other settings"),
        ("issuer = 'x'", "and no other settings"),
        ("providers = 7", "and no other settings"),
        ("providers.google = 7", "and no other settings"),
        ("[providers.google.roles]\ncliam = 'x'", "unknown field `cliam`"),
        ("[providers.google.claims]\nsub = 'x'", "the service itself sets it"),
    ],
)
def test_what_are_no_rules_is_said(text, told):
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        read_rules(read("google"), text)


def test_a_sample_is_an_id_token_or_an_object():
    token = jws.sign(json.dumps({"sub": "1"}).encode(), Key.generate("ES256"), {})
    assert read_sample(f" {token}\n") == read_sample('{"sub": "1"}') == {"sub": "1"}
    for text in ("", "x", "[]", "{", "{" * 9000, '{"a": 1, "a": 2}', "e30.x.y"):
        with pytest.raises(ConfigurationError, match="the sample is no"):
            read_sample(text)


def test_a_sample_of_another_tenant_is_not_let_in():
    provider = read("microsoft", tenant="common", tenants=(TENANT,))
    issuer = "https://login.microsoftonline.com/{}/v2.0"
    for tenant, good in ((TENANT, True), (OTHER, False)):
        claims = {"tid": tenant, "iss": issuer.format(tenant)}
        assert try_claims(provider, claims, ADMIN).let_in is good
    assert try_claims(provider, {}, ADMIN).let_in is True


async def as_admin(browser):
    account = await browser.service.accounts.create("alice", PASSWORD, (ADMIN,))
    await browser.sign_in()
    return account


async def try_it(browser, rules, sample, **headers):
    form = {"rules": rules, "sample": sample}
    return await browser.client.post("/admin/providers/up", data=form, headers=headers)


def test_an_administrator_sees_the_rules_and_tries_others_and_nothing_changes(scene_of):
    async def scene(browser, provider):
        await as_admin(browser)
        service = browser.service
        page = await browser.client.get("/admin/providers")
        assert provider.url in page.text
        page = await browser.client.get("/admin/providers/up")
        assert "https://auth.example/sign-in/with/up/callback" in page.text
        shown = re.search(r'name="rules".*?>\n(.*?)</textarea>', page.text, re.DOTALL)[1]
        rules = html.unescape(shown)
        before = service.upstream.providers["up"], len(await newest(service.store, 99))
        sample = '{"groups": ["Press", "app-x"], "preferred_username": "Bob"}'
        page = await try_it(browser, rules, sample)
        assert page.status_code == 200
        assert "This person may sign in." in page.text
        assert "<dd>press</dd>" in page.text
        assert "<dd>bob</dd>" in page.text
        assert "not in force" not in page.text
        other = rules.replace("press", "editor") + 'prefix = "app-"\n[providers.up]\n'
        page = await try_it(browser, other + 'required = { hd = "example.com" }\n', sample)
        assert "This person may not sign in." in page.text
        assert "<dd>editor, x</dd>" in page.text
        assert "These rules are not in force." in page.text
        saved = html.unescape(re.search(r"<pre.*?<code>(.*?)</code>", page.text, re.DOTALL)[1])
        assert read_rules(before[0], saved).settings.required == {"hd": "example.com"}
        assert before == (service.upstream.providers["up"], len(await newest(service.store, 99)))
        for rules, sample in (("x", "{}"), ("", "x")):
            assert (await try_it(browser, rules, sample)).status_code == 422
        assert (await browser.client.get("/admin/providers/other")).status_code == 404

    scene_of(scene, roles=RoleRules(values={"Press": "press"}))


def test_only_administrators_see_and_try(scene_of):
    async def scene(browser, provider):
        for where in ("/admin/providers", "/admin/providers/up"):
            assert (await browser.client.get(where)).is_redirect
        await browser.service.accounts.create("alice", PASSWORD)
        await browser.sign_in()
        for where in ("/admin/providers", "/admin/providers/up"):
            assert (await browser.client.get(where)).status_code == 403
        assert (await try_it(browser, "", "{}")).status_code == 403
        admin = Browser(browser.service, "root")
        await browser.service.accounts.create("root", PASSWORD, (ADMIN,))
        await admin.sign_in()
        elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert (await try_it(admin, "", "{}", **elsewhere)).status_code == 403
        return (await try_it(admin, "", "{}")).status_code

    assert scene_of(scene) == 200
