"""Microsoft with many tenants: each is an issuer of its own, and none speaks for another."""

import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.upstream.imitation import KEY, Browser, answer
from tests.server.upstream.test_provider import read
from tests.server.upstream.test_sign_in import CREATE, accounts

from carnet import Key
from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR
from carnet.server.provider_settings import ProviderSettings
from carnet.server.settings import Settings
from carnet.server.upstream.setting_up import read_providers

ACME = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
OTHER = "72f988bf-86f1-41af-91ab-2d7cd011db47"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
OWN = Key.generate("ES256", kid="personal")


def of_tenant(provider, tenant, named=None):
    """Let the provider's ID tokens be a tenant's; it may name another one."""
    provider.tokens = {"tid": named or tenant, "iss": f"{provider.url}/{tenant}/v2.0"}


def entra(provider):
    """Let the provider publish what Microsoft publishes for many tenants."""
    shared = f"{provider.url}/{{tenantid}}/v2.0"
    told = {
        "issuer": shared,
        "authorization_endpoint": f"{provider.url}/authorize",
        "token_endpoint": f"{provider.url}/token",
        "jwks_uri": f"{provider.url}/keys",
    }
    keys = [
        {**KEY.public.to_jwk(), "issuer": shared},
        {**OWN.public.to_jwk(), "issuer": f"{provider.url}/{PERSONAL}/v2.0"},
    ]
    for name in ("common", "organizations"):
        where = f"/{name}/v2.0/.well-known/openid-configuration"
        provider.pages[where] = lambda: answer(told)
    provider.pages["/keys"] = lambda: answer({"keys": keys})


@pytest.fixture
def entra_of(scene_of):
    def run(scene, tenant="common", /, **more):
        async def published(browser, provider):
            entra(provider)
            before = browser.service.upstream.providers["up"]
            assert before.issuer.endswith("/{tenantid}/v2.0")
            return await scene(browser, provider)

        given = {"kind": "microsoft", "path": "/{tenant}/v2.0", "tenant": tenant, **CREATE}
        return scene_of(published, **{**given, **more})

    return run


def test_the_same_subject_of_another_tenant_is_somebody_else(entra_of):
    async def scene(browser, provider):
        of_tenant(provider, ACME)
        await browser.enter(provider, preferred_username="ann")
        assert await browser.username() == "ann"
        other = Browser(browser.service)
        of_tenant(provider, OTHER)
        await other.enter(provider, preferred_username="bob")
        assert await other.username() == "bob"
        again = Browser(browser.service)
        of_tenant(provider, ACME)
        await again.enter(provider, preferred_username="renamed")
        assert await again.username() == "ann"
        found = await browser.service.store.read("SELECT issuer FROM account_identity")
        page = await browser.client.get("/me/factors")
        assert "<strong>Microsoft</strong>" in page.text
        assert "Connect Microsoft" not in page.text
        return sorted(issuer.split("/")[3] for (issuer,) in found)

    assert entra_of(scene) == sorted((ACME, OTHER))


@pytest.mark.parametrize(
    ("tenant", "named"),
    [
        (ACME, OTHER),
        (ACME, "{tenantid}"),
        ("{tenantid}", "{tenantid}"),
        ("common", "common"),
        (ACME.upper(), ACME.upper()),
        (f"{ACME}/../{OTHER}", f"{ACME}/../{OTHER}"),
        (ACME, 7),
        (ACME, ...),
    ],
    ids=str,
)
def test_a_token_whose_issuer_is_not_that_of_its_tenant_lets_nobody_in(entra_of, tenant, named):
    async def scene(browser, provider):
        of_tenant(provider, tenant, named)
        assert (await browser.enter(provider, preferred_username="ann")).status_code == 502
        return await accounts(browser.service)

    assert entra_of(scene) == []


def test_of_many_tenants_only_those_are_let_in_that_the_settings_name(entra_of):
    async def scene(browser, provider):
        seen = []
        for tenant in (ACME, OTHER, PERSONAL):
            of_tenant(provider, tenant)
            if tenant == PERSONAL:
                provider.signing_key = OWN
            came = await Browser(browser.service).enter(provider, preferred_username="ann")
            seen.append(came.status_code)
        return seen, await accounts(browser.service)

    assert entra_of(scene, tenants=(ACME,)) == ([303, 403, 403], ["ann"])


