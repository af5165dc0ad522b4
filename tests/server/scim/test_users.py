"""The accounts that a directory keeps: what it sends, and what comes of that."""

import pytest
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR, Origin, newest
from carnet.server.provider_settings import RoleRules
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession, RefreshRefused

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HERE = Origin("192.0.2.7", "A browser", None)


async def events(service):
    return [one.event for one in await newest(service.store, 50)]


async def signed_in(service, account_id):
    account = await service.accounts.by_id(account_id)
    return await service.sessions.begin(account, NewSession(FIRST_PARTY, "orders"), HERE)


def test_a_user_is_made_as_an_account_that_no_password_lets_into(directory):
    async def scene(found):
        made = await found.user(
            "Ada@Example.com",
            externalId="ext-1",
            name={"givenName": "Ada", "familyName": "Lovelace"},
            emails=[{"value": "ada@example.com", "type": "work", "primary": True}],
            unknown="ignored",
            id="chosen-by-the-client",
            **{ENTERPRISE: {"department": "Engines"}},
        )
        assert made["userName"] == "Ada@Example.com"
        assert made["id"] != "chosen-by-the-client"
        assert made["active"] is True
        assert made["name"] == {"givenName": "Ada", "familyName": "Lovelace"}
        assert made[ENTERPRISE] == {"department": "Engines"}
        assert ENTERPRISE in made["schemas"]
        assert "unknown" not in made
        assert made["meta"]["location"] == f"https://auth.example/scim/v2/Users/{made['id']}"
        account = await found.service.accounts.by_id(made["id"])
        assert (account.username, account.roles) == ("ada@example.com", ())
        assert not await found.service.accounts.has_password(made["id"])
        entries = await newest(found.service.store, 5)
        [created] = [one for one in entries if one.event == "account_created"]
        assert created.actor.startswith("scim:")
        shown = await found.send("GET", f"/Users/{made['id']}", status=200)
        assert shown.json() == made
        assert shown.headers["etag"] == made["meta"]["version"]
        assert shown.headers["content-type"] == "application/scim+json"

    directory(scene)


@pytest.mark.parametrize("name", ["ada", "ADA", "ad\u0430"])
def test_a_name_that_is_taken_or_looks_like_another_is_refused(directory, name):
    async def scene(found):
        await found.user("ada")
        answer = await found.send("POST", "/Users", {"userName": name})
        expected = (409, "uniqueness") if name.isascii() else (400, "invalidValue")
        assert (answer.status_code, answer.json()["scimType"]) == expected
        assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]

    directory(scene)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"userName": ""},
        {"userName": "two words"},
        {"userName": 7},
        {"userName": "a\0b"},
        {"userName": "x" * 2000},
        {"userName": "ada", "active": "maybe"},
        {"userName": "ada", "active": []},
        {"userName": "ada", "name": "Ada"},
        {"userName": "ada", "emails": [7]},
        {"userName": "ada", "emails": [{"value": {}}]},
        {"userName": "ada", "emails": [{"value": str(number)} for number in range(51)]},
        {"userName": "ada", "addresses": [{"formatted": "x" * 1000}] * 40},
    ],
)
def test_what_is_no_user_is_refused_and_leaves_nothing(directory, content):
    async def scene(found):
        answer = await found.send("POST", "/Users", content, 400)
        assert answer.json()["scimType"] in ("invalidValue", "invalidSyntax")
        listed = await found.send("GET", "/Users", status=200)
        assert listed.json()["totalResults"] == 0
        assert await found.service.accounts.page() == []

    directory(scene)


