"""A provider that is away, slow, misconfigured or lies: words for people, a cause for operators."""

import pytest
import structlog
from tests.server.upstream.imitation import SUBJECT, answer
from tests.server.upstream.test_sign_in import CREATE, accounts, linked, query

METADATA = "/.well-known/openid-configuration"


def slowly():
    raise OSError


FAULTS = {
    "metadata 500": ("press", METADATA, answer({}, 500), "unavailable"),
    "metadata 404": ("press", METADATA, answer({}, 404), "answer_wrong"),
    "metadata redirected": ("press", METADATA, answer({}, 302), "answer_wrong"),
    "metadata no JSON": ("press", METADATA, answer(b"<html>"), "answer_wrong"),
    "metadata a list": ("press", METADATA, answer([]), "answer_wrong"),
    "metadata empty": ("press", METADATA, answer({}), "answer_wrong"),
    "metadata too long": ("press", METADATA, answer(b" " * 300_000), "unavailable"),
    "metadata dropped": ("press", METADATA, slowly, "unavailable"),
    "token 500": ("back", "/token", answer({}, 500), "unavailable"),
    "token refused": ("back", "/token", answer({"error": "invalid_client"}, 401), "answer_wrong"),
    "token no JSON": ("back", "/token", answer(b"<html>"), "answer_wrong"),
    "token a list": ("back", "/token", answer([]), "answer_wrong"),
    "token without ID token": ("back", "/token", answer({"access_token": "x"}), "answer_wrong"),
    "token of a wrong kind": ("back", "/token", answer({"id_token": 7}), "answer_wrong"),
    "keys away": ("back", "/keys", answer({}, 503), "unavailable"),
    "no keys": ("back", "/keys", answer({"keys": []}), "unavailable"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_is_told_to_the_person_and_its_cause_to_the_operator(scene_of, name):
    where, path, page, code = FAULTS[name]

    async def scene(browser, provider):
        if where == "press":
            provider.pages[path] = page
        with structlog.testing.capture_logs() as lines:
            found = await browser.press(following="/me/sessions")
            if where == "back":
                provider.pages[path] = page
                back = provider.sign_in(found, preferred_username="bob")
                found = await browser.client.get(back)
        assert found.status_code == 502
        text = "does not answer" if code == "unavailable" else "has not answered as it should"
        assert text in found.text
        assert "sign in another way" in found.text
        assert "/sign-in?continue=%2Fme%2Fsessions" in found.text
        assert await browser.username() is None
        [line] = [one for one in lines if one["event"] == "provider_sign_in_refused"]
        assert (line["provider"], line["reason"], line["log_level"]) == ("up", code, "warning")
        assert line["cause"]
        return await accounts(browser.service)

    assert scene_of(scene, **CREATE) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"token_endpoint": "http://localhost/token"},
        {"token_endpoint": "https://user@evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
    ids=str,
)
def test_metadata_that_lead_elsewhere_lead_nowhere(scene_of, wrong):
    async def scene(browser, provider):
        provider.metadata = wrong
        found = await browser.press()
        assert found.status_code == 502
        return provider.asked

    assert scene_of(scene) == []


def test_a_private_address_is_asked_only_where_the_settings_name_it(scene_of):
    async def scene(browser, provider):
        found = await browser.press()
        assert found.status_code == 502
        return provider.connections

    assert scene_of(scene, settings={"private_hosts": ()}) == 0


def test_a_provider_that_is_away_is_left_alone_for_a_while_and_asked_again(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        provider.pages[METADATA] = answer({}, 500)
        for _ in range(5):
            assert (await browser.press()).status_code == 502
        assert len(provider.requests) == 1
        del provider.pages[METADATA]
        browser.clock.advance(11)
        await browser.enter(provider)
        assert await browser.username() == "alice"

    scene_of(scene)


def test_metadata_are_fetched_once_an_hour_and_count_on_while_they_can_t_be(scene_of):
    async def scene(browser, provider):
        def fetches():
            return len([one for one in provider.requests if METADATA in one])

        for _ in range(3):
            await browser.press()
        assert fetches() == 1
        browser.clock.advance(3601)
        provider.pages[METADATA] = answer({}, 500)
        assert isinstance(await browser.press(), str)
        assert fetches() == 2
        browser.clock.advance(24 * 3600)
        assert (await browser.press()).status_code == 502

    scene_of(scene)


@pytest.mark.parametrize(
    ("error", "told"), [("access_denied", "access_denied"), ("x" * 70, ""), ("\u202e", "")]
)
def test_a_refusal_of_the_provider_s_is_told_in_words(scene_of, error, told):
    async def scene(browser, provider):
        state = {"state": query(await browser.press())["state"]}
        with structlog.testing.capture_logs() as lines:
            found = await browser.client.get(
                "/sign-in/with/up/callback", params={"error": error, **state}
            )
        assert found.status_code == 403
        assert "Up has not signed you in" in found.text
        [line] = [one for one in lines if one["event"] == "provider_sign_in_refused"]
        return line["cause"]

    assert scene_of(scene) == f"it has signed nobody in: {told}"


def test_whoever_comes_back_in_vain_too_often_has_to_wait(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        where = "/sign-in/with/up/callback"
        for number in range(31):
            # Whoever has not asked for it is let alone: nothing is done for them.
            found = await browser.client.get(where, params={"state": "x", "code": "y"})
            assert found.status_code == 400
            state = query(await browser.press())["state"]
            found = await browser.client.get(where, params={"state": state, "code": "y"})
            assert found.status_code == (502 if number < 30 else 429)
        assert len(provider.asked) == 30
        browser.clock.advance(60)
        await browser.enter(provider)
        return await browser.username()

    assert scene_of(scene) == "alice"


def test_what_is_too_long_for_a_cookie_is_refused_in_words(scene_of):
    async def scene(browser, provider):
        found = await browser.press(following=f"/authorize?state={'x' * 4000}")
        assert found.status_code == 400
        assert "too long to be kept" in found.text

    scene_of(scene)


@pytest.mark.parametrize("query", ["state=a&state=b", "%ff", "&&&", "code=x"])
def test_an_answer_that_is_none_is_refused_in_words(scene_of, query):
    async def scene(browser, provider):
        await linked(browser)
        await browser.press()
        found = await browser.client.get(f"/sign-in/with/up/callback?{query}")
        assert found.status_code == 400
        assert "can&#39;t go on" in found.text or "can't go on" in found.text
        return await browser.service.identities.of_account(SUBJECT)

    assert scene_of(scene) == []
