"""Renaming and merging accounts, by an administrator's program and on the pages."""

import asyncio
import html
import re

import pytest
from tests.server.asgi import JSON, opened
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside

from carnet.server.audit import OPERATOR

ISSUER = "https://idp.example"


@pytest.fixture
def run(tmp_path):
    def run_scene(scene):
        async def played():
            async with opened(tmp_path / "data") as ask:
                made = [
                    await ask.service.accounts.create(name, PASSWORD) for name in ("old", "bob")
                ]
                await ask.service.identities.link(made[0].id, ISSUER, "U1", OPERATOR)
                return await scene(ask, *made)

        return asyncio.run(played())

    return run_scene


async def send(ask, method, path, body=b"", query=b""):
    return await ask(method, path, headers=[JSON, *ask.bearer], body=body, query=query)


def test_an_account_gets_another_name(run):
    async def scene(ask, old, bob):
        path = f"/accounts/{old.id}"
        renamed = await send(ask, "PATCH", path, b'{"username": "new"}')
        taken = await send(ask, "PATCH", path, b'{"username": "bob", "roles": ["x"]}')
        return renamed, taken, (await ask.service.accounts.find("new")).roles

    renamed, taken, roles = run(scene)
    assert (renamed.status, renamed.json()["username"]) == (200, "new")
    assert (taken.status, roles) == (400, ())
    assert "there is an account named bob already" in taken.json()["error_description"]


def test_a_merge_is_shown_and_then_done_as_it_was_shown(run):
    async def scene(ask, old, bob):
        path = f"/accounts/{old.id}/merge"
        shown = await send(ask, "GET", path, query=f"into={bob.id}".encode())
        digest = shown.json()["digest"]
        wrong = [
            (await send(ask, "POST", path, body.encode())).status
            for body in (
                f'{{"into": "{bob.id}"}}',
                f'{{"into": "{bob.id}", "digest": "0"}}',
                f'{{"into": "nobody", "digest": "{digest}"}}',
                f'{{"into": "\\u0000", "digest": "{digest}"}}',
                f'{{"into": "{old.id}", "digest": "{digest}"}}',
            )
        ]
        body = f'{{"into": "{bob.id}", "digest": "{digest}"}}'.encode()
        done = await send(ask, "POST", path, body)
        again = await send(ask, "POST", path, body)
        return old, bob, shown, wrong, done, again.status

    old, bob, shown, wrong, done, again = run(scene)
    assert shown.status == 200
    assert {name: value for name, value in shown.json().items() if name != "digest"} == {
        "account": old.id,
        "username": "old",
        "into": bob.id,
        "into_username": "bob",
        "identities": [{"issuer": ISSUER, "subject": "U1"}],
        "emails": [],
        "applications": [],
        "lost_roles": [],
    }
    assert wrong == [400, 409, 404, 404, 400]
    assert (done.status, done.json()["id"], again) == (200, bob.id, 404)


def test_nobody_else_is_told_what_would_move(run):
    async def scene(ask, old, bob):
        path = f"/accounts/{old.id}/merge"
        answers = [
            await ask(method, path, headers=[JSON], body=b"{}") for method in ("GET", "POST")
        ]
        return [one.status for one in answers]

    assert run(scene) == [401, 401]


@pytest.fixture
def on_pages(play):
    def run_scene(scene):
        async def played(service, clock):
            await service.accounts.create("alice", PASSWORD, ["carnet:admin"])
            made = [await service.accounts.create(name, PASSWORD) for name in ("old", "bob")]
            person = Inside(service)
            await person.sign_in()
            return await scene(person, clock, *made)

        return play(played)

    return run_scene


def typed(page):
    """Give the hidden fields of the page's form, but those of others that it has."""
    form = page.partition('/merge">')[2]
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in fields}


def test_an_administrator_renames_an_account(on_pages):
    async def scene(person, clock, old, bob):
        path = f"/admin/users/{old.id}"
        refused = await person.client.post(f"{path}/rename", data={"username": "b0b"})
        done = await person.client.post(f"{path}/rename", data={"username": "new"})
        return refused, done, (await person.client.get(f"{path}?done=rename")).text

    refused, done, page = on_pages(scene)
    assert refused.status_code == 422
    assert 'value="b0b"' in refused.text
    assert "looks like another account" in refused.text
    assert done.status_code == 303
    assert "The account is renamed" in page
    assert 'value="new"' in page


def test_an_administrator_sees_what_would_happen_and_merges(on_pages):
    async def scene(person, clock, old, bob):
        service, path = person.service, f"/admin/users/{old.id}/merge"
        await service.identities.link(old.id, ISSUER, "U1", OPERATOR)
        unknown = await person.client.get(f"{path}?into=nobody")
        shown = await person.client.get(f"{path}?into=bob")
        # While it is read, something changes.
        await service.identities.link(old.id, ISSUER, "U2", OPERATOR)
        late = await person.client.post(path, data=typed(shown.text))
        assert await service.accounts.find("old") == old
        done = await person.client.post(path, data=typed(late.text))
        after = await person.client.get(done.headers["location"])
        left = [one.username for one in await service.accounts.page()]
        return unknown, shown, late, after.text, left

    unknown, shown, late, after, left = on_pages(scene)
    assert (unknown.status_code, shown.status_code, late.status_code) == (422, 200, 409)
    assert "Whoever signs in with these" in shown.text
    assert ("U1" in shown.text, "U2" in shown.text, "U2" in late.text) == (True, False, True)
    assert "was changed meanwhile" in late.text
    assert "this is the one that stays" in after
    assert left == ["alice", "bob"]


def test_a_sign_in_of_long_ago_is_not_enough_and_ones_own_account_stays(on_pages):
    async def scene(person, clock, old, bob):
        service, path = person.service, f"/admin/users/{old.id}/merge"
        shown = await person.client.get(f"{path}?into=bob")
        own = (await service.accounts.find("alice")).id
        refused = await person.client.get(f"/admin/users/{own}/merge?into=bob")
        clock.advance(601)
        asked = await person.client.get(f"{path}?into=bob")
        sent = await person.client.post(path, data=typed(shown.text))
        return refused, asked, sent, await service.accounts.find("old") == old

    refused, asked, sent, is_there = on_pages(scene)
    assert refused.status_code == 422
    assert "signed in with" in refused.text
    assert "why=again" in asked.headers["location"]
    assert (sent.status_code, is_there) == (401, True)


def test_nobody_else_sees_the_page(on_pages):
    async def scene(person, clock, old, bob):
        other = Inside(person.service, "bob")
        await other.sign_in()
        path = f"/admin/users/{old.id}/merge?into=bob"
        return [(await one.client.get(path)).status_code for one in (other, Inside(person.service))]

    assert on_pages(scene) == [403, 303]