@pytest.mark.parametrize(
    "operations",
    [
        # Entra, with and without its flag for what the RFC says, and Okta.
        [{"op": "Replace", "path": "active", "value": "False"}],
        [{"op": "Replace", "path": "active", "value": False}],
        [{"op": "replace", "value": {"active": False}}],
        [{"op": "Add", "value": {"Active": "false", "displayName": "Ada"}}],
    ],
)
def test_a_user_that_is_deactivated_is_signed_out_everywhere_in_the_same_transaction(
    directory, operations
):
    async def scene(found):
        made = await found.user()
        grant = await signed_in(found.service, made["id"])
        before = (await found.service.revocation_stream.catch_up())["revocation"]
        changed = await found.patch(made, *operations)
        assert changed["active"] is False
        assert (await found.service.accounts.by_id(made["id"])).disabled
        with pytest.raises(RefreshRefused):
            await found.service.sessions.refresh(grant.refresh_token)
        # Verifiers are told.
        assert (await found.service.revocation_stream.catch_up())["revocation"] > before
        assert await found.service.sessions.of_account(made["id"]) == []
        again = await found.patch(made, {"op": "replace", "path": "active", "value": "True"})
        assert again["active"] is True
        assert not (await found.service.accounts.by_id(made["id"])).disabled
        assert {"account_disabled", "account_enabled"} <= set(await events(found.service))

    directory(scene)


def test_a_user_can_be_made_inactive(directory):
    async def scene(found):
        made = await found.user(active=False)
        assert made["active"] is False
        assert (await found.service.accounts.by_id(made["id"])).disabled

    directory(scene)


def test_what_leaves_out_whether_a_user_is_active_lets_nobody_in_again(directory):
    async def scene(found):
        made = await found.user(active=False)
        path = f"/Users/{made['id']}"
        replaced = await found.send("PUT", path, {"userName": "ada", "title": "Countess"}, 200)
        assert replaced.json()["active"] is False
        refused = await found.patch(made, {"op": "remove", "path": "active"}, status=400)
        assert refused["scimType"] == "invalidValue"
        assert (await found.service.accounts.by_id(made["id"])).disabled

    directory(scene)


def test_a_put_replaces_all_and_a_rename_keeps_the_account(directory):
    async def scene(found):
        made = await found.user("ada", title="Countess", externalId="1")
        other = await found.user("grace")
        path = f"/Users/{made['id']}"
        answer = await found.send("PUT", path, {"userName": "ada.king"}, 200)
        assert "title" not in answer.json()
        assert "externalId" not in answer.json()
        account = await found.service.accounts.by_id(made["id"])
        assert account.username == "ada.king"
        assert "account_renamed" in await events(found.service)
        taken = await found.send("PUT", f"/Users/{other['id']}", {"userName": "ada.king"}, 409)
        assert taken.json()["scimType"] == "uniqueness"
        assert (await found.service.accounts.by_id(other["id"])).username == "grace"

    directory(scene)


def test_a_user_that_is_deleted_is_gone_with_its_sessions(directory):
    async def scene(found):
        made = await found.user()
        await signed_in(found.service, made["id"])
        await found.send("DELETE", f"/Users/{made['id']}", status=204)
        await found.send("GET", f"/Users/{made['id']}", status=404)
        await found.send("DELETE", f"/Users/{made['id']}", status=404)
        assert await found.service.accounts.by_id(made["id"]) is None
        assert await found.service.sessions.of_account(made["id"]) == []
        await found.user()

    directory(scene)


def test_what_the_directory_has_not_made_it_neither_sees_nor_changes(directory):
    async def scene(found):
        service = found.service
        local = await service.accounts.create("root", PASSWORD, ("carnet:admin",))
        path = f"/Users/{local.id}"
        await found.send("GET", path, status=404)
        await found.send("PUT", path, {"userName": "root", "active": False}, 404)
        await found.send("PATCH", path, {"Operations": [{"op": "replace", "value": {}}]}, 404)
        await found.send("DELETE", path, status=404)
        assert await found.found("/Users", 'userName eq "root"') == []
        await found.send("POST", "/Users", {"userName": "root"}, 409)
        group = {"displayName": "Admins", "members": [{"value": local.id}]}
        await found.send("POST", "/Groups", group, 400)
        account = await service.accounts.by_id(local.id)
        assert (account.disabled, account.roles) == (False, ("carnet:admin",))
        # An operator may hand it over.
        await service.scim.users.adopt("root", OPERATOR)
        assert await found.found("/Users", 'userName eq "ROOT"') == ["root"]
        await found.send("PUT", path, {"userName": "root", "active": False}, 200)
        assert (await service.accounts.by_id(local.id)).disabled

    directory(scene)


