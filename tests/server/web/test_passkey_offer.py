"""A passkey is offered after a password where the browser can make one, and not each time."""

from __future__ import annotations

import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import with_app
from tests.server.inside import Inside

OFFER = "/sign-in/new-passkey?continue=%2Fme"
NAMED = "http://localhost:8400"


@pytest.fixture
def scene_of(play):
    def run(scene, issuer=NAMED):
        async def opened(service, clock):
            await service.accounts.create("bob", PASSWORD)
            return await scene(Inside(service, "bob"), clock)

        return play(opened, issuer=issuer)

    return run


async def sign_in(person, passkeys="1", following="/me", **typed):
    form = {**person.typed, "continue": following, "passkeys": passkeys, **typed}
    return (await person.client.post("/sign-in", data=form)).headers.get("location")


def test_whoever_can_make_a_passkey_is_offered_one_and_may_decline_for_a_while(scene_of):
    async def scene(person, clock):
        assert await sign_in(person) == OFFER
        page = (await person.client.get(OFFER)).text
        assert "Not now" in page
        assert 'data-passkey="create"' in page
        answer = await person.client.post("/sign-in/new-passkey", data={"continue": "/me"})
        assert answer.headers["location"] == "/me"
        return await sign_in(person)

    assert scene_of(scene) == "/me"


def test_without_a_script_nothing_is_offered(scene_of):
    async def scene(person, clock):
        return await sign_in(person, passkeys="")

    assert scene_of(scene) == "/me"


def test_a_service_without_a_name_offers_none(scene_of):
    async def scene(person, clock):
        return await sign_in(person)

    assert scene_of(scene, issuer="") == "/me"


def test_a_wrong_password_is_offered_nothing(scene_of):
    async def scene(person, clock):
        return await sign_in(person, password="wrong-password")

    assert scene_of(scene) is None


def test_whoever_has_a_second_factor_is_asked_for_that_instead(scene_of):
    async def scene(person, clock):
        await with_app(person.service, clock)
        return await sign_in(person, username="alice")

    assert scene_of(scene) == "/sign-in/code?continue=%2Fme"


def test_the_offer_leads_on_to_this_service_alone(scene_of):
    async def scene(person, clock):
        await sign_in(person)
        path = "/sign-in/new-passkey?continue=//evil.example"
        page = (await person.client.get(path)).text
        form = {"continue": "https://evil.example"}
        answer = await person.client.post("/sign-in/new-passkey", data=form)
        # The menu of languages leads back to this address, which leads no further.
        led = re.search(r'(href|action|name="continue" value)="[^"]*evil', page) is not None
        return led, answer.headers["location"]

    assert scene_of(scene) == (False, "/me")


def test_nobody_is_offered_one_without_a_session(scene_of):
    async def scene(person, clock):
        return (await person.client.get(OFFER)).headers["location"]

    assert scene_of(scene).startswith("/sign-in?")
