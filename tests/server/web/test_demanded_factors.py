"""Where a second factor is demanded: by role, by client, by request; and how it is met."""

import re
from base64 import b32decode

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import SECRET, code_at, with_app
from tests.server.flows import hidden
from tests.server.inside import Inside, register

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import DEVICE_CODE
from carnet.server.sessions.sessions import BROWSER

ADMIN = "carnet:admin"
ROLES = {"second_factor_roles": (ADMIN,)}


@pytest.fixture
def scene_of(play):
    """Run a scene with alice, who has an app, and bob and the administrator ada, who have none."""

    def run(scene, client=None, **settings):
        async def opened(service, clock):
            await with_app(service, clock)
            await service.accounts.create("bob", PASSWORD)
            await service.accounts.create("ada", PASSWORD, (ADMIN,))
            metadata = {"scope": "openid", "first_party": True, **(client or {})}
            await register(service, **metadata)
            return await scene(service, clock)

        return play(opened, audiences=("orders",), **settings)

    return run


ASKED = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": "https://app.example/callback",
    "scope": "openid",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}


async def asked(person, **more):
    answer = await person.client.get("/authorize", params={**ASKED, **more})
    return answer.headers["location"]


async def levels(service):
    """What the browser sessions that live amount to."""
    return [
        amr
        for (amr,) in await service.store.read(
            "SELECT amr FROM session WHERE ended_at IS NULL AND client_id = $1", BROWSER
        )
    ]


def shown_secret(page):
    """The secret that a page shows, as a person types it into an app."""
    return b32decode(re.search('class="secret">([^<]+)<', page)[1].replace(" ", ""))


async def set_app_up(person, page, clock, **more):
    """Type the secret of a page into an app, and its code into the page."""
    form = {**hidden(page), "code": code_at(clock, shown_secret(page)), "name": "", **more}
    return await person.client.post("/sign-in/app", data=form)


def test_an_administrator_without_a_factor_adds_one_at_the_sign_in(scene_of):
    async def scene(service, clock):
        person = Inside(service, "ada")
        answer = await person.sign_in()
        assert answer.headers["location"].startswith("/sign-in/code?")
        page = (await person.client.get(answer.headers["location"])).text
        assert await levels(service) == []
        wrong = await set_app_up(person, page, clock, code="000000")
        done = await set_app_up(person, page, clock)
        me, admin = [await person.client.get(path) for path in ("/me", "/admin")]
        return wrong, done, me.status_code, admin.status_code, await levels(service)

    wrong, done, me, admin, found = scene_of(scene, **ROLES)
    assert wrong.status_code == 422
    assert "not the code" in wrong.text
    assert len(re.findall("<li><code>[0-9A-Z-]{19}</code></li>", done.text)) == 10
    assert (me, admin) == (200, 200)
    assert found == ["pwd otp mfa"]


def test_a_program_is_told_that_the_account_has_to_have_a_factor(scene_of):
    async def scene(service, clock):
        given = {"username": "ada", "password": PASSWORD}
        return (await Inside(service).client.post("/sessions", json=given)).json()

    told = scene_of(scene, **ROLES)
    assert told["error"] == "second_factor_required"
    assert "browser" in told["error_description"]


def test_whoever_knows_the_password_alone_adds_no_factor_beside_one(scene_of):
    async def scene(service, clock):
        ada = Inside(service, "ada")
        await ada.sign_in()
        page = (await ada.client.get("/sign-in/code?continue=/me")).text
        # Meanwhile the account has got one.
        account = await service.accounts.find("ada")
        await service.factors.add_totp(account, "f", SECRET, code_at(clock, SECRET), "", OPERATOR)
        answer = await set_app_up(ada, page, clock)
        return (
            answer.status_code,
            len(await service.factors.of_account(account.id)),
            await levels(service),
        )

    assert scene_of(scene, **ROLES) == (422, 1, [])


