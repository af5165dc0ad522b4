"""Answers by a form (OAuth 2.0 Form Post Response Mode)."""

import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, register

POSTED = {"response_mode": "form_post"}


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser and a client."""

    def run(scene, **metadata):
        async def opened(service, _clock):
            await service.accounts.create("alice", PASSWORD)
            await register(service, **metadata)
            return await scene(Inside(service))

        return play(opened)

    return run


def test_the_code_is_posted_with_state_and_issuer_and_stands_in_no_address(scene_of):
    async def scene(alice):
        asked, answer = await alice.authorize(**POSTED)
        assert (await alice.exchange(asked, answer.pop("code"))).status_code == 200
        return alice.posted_to, answer, alice.origin

    posted_to, answer, issuer = scene_of(scene)
    assert posted_to == CALLBACK
    assert answer == {"state": "a state", "iss": issuer}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"prompt": "none"}, "login_required"),
        ({"scope": "payroll:write"}, "invalid_scope"),
        ({"resource": "payroll"}, "invalid_target"),
    ],
)
def test_errors_are_posted_too(scene_of, wrong, error):
    async def scene(alice):
        _, answer = await alice.authorize(**POSTED, **wrong)
        return alice.posted_to, answer["error"], answer["state"]

    assert scene_of(scene) == (CALLBACK, error, "a state")


def test_who_does_not_allow_it_is_told_by_a_form_too(scene_of):
    async def scene(alice):
        alice.typed["decision"] = "deny"
        _, answer = await alice.authorize(**POSTED)
        return alice.posted_to, answer["error"]

    assert scene_of(scene) == (CALLBACK, "access_denied")


def test_the_page_works_without_scripts_and_runs_none_but_its_own(scene_of):
    async def scene(alice):
        asked = Request(**POSTED, prompt="none", state='"><script>alert(1)</script>')
        return await alice.client.get("/authorize", params=asked.parameters)

    page = scene_of(scene)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "strict-origin"
    assert re.findall(r"<script[^>]*>", page.text) == re.findall(
        r'<script src="/static/form_post\.js\?v=\w+" defer>', page.text
    )
    assert "<button" in page.text
    assert "alert(1)</script>" not in page.text


def test_an_app_is_answered_by_its_address_alone(scene_of):
    async def scene(alice):
        asked = Request(**POSTED, redirect_uri="com.example.app:/callback")
        answer = await alice.client.get("/authorize", params=asked.parameters)
        return answer.headers["location"]

    told = scene_of(scene, redirect_uris=("com.example.app:/callback",))
    assert told.startswith("com.example.app:/callback?error=invalid_request")


def test_a_response_mode_that_is_none_is_told_in_the_query(scene_of):
    async def scene(alice):
        _, answer = await alice.authorize(response_mode="fragment")
        return alice.posted_to, answer["error"]

    assert scene_of(scene) == (None, "invalid_request")