def test_claims_come_by_the_table_and_go_with_what_they_come_from(directory):
    async def scene(found):
        made = await found.user(
            displayName="Ada",
            emails=[{"value": "home@example.com"}, {"value": "ada@example.com", "primary": True}],
            **{ENTERPRISE: {"department": "Engines"}},
        )
        await found.service.accounts.set_claims(
            made["id"],
            {**(await found.service.accounts.by_id(made["id"])).claims, "own": 1},
            OPERATOR,
        )
        account = await found.service.accounts.by_id(made["id"])
        assert account.claims == {
            "name": "Ada",
            "dept": "Engines",
            "email": "ada@example.com",
            "email_verified": True,
            "own": 1,
        }
        version = account.version
        await found.patch(made, {"op": "remove", "path": f"{ENTERPRISE}:department"})
        account = await found.service.accounts.by_id(made["id"])
        assert "dept" not in account.claims
        assert account.claims["own"] == 1
        assert account.version > version

    directory(
        scene,
        trust_addresses=True,
        claims={"name": "displayName", "dept": "enterprise.department", "email": "email"},
    )


def test_addresses_are_in_no_claim_unless_they_are_trusted(directory):
    async def scene(found):
        made = await found.user(emails=[{"value": "ceo@example.com"}])
        return (await found.service.accounts.by_id(made["id"])).claims

    assert directory(scene, claims={"email": "email"}) == {}


def test_whoever_reads_before_changing_does_not_overwrite_what_others_did(directory):
    async def scene(found):
        made = await found.user()
        path, old = f"/Users/{made['id']}", {"If-Match": made["meta"]["version"]}
        content = {"userName": "ada", "title": "x"}
        changed = await found.send("PUT", path, content, 200, headers=old)
        assert changed.headers["etag"] != made["meta"]["version"]
        for method, body in (
            ("PUT", content),
            ("PATCH", {"Operations": [{"op": "add", "value": {}}]}),
        ):
            await found.send(method, path, body, 412, headers=old)
        await found.send("DELETE", path, status=412, headers=old)
        await found.send("DELETE", path, status=204, headers={"If-Match": changed.headers["etag"]})

    directory(scene)


def test_users_are_listed_in_pages_that_have_an_end(directory):
    async def scene(found):
        for number in range(5):
            await found.user(f"user{number}")
        pages = []
        for first in (1, 3, 5, 7, -4):
            query = {"startIndex": first, "count": 2, "attributes": "userName"}
            answer = (await found.send("GET", "/Users", params=query, status=200)).json()
            assert answer["totalResults"] == 5
            pages.append([one["userName"] for one in answer["Resources"]])
            assert all(set(one) == {"id", "schemas", "userName"} for one in answer["Resources"])
        assert sorted(name for page in pages[:3] for name in page) == [
            f"user{number}" for number in range(5)
        ]
        assert pages[3] == []
        assert pages[4] == pages[0]
        none = await found.send("GET", "/Users", params={"count": 0}, status=200)
        assert (none.json()["Resources"], none.json()["totalResults"]) == ([], 5)
        for wrong in ("x", "1" * 40, "²"):
            await found.send("GET", "/Users", params={"count": wrong}, status=400)

    directory(scene)


def test_roles_of_the_directory_do_not_come_and_go_with_those_of_administrators(directory):
    async def scene(found):
        service = found.service
        made = await found.user()
        await service.accounts.set_roles(made["id"], ("press", "own"), OPERATOR)
        group = await found.group("Press", made["id"])
        assert (await service.accounts.by_id(made["id"])).roles == ("own", "press")
        await found.send("DELETE", f"/Groups/{group['id']}", status=204)
        return (await service.accounts.by_id(made["id"])).roles

    assert directory(scene, roles=RoleRules(values={"Press": "press"})) == ("own", "press")