def test_the_secret_of_one_account_is_added_to_no_other(scene_of):
    async def scene(service, clock):
        await service.accounts.create("eve", PASSWORD, (ADMIN,))
        ada, eve = Inside(service, "ada"), Inside(service, "eve")
        await ada.sign_in()
        await eve.sign_in()
        page = (await ada.client.get("/sign-in/code?continue=/me")).text
        answer = await set_app_up(eve, page, clock)
        altered = await set_app_up(ada, page, clock, setup=hidden(page)["setup"][:-2] + "AA")
        return answer.headers["location"], altered.headers["location"], await levels(service)

    *where, found = scene_of(scene, **ROLES)
    assert set(where) == {"/sign-in?continue=%2Fme&why=late"}
    assert found == []


def test_a_session_from_before_the_rule_opens_no_administration(scene_of, play):
    async def before(service, clock):
        person = Inside(service, "ada")
        await person.sign_in()
        given = {"username": "ada", "password": PASSWORD, "resource": person.origin}
        tokens = (await person.client.post("/sessions", json=given)).json()
        return person.cookie, tokens["access_token"]

    cookie, token = scene_of(before)

    async def after(service, clock):
        person = Inside(service, "ada")
        pages = await person.client.get("/admin", headers={"Cookie": f"carnet={cookie}"})
        api = await person.client.get("/accounts", headers={"Authorization": f"Bearer {token}"})
        return pages.headers["location"], api

    where, api = play(after, audiences=("orders",), **ROLES)
    assert where.startswith("/sign-in?")
    assert api.status_code == 401
    assert 'acr_values="aal2"' in api.headers["www-authenticate"]


@pytest.mark.parametrize("way", ["request", "client"])
def test_what_a_request_or_a_client_demands_is_met_by_the_code_alone(scene_of, way):
    more = {"acr_values": "aal2"} if way == "request" else {}
    client = {} if way == "request" else {"required_acr": "aal2"}

    async def scene(service, clock):
        person = Inside(service)
        await person.sign_in()
        form = {"continue": "/me", "code": code_at(clock)}
        await person.client.post("/sign-in/code", data=form)
        # As one that began before there was a factor.
        await service.store.write("UPDATE session SET amr = 'pwd'")
        silent = await asked(person, prompt="none", **more)
        where = await asked(person, **more)
        clock.advance(60)
        form = {**hidden((await person.client.get(where)).text), "code": code_at(clock)}
        answer = await person.client.post("/sign-in/code", data=form)
        back = await person.client.get(answer.headers["location"])
        weaker = await asked(person, acr_values="aal1")
        return silent, where, back.headers["location"], weaker, await levels(service)

    silent, where, back, weaker, found = scene_of(scene, client)
    assert "error=interaction_required" in silent
    assert where.startswith("/sign-in/code?continue=%2Fauthorize")
    assert back.startswith("https://app.example/callback?code=")
    assert weaker.startswith("https://app.example/callback?code=")
    assert found == ["pwd otp mfa"]


def test_a_pushed_request_outlives_the_time_that_the_code_takes_to_type(scene_of):
    async def scene(service, clock):
        person = Inside(service)
        await person.sign_in()
        await person.client.post("/sign-in/code", data={"continue": "/me", "code": code_at(clock)})
        await service.store.write("UPDATE session SET amr = 'pwd'")
        pushed = await person.client.post("/par", data={**ASKED, "acr_values": "aal2"})
        named = {"client_id": "app", "request_uri": pushed.json()["request_uri"]}
        answer = await person.client.get("/authorize", params=named)
        where = answer.headers["location"]
        clock.advance(90)
        form = {**hidden((await person.client.get(where)).text), "code": code_at(clock)}
        answer = await person.client.post("/sign-in/code", data=form)
        back = await person.client.get(answer.headers["location"])
        # Whoever comes late by another way has no longer than before.
        late = await person.client.get("/authorize", params={**named, "first_seen": "1.x"})
        return back.headers["location"], late.headers["location"]

    back, late = scene_of(scene)
    assert back.startswith("https://app.example/callback?code=")
    assert "error=invalid_request_uri" in late


