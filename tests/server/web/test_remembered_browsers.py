"""Browsers that leave the second factor out: for their account, for a while, and no further."""

from __future__ import annotations

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import SECRET, code_at, with_app
from tests.server.inside import Inside, register

from carnet.server.audit import OPERATOR, newest
from carnet.server.factors.remembered_browsers import MOST_BROWSERS

DAY = 86_400
STEP = "/sign-in/code"


@pytest.fixture
def scene_of(play):
    """Run a scene with alice, who has an authenticator app, and a client."""

    def run(scene, **settings):
        async def opened(service, clock):
            await with_app(service, clock)
            await register(service, scope="openid", resources=("orders",))
            return await scene(Inside(service), clock)

        return play(opened, audiences=("orders",), **settings)

    return run


async def remembered(person, clock, **more):
    """Sign in with the code, and have the browser remembered."""
    assert (await person.sign_in()).headers["location"].startswith(STEP)
    page = await person.client.get(f"{STEP}?continue=/me")
    form = {"continue": "/me", "code": code_at(clock), "remember": "1", **more}
    answer = await person.client.post(STEP, data=form)
    assert answer.headers["location"] == "/me"
    clock.advance(60)
    return page.text


async def is_asked(person):
    """Sign in with the password, and tell whether a second factor is asked for."""
    location = (await person.sign_in()).headers["location"]
    assert location == "/me" or location.startswith(STEP)
    return location != "/me"


async def account_of(person):
    return await person.service.accounts.find("alice")


def test_a_browser_that_is_remembered_is_not_asked_for_a_while_and_says_so(scene_of):
    async def scene(person, clock):
        page = await remembered(person, clock)
        assert "Don't ask on this device for 30 days" in page
        before = await is_asked(person)
        answer = await person.tokens(scope="openid")
        await person.client.post("/sign-out")
        signed_out = await is_asked(person)
        clock.advance(30 * DAY)
        return before, answer["access_token"], signed_out, await is_asked(person)

    from carnet import inspect

    before, token, signed_out, after = scene_of(scene)
    assert (before, signed_out, after) == (False, False, True)
    claims = inspect(token).claims
    assert (claims["amr"], claims["acr"]) == (["pwd"], "aal1")


def test_another_browser_another_account_and_a_wrong_password_are_as_ever(scene_of):
    async def scene(person, clock):
        await remembered(person, clock)
        cookie = person.client.cookies["carnet-remembered"]
        asked = [await is_asked(Inside(person.service))]
        for other in ("", "x" * 43, cookie[:-2] + "AA", cookie + "A" * 100):
            somebody = Inside(person.service)
            somebody.client.cookies["carnet-remembered"] = other
            asked.append(await is_asked(somebody))
        bob = await person.service.accounts.create("bob", PASSWORD)
        await person.service.factors.add_totp(bob, "f2", SECRET, code_at(clock), "Phone", OPERATOR)
        person.typed["username"] = "bob"
        asked.append(await is_asked(person))
        person.typed = {"username": "alice", "password": "wrong-password"}
        wrong = await person.sign_in()
        return asked, wrong.status_code

    assert scene_of(scene) == ([True] * 6, 401)


async def change_password(person, account):
    await person.service.accounts.set_password(account.id, PASSWORD, OPERATOR)


async def remove_factor(person, account):
    await person.service.factors.add_totp(
        account, "f2", b"t" * 20, code_at(person.service.clock, b"t" * 20), "Other", OPERATOR
    )
    await person.service.factors.remove(account, "f1", None, OPERATOR)


async def sign_out_everywhere(person, account):
    await person.service.sessions.end_all(account.id, "signed_out", OPERATOR)


async def forget_it(person, account):
    [one] = await person.service.remembered_browsers.of_account(account.id)
    assert await person.service.remembered_browsers.forget(account.id, one.id, OPERATOR)
    assert not await person.service.remembered_browsers.forget(account.id, one.id, OPERATOR)


@pytest.mark.parametrize("change", [change_password, remove_factor, sign_out_everywhere, forget_it])
def test_what_changes_how_somebody_signs_in_forgets_it(scene_of, change):
    async def scene(person, clock):
        await remembered(person, clock)
        await change(person, await account_of(person))
        return await is_asked(person)

    assert scene_of(scene)


def test_a_role_that_demands_a_second_factor_asks_every_time(scene_of):
    async def scene(person, clock):
        await remembered(person, clock)
        account = await account_of(person)
        await person.service.accounts.set_roles(account.id, ["carnet:admin"], OPERATOR)
        asked = await is_asked(person)
        page = await person.client.get(f"{STEP}?continue=/me")
        form = {"continue": "/me", "code": code_at(clock), "remember": "1"}
        answer = await person.client.post(STEP, data=form)
        count = len(await person.service.remembered_browsers.of_account(account.id))
        return asked, "remember" in page.text, answer.headers["location"], count

    result = scene_of(scene, second_factor_roles=("carnet:admin",))
    assert result == (True, False, "/me", 1)


