"""Taking one's data along, leaving and coming back, by pages and by the API."""

from __future__ import annotations

import json

import pytest
from tests.server.accounts.test_deletion import with_everything
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register

from carnet.server.audit import Origin

# A form without a field is none.
FORM = {"sent": "1"}


@pytest.fixture
def scene_of(play):
    def run(scene, **settings):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD, ["carnet:admin"])
            await service.accounts.create("bob", PASSWORD)
            await register(service, scope="openid", resources=("orders",))
            return await scene(Inside(service), clock)

        return play(opened, audiences=("orders",), **settings)

    return run


def test_somebody_leaves_by_the_page_and_comes_back_by_signing_in(scene_of):
    async def scene(person, clock):
        assert (await person.sign_in()).headers["location"] == "/me"
        assert "In 7 days" in (await person.client.get("/me/delete")).text
        clock.advance(601)
        answer = await person.client.post("/me/delete", data=FORM)
        assert answer.status_code == 401
        assert "why=again" in (await person.client.get("/me/delete")).headers["location"]
        await person.sign_in()
        answer = await person.client.post("/me/delete", data=FORM)
        assert answer.status_code == 200
        assert "will be deleted on" in answer.text
        assert (await person.client.get("/me")).headers["location"].startswith("/sign-in")
        leaving = await person.service.accounts.find("alice")
        assert leaving.delete_at is not None
        await person.sign_in()
        assert (await person.client.get("/me")).status_code == 200
        return (await person.service.accounts.find("alice")).delete_at

    assert scene_of(scene) is None


def test_a_program_that_signs_in_with_the_password_keeps_the_account_too(scene_of):
    async def scene(person, clock):
        await person.sign_in()
        await person.client.post("/me/delete", data=FORM)
        wrong = {"username": "alice", "password": "wrong-password"}
        assert (await person.client.post("/sessions", json=wrong)).status_code == 401
        assert (await person.service.accounts.find("alice")).delete_at is not None
        given = {"username": "alice", "password": PASSWORD}
        assert (await person.client.post("/sessions", json=given)).status_code == 201
        return (await person.service.accounts.find("alice")).delete_at

    assert scene_of(scene) is None


def test_an_administrator_deletes_an_account_by_the_api_and_by_the_page(scene_of):
    async def scene(person, clock):
        service = person.service
        bob, alice = [await service.accounts.find(name) for name in ("bob", "alice")]
        await person.sign_in()
        asked = await person.client.get(f"/admin/users/{bob.id}/delete")
        assert "Delete bob?" in asked.text
        own = await person.client.post(f"/admin/users/{alice.id}/delete", data=FORM)
        assert own.status_code == 422
        done = await person.client.post(f"/admin/users/{bob.id}/delete", data=FORM)
        assert done.headers["location"] == "/admin/users?done=deleted"
        eve = await service.accounts.create("eve", PASSWORD)
        given = {"username": "alice", "password": PASSWORD, "resource": service.settings.own_url}
        token = (await person.client.post("/sessions", json=given)).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        answers = [
            (await person.client.delete(f"/accounts/{eve.id}", headers=bearer)).status_code
            for _ in range(2)
        ]
        return answers, [one.username for one in await service.accounts.page()]

    assert scene_of(scene) == ([204, 404], ["alice"])


def test_nobody_but_an_administrator_deletes_others(scene_of):
    async def scene(person, clock):
        alice = await person.service.accounts.find("alice")
        person.typed["username"] = "bob"
        await person.sign_in()
        return (await person.client.post(f"/admin/users/{alice.id}/delete", data=FORM)).status_code

    assert scene_of(scene) == 403


def test_ones_own_data_hold_everything_but_secrets_and_nothing_of_others(scene_of):
    async def scene(person, clock):
        service = person.service
        ada, _, _ = await with_everything(service, clock)
        administrator = Origin("198.51.100.1", "", (await service.accounts.find("alice")).id)
        await service.accounts.set_roles(ada.id, ["editor"], administrator)
        person.typed["username"] = "ada"
        # Of its factor nobody has the secret.
        await service.store.write("DELETE FROM factor")
        await person.sign_in()
        page = await person.client.get("/me/data")
        given = {"username": "ada", "password": PASSWORD, "resource": service.settings.own_url}
        token = (await person.client.post("/sessions", json=given)).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        answer = await person.client.get("/account/data", headers=bearer)
        await person.client.post("/sign-out", data=FORM)
        nobody = await person.client.get("/account/data")
        return page, answer.json(), administrator, nobody.status_code

    page, data, administrator, nobody = scene_of(scene)
    assert nobody == 401
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["cache-control"] == "no-store"
    assert set(page.json()) == set(data) == {
        *("account", "factors", "remembered_browsers", "recovery_codes_left", "sessions"),
        *("consents", "agents", "identities", "events", "email_addresses"),
    }  # fmt: skip
    assert data["email_addresses"][0]["address"] == "ada@example.org"
    assert data["account"]["username"] == "ada"
    assert data["identities"][0]["subject"] == "ada"
    assert data["consents"][0]["client_id"] == "app"
    changed = next(one for one in data["events"] if one["event"] == "roles_changed")
    assert changed["actor"] == "administrator"
    assert "address" not in changed
    text = json.dumps(data)
    assert "argon2" not in text
    assert administrator.actor not in text
    assert administrator.address not in text