def test_a_level_that_there_is_not_is_passed_over_and_the_lowest_of_several_will_do(scene_of):
    async def scene(service, clock):
        person = Inside(service, "bob")
        await person.sign_in()
        unknown = await asked(person, acr_values="urn:example:retina")
        some = await asked(person, acr_values="urn:example:retina aal2 aal1")
        return unknown, some

    unknown, some = scene_of(scene)
    assert "code=" in unknown
    assert "code=" in some


def test_a_browser_that_was_left_open_adds_no_first_factor(scene_of):
    async def scene(service, clock):
        person = Inside(service, "bob")
        await person.sign_in()
        soon = await asked(person, acr_values="aal2")
        clock.advance(600)
        later = await asked(person, acr_values="aal2")
        own = await person.client.get("/me/factors/app")
        form = {"setup": "", "code": "123456"}
        sent = await person.client.post("/me/factors/app", data=form)
        return soon, later, own.headers["location"], sent.status_code

    soon, later, own, sent = scene_of(scene)
    assert soon.startswith("/sign-in/code?")
    assert later.startswith("/sign-in?continue=%2Fauthorize")
    assert later.endswith("why=again")
    assert own == "/sign-in?continue=%2Fme%2Ffactors%2Fapp&why=again"
    assert sent == 401


def test_the_decision_on_the_page_of_consent_needs_the_second_factor_too(scene_of):
    async def scene(service, clock):
        person = Inside(service, "bob")
        await person.sign_in()
        account = await service.accounts.find("bob")
        form = {"request": "&".join(f"{k}={v}" for k, v in ASKED.items()), "decision": "allow"}
        form["account"] = account.id
        answer = await person.client.post("/authorize/decision", data=form)
        return answer.headers["location"]

    where = scene_of(scene, {"required_acr": "aal2", "first_party": False})
    assert where.startswith("/sign-in/code?continue=%2Fauthorize")


def test_a_device_of_such_a_client_needs_the_second_factor_too(scene_of):
    grants = {"grant_types": (DEVICE_CODE, "refresh_token"), "redirect_uris": ()}

    async def scene(service, clock):
        person = Inside(service, "bob")
        await person.sign_in()
        answer = await person.client.post("/device_authorization", data={"client_id": "app"})
        code = answer.json()["user_code"]
        page = await person.client.get("/device", params={"user_code": code})
        account = await service.accounts.find("bob")
        form = {"user_code": code, "account": account.id, "decision": "allow"}
        sent = await person.client.post("/device/decision", data=form)
        rows = await service.store.read("SELECT decision FROM device_code")
        return page.headers["location"], sent.headers["location"], rows

    *where, rows = scene_of(scene, {"required_acr": "aal2", **grants})
    assert {one.partition("?")[0] for one in where} == {"/sign-in/code"}
    assert rows == [(None,)]


def test_tokens_of_a_device_say_how_the_person_has_signed_in(scene_of):
    grants = {"grant_types": (DEVICE_CODE, "refresh_token"), "redirect_uris": ()}

    async def scene(service, clock):
        person = Inside(service)
        await person.sign_in()
        form = {"continue": "/me", "code": code_at(clock)}
        await person.client.post("/sign-in/code", data=form)
        codes = await person.client.post("/device_authorization", data={"client_id": "app"})
        code = codes.json()["user_code"]
        page = await person.client.get("/device", params={"user_code": code})
        form = {**hidden(page.text), "decision": "allow"}
        await person.client.post("/device/decision", data=form)
        form = {"grant_type": DEVICE_CODE, "device_code": codes.json()["device_code"]}
        answer = await person.client.post("/token", data={**form, "client_id": "app"})
        return inspect(answer.json()["access_token"]).claims

    assert scene_of(scene, grants)["amr"] == ["pwd", "otp", "mfa"]
