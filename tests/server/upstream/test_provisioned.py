"""Whoever a directory has made an account for (SCIM) comes to it with that's provider."""

import pytest
from tests.server.upstream.imitation import SUBJECT

from carnet.server.audit import OPERATOR, newest
from carnet.server.directory_settings import ScimSettings
from carnet.server.provider_settings import RoleRules

OKTA = {"scim": ScimSettings(provider="up")}
ENTRA = {"scim": ScimSettings(provider="up", provider_claim="oid")}


async def provisioned(browser, external_id, name="ada"):
    content = {"userName": name, "externalId": external_id}
    return await browser.service.scim.users.create(content, OPERATOR)


def test_the_account_that_the_directory_has_made_is_theirs(scene_of):
    async def scene(browser, provider):
        service = browser.service
        made = await provisioned(browser, SUBJECT)
        answer = await browser.enter(provider, groups=["Press"], preferred_username="somebody")
        assert answer.headers["location"] == "/me"
        assert await browser.username() == "ada"
        assert [one.username for one in await service.accounts.page()] == ["ada"]
        account = await service.accounts.by_id(made.id)
        assert account.roles == ("press",)
        linked = [(one.issuer, one.subject) for one in await service.identities.of_account(made.id)]
        assert (provider.url, SUBJECT) in linked
        # From now on it is theirs by the identity, whatever the directory calls them.
        await service.scim.users.change(made.id, lambda _: {"userName": "ada"}, None, OPERATOR)
        browser.client.cookies.clear()
        await browser.enter(provider)
        assert await browser.username() == "ada"
        # The directory takes it all back at once.
        gone = {"userName": "ada", "active": False}
        await service.scim.users.change(made.id, lambda _: gone, None, OPERATOR)
        assert await browser.username() is None
        assert (await browser.enter(provider)).status_code == 403
        return [one.event for one in await newest(service.store, 20)]

    rules = RoleRules(values={"Press": "press"})
    assert "identity_linked" in scene_of(scene, settings=OKTA, roles=rules, provision="create")


def test_at_microsoft_it_is_the_object_id_that_says_who_it_is(scene_of):
    async def scene(browser, provider):
        await provisioned(browser, "object-1")
        assert (await browser.enter(provider, oid="object-2")).status_code == 403
        assert (await browser.enter(provider, oid=["object-1"])).status_code == 403
        assert (await browser.enter(provider, oid="object-1")).status_code == 303
        assert await browser.username() == "ada"

    scene_of(scene, settings=ENTRA)


def test_an_account_that_is_inactive_lets_nobody_in_and_is_not_linked(scene_of):
    async def scene(browser, provider):
        content = {"userName": "ada", "externalId": SUBJECT, "active": False}
        made = await browser.service.scim.users.create(content, OPERATOR)
        answer = await browser.enter(provider)
        assert answer.status_code == 403
        found = await browser.service.identities.of_account(made.id)
        assert [one.issuer for one in found] == ["scim"]
        # Nor is another account made for them.
        assert len(await browser.service.accounts.page()) == 1

    scene_of(scene, settings=OKTA, provision="create")


@pytest.mark.parametrize(
    ("settings", "external_ids", "claims"),
    [
        # Nobody has said that these people come from there.
        ({"scim": ScimSettings()}, [SUBJECT], {}),
        ({}, [SUBJECT], {}),
        # A name or an address is never what says who somebody is.
        (
            OKTA,
            ["ada", "ada@example.com"],
            {"preferred_username": "ada", "email": "ada@example.com"},
        ),
        # Two are called so: nobody knows which is meant.
        (OKTA, [SUBJECT, SUBJECT], {}),
        (ENTRA, [SUBJECT], {}),
        (OKTA, [""], {"oid": ""}),
    ],
)
def test_nobody_else_comes_to_an_account_of_the_directory(scene_of, settings, external_ids, claims):
    async def scene(browser, provider):
        for number, external_id in enumerate(external_ids):
            await provisioned(browser, external_id, f"ada{number}" if number else "ada")
        answer = await browser.enter(provider, **claims)
        assert answer.status_code == 403
        assert await browser.username() is None

    scene_of(scene, settings=settings)