def test_a_client_that_demands_a_second_factor_asks_for_it_alone(scene_of):
    async def scene(person, clock):
        await remembered(person, clock)
        assert not await is_asked(person)
        answer = await person.client.get(
            "/authorize",
            params={
                "response_type": "code",
                "client_id": "app",
                "redirect_uri": "https://app.example/callback",
                "scope": "openid",
                "acr_values": "aal2",
                "code_challenge": "c" * 43,
                "code_challenge_method": "S256",
            },
        )
        return answer.headers["location"]

    assert scene_of(scene).startswith(STEP)


@pytest.mark.parametrize(
    "path", ["/me/factors/app", "/me/factors/recovery-codes", "/me/data", "/me/delete"]
)
def test_what_matters_most_asks_for_the_second_factor_all_the_same(scene_of, path):
    async def scene(person, clock):
        await remembered(person, clock)
        await person.client.post("/sign-out")
        assert not await is_asked(person)
        answer = await person.client.get(path)
        assert answer.headers["location"].startswith("/sign-in/once-more")
        answer = await person.client.get(answer.headers["location"])
        assert answer.headers["location"].startswith(STEP)
        await person.client.get(answer.headers["location"])
        form = {"continue": path, "code": code_at(clock)}
        answer = await person.client.post(STEP, data=form)
        assert answer.headers["location"] == path
        return (await person.client.get(path)).status_code

    assert scene_of(scene) == 200


def test_what_is_sent_without_the_second_factor_changes_nothing(scene_of):
    async def scene(person, clock):
        await remembered(person, clock)
        await person.client.post("/sign-out")
        assert not await is_asked(person)
        answers = [
            await person.client.post(path, data={"id": "f1"})
            for path in ("/me/factors/remove", "/me/factors/recovery-codes", "/me/delete")
        ]
        account = await account_of(person)
        kinds = await person.service.factors.kinds(account.id)
        return [one.status_code for one in answers], kinds, account.delete_at

    assert scene_of(scene) == ([401] * 3, ("totp",), None)


def test_whoever_adds_the_first_factor_goes_on_without_being_asked_for_it(play):
    async def scene(service, clock):
        import re

        import pyotp

        await service.accounts.create("bob", PASSWORD)
        person = Inside(service, "bob")
        await person.sign_in()
        page = (await person.client.get("/me/factors/app")).text
        secret = re.search(r"secret=([A-Z2-7]+)", page)[1]
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        code = pyotp.TOTP(secret).at(clock() // 1_000_000)
        made = await person.client.post("/me/factors/app", data={**form, "code": code, "name": ""})
        assert "Your recovery codes" in made.text
        return (await person.client.get("/me/factors/app")).status_code

    assert play(scene) == 200


def test_programs_are_always_asked(scene_of):
    async def scene(person, clock):
        await remembered(person, clock)
        given = {"username": "alice", "password": PASSWORD}
        return (await person.client.post("/sessions", json=given)).json()["error"]

    assert scene_of(scene) == "second_factor_required"


def test_an_account_has_a_bounded_number_of_them_listed_and_forgotten(scene_of):
    async def scene(person, clock):
        account = await account_of(person)
        for _ in range(MOST_BROWSERS + 2):
            clock.advance(1)
            await person.service.remembered_browsers.remember(account, OPERATOR)
        await remembered(person, clock)
        browsers = await person.service.remembered_browsers.of_account(account.id)
        page = (await person.client.get("/me/factors")).text
        answer = await person.client.post("/me/factors/forget", data={"id": browsers[0].id})
        assert answer.headers["location"] == "/me/factors?done=forgotten"
        left = await person.service.remembered_browsers.of_account(account.id)
        events = {entry.event for entry in await newest(person.service.store, 50)}
        assert {"browser_remembered", "browser_forgotten"} <= events
        clock.advance(31 * DAY)
        await person.service.background.sweep()
        rows = await person.service.store.read("SELECT id FROM remembered_browser")
        return len(browsers), page.count("/me/factors/forget"), len(left), rows

    count = MOST_BROWSERS
    assert scene_of(scene) == (count, count, count - 1, [])


def test_nobody_forgets_the_browsers_of_others(scene_of):
    async def scene(person, clock):
        await remembered(person, clock)
        account = await account_of(person)
        [one] = await person.service.remembered_browsers.of_account(account.id)
        bob = await person.service.accounts.create("bob", PASSWORD)
        forgotten = await person.service.remembered_browsers.forget(bob.id, one.id, OPERATOR)
        return forgotten, await is_asked(person)

    assert scene_of(scene) == (False, False)


def test_where_it_is_switched_off_nobody_is_remembered(scene_of):
    async def scene(person, clock):
        page = await remembered(person, clock)
        return "remember" in page, await is_asked(person)

    assert scene_of(scene, remembered_browser_lifetime=0) == (False, True)