@pytest.mark.parametrize(("name", "status"), [("common", 303), ("organizations", 403)])
def test_personal_accounts_are_let_in_by_common_and_not_by_organizations(entra_of, name, status):
    async def scene(browser, provider):
        of_tenant(provider, PERSONAL)
        provider.signing_key = OWN
        return (await browser.enter(provider, preferred_username="ann")).status_code

    assert entra_of(scene, name) == status


def test_a_key_of_one_tenant_signs_for_no_other(entra_of):
    async def scene(browser, provider):
        of_tenant(provider, ACME)
        provider.signing_key = OWN
        seen = [(await browser.enter(provider, preferred_username="ann")).status_code]
        # The keys of all tenants are its, too.
        of_tenant(provider, PERSONAL)
        provider.signing_key = KEY
        seen.append((await browser.enter(provider, preferred_username="ann")).status_code)
        return seen

    assert entra_of(scene) == [502, 303]


def test_metadata_of_one_tenant_are_not_those_of_all(scene_of):
    async def scene(browser, provider):
        entra(provider)
        where = "/common/v2.0/.well-known/openid-configuration"
        provider.pages[where] = lambda: answer(
            {
                "issuer": f"{provider.url}/{ACME}/v2.0",
                **dict.fromkeys(
                    ("authorization_endpoint", "token_endpoint", "jwks_uri"), provider.url
                ),
            }
        )
        return (await browser.press()).status_code

    assert scene_of(scene, kind="microsoft", path="/{tenant}/v2.0", tenant="common") == 502


def test_nothing_is_fetched_for_a_sign_out_notice_that_names_another_issuer(entra_of):
    async def scene(browser, provider):
        for issuer in ("https://evil.example", f"{provider.url}/{OTHER}/v2.0"):
            token = provider.logout_token(iss=issuer, tid=ACME, sid="one")
            form = {"logout_token": token}
            told = await browser.client.post("/sign-in/with/up/logout", data=form)
            assert told.status_code == 400
        return provider.requests

    assert entra_of(scene) == []


def test_an_identity_whose_tenant_is_let_in_no_more_is_no_way_in(entra_of):
    async def scene(browser, provider):
        of_tenant(provider, ACME)
        await browser.enter(provider, preferred_username="ann")
        account = await browser.service.accounts.find("ann")
        await browser.service.identities.link(
            account.id, f"{provider.url}/{OTHER}/v2.0", "x", OPERATOR
        )
        form = {"issuer": f"{provider.url}/{ACME}/v2.0", "subject": "248289761001"}
        kept = await browser.client.post("/me/providers/disconnect", data=form)
        await browser.client.post("/me/password", data={"new_password": PASSWORD})
        gone = await browser.client.post("/me/providers/disconnect", data=form)
        return kept.status_code, gone.status_code

    assert entra_of(scene, tenants=(ACME,)) == (409, 303)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tenant": "everybody"}, "up.tenant: it is the tenant's id"),
        ({"tenant": "common", "trust_addresses": True}, "up.trust_addresses: any tenant"),
        ({"tenant": ACME, "tenants": (ACME,)}, "up.tenants: it is for a tenant that stands"),
    ],
)
def test_what_many_tenants_can_t_have_is_refused_at_the_start(given, told):
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        read(kind="microsoft", **given)


def test_a_tenant_that_another_provider_lets_in_too_is_refused():
    one = ProviderSettings(client_id="x", kind="microsoft", tenant=ACME)
    for tenants, good in (((), False), ((ACME,), False), ((OTHER,), True)):
        many = ProviderSettings(client_id="x", kind="microsoft", tenant="common", tenants=tenants)
        for providers in ({"a": one, "b": many}, {"b": many, "a": one}):
            settings = Settings(issuer="https://auth.example", providers=providers)
            if good:
                assert read_providers(settings).keys() == providers.keys()
                continue
            with pytest.raises(ConfigurationError, match="another provider has the same one"):
                read_providers(settings)
