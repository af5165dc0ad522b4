"""What a browser that somebody has left open is not enough for, and how one goes on from there."""

from __future__ import annotations

import pytest
from tests.server.asgi import routes, with_names
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import code_at, with_app
from tests.server.inside import Inside

from carnet.server.audit import OPERATOR

ADMIN = "carnet:admin"
CHANGES = [path for method, path in routes() if method == "POST" and path.startswith("/admin")]
FORM = {"form": "1"}


@pytest.fixture
def scene_of(play):
    """Run a scene with the administrator ada, and alice, who administers too and has an app."""

    def run(scene, **settings):
        async def opened(service, clock):
            await service.accounts.create("ada", PASSWORD, (ADMIN,))
            account = await with_app(service, clock)
            await service.accounts.set_roles(account.id, (ADMIN,), OPERATOR)
            return await scene(service, clock)

        return play(opened, **settings)

    return run


def test_whatever_an_administrator_changes_asks_again_after_ten_minutes(scene_of):
    async def scene(service, clock):
        ada = Inside(service, "ada")
        await ada.sign_in()
        clock.advance(600)
        looked = (await ada.client.get("/admin/users")).status_code
        answers = [await ada.client.post(with_names(path), data=FORM) for path in CHANGES]
        await ada.sign_in()
        again = [await ada.client.post(with_names(path), data=FORM) for path in CHANGES]
        return looked, answers, again

    looked, answers, again = scene_of(scene)
    assert len(CHANGES) > 10
    assert looked == 200
    assert {one.status_code for one in answers} == {401}
    assert all('href="/sign-in?why=again"' in one.text for one in answers)
    assert 401 not in {one.status_code for one in again}


def test_a_browser_that_is_remembered_is_led_to_the_second_factor_and_sends_the_form_again(
    scene_of,
):
    async def scene(service, clock):
        person = Inside(service)
        await person.sign_in()
        form = {"continue": "/me", "code": code_at(clock), "remember": "1"}
        await person.client.post("/sign-in/code", data=form)
        clock.advance(60)
        assert (await person.sign_in()).headers["location"] == "/me"
        form = {"username": "bob", "new_password": "", "roles": "READER", "claims": ""}
        refused = await person.client.post("/admin/users/new", data=form)
        await person.client.get("/sign-in/once-more")
        code = {"continue": "/me", "code": code_at(clock)}
        assert (await person.client.post("/sign-in/code", data=code)).status_code == 303
        made = await person.client.post("/admin/users/new", data=form)
        return refused, made.status_code, (await service.accounts.find("bob")).roles

    refused, made, roles = scene_of(scene)
    assert refused.status_code == 401
    assert 'href="/sign-in/once-more"' in refused.text
    assert 'value="READER"' in refused.text
    assert (made, roles) == (200, ("READER",))
