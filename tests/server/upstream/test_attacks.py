"""Attacks on signing in with a provider, one test each."""

import html
from urllib.parse import urlencode

import pytest
from tests.server.conftest import PASSWORD
from tests.server.upstream.imitation import Browser, imitation, settings_of
from tests.server.upstream.test_sign_in import CREATE, accounts, linked, query

from carnet import Key


async def refused(browser, answer, text):
    """A page in words, and nobody signed in."""
    assert answer.status_code in (400, 403, 409, 502), answer.text
    assert text in html.unescape(answer.text)
    assert await browser.username() is None


def test_mix_up_the_answer_of_another_issuer_is_no_answer(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        for issuer in ("https://evil.example", None):
            back = provider.sign_in(await browser.press())
            given = {name: text for name, text in query(back).items() if name != "iss"}
            if issuer is not None:
                given["iss"] = issuer
            answer = await browser.client.get(f"/sign-in/with/up/callback?{urlencode(given)}")
            await refused(browser, answer, "has not answered as it should")
        # The code stays where it is: the wrong provider is never sent it.
        assert provider.asked == []

    async def published(browser, provider):
        provider.metadata["authorization_response_iss_parameter_supported"] = True
        await scene(browser, provider)

    scene_of(published)


def test_mix_up_the_answer_at_another_provider_s_address_is_no_answer(
    scene_of, tmp_path, monkeypatch
):
    async def scene(browser, provider):
        await linked(browser)
        back = provider.sign_in(await browser.press("up"))
        answer = await browser.client.get(back.replace("/with/up/", "/with/evil/"))
        await refused(browser, answer, "can't go on")
        assert provider.asked == []

    folder = tmp_path / "evil"
    folder.mkdir()
    with imitation(folder, monkeypatch) as evil:
        scene_of(scene, others={"evil": settings_of(evil, folder)})


def test_code_injection_a_code_counts_only_in_the_browser_that_asked_for_it(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await linked(browser, "mallory", "m")
        stolen = query(provider.sign_in(await browser.press()))["code"]
        thief = Browser(browser.service)
        back = provider.sign_in(await thief.press(), "m")
        own = query(back)
        answer = await thief.client.get(
            f"/sign-in/with/up/callback?{urlencode({**own, 'code': stolen})}"
        )
        await refused(thief, answer, "has not answered as it should")

    scene_of(scene)


def test_code_injection_without_the_challenge_the_nonce_still_holds(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        stolen = query(provider.sign_in(await browser.press()))["code"]
        given, claims = provider.codes[stolen]
        # A provider that knows nothing of PKCE.
        provider.codes[stolen] = (
            {name: text for name, text in given.items() if name != "code_challenge"},
            claims,
        )
        thief = Browser(browser.service)
        own = query(await thief.press())
        given = urlencode({"code": stolen, "state": own["state"]})
        answer = await thief.client.get(f"/sign-in/with/up/callback?{given}")
        await refused(thief, answer, "has not answered as it should")

    scene_of(scene)


def test_state_fixation_an_answer_needs_the_cookie_of_its_own_state(scene_of):
    async def scene(browser, provider):
        await linked(browser, "mallory", "m")
        mallory = Browser(browser.service)
        theirs = provider.sign_in(await mallory.press(), "m")
        # The victim has a sign-in under way, or a cookie that is no one's.
        own = query(await browser.press())["state"]
        answer = await browser.client.get(theirs)
        await refused(browser, answer, "can't go on")
        await browser.press()
        stale = urlencode({**query(theirs), "state": own})
        await refused(browser, await browser.client.get(f"/sign-in/with/up/callback?{stale}"), "")
        browser.client.cookies.set("__Host-carnet-provider", "e30.x", domain="auth.example")
        await refused(browser, await browser.client.get(theirs), "can't go on")

    scene_of(scene)


def test_login_csrf_nobody_is_signed_in_by_a_link_of_somebody_else_s(scene_of):
    async def scene(browser, provider):
        await linked(browser, "mallory", "m")
        mallory = Browser(browser.service)
        back = provider.sign_in(await mallory.press(), "m")
        await refused(browser, await browser.client.get(back), "can't go on")
        # Nor is anybody sent to a provider by another site's form.
        elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        answer = await browser.press(**elsewhere)
        assert answer.status_code == 403

    scene_of(scene)


def test_an_answer_counts_once(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        address = await browser.press()
        cookies = dict(browser.client.cookies)
        await browser.client.get(provider.sign_in(address))
        assert await browser.username() == "alice"
        thief = Browser(browser.service)
        thief.client.cookies.update(cookies)
        await refused(thief, await thief.client.get(provider.sign_in(address)), "can't go on")

    scene_of(scene)


def test_an_answer_that_took_too_long_does_not_count(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        address = await browser.press()
        browser.clock.advance(601)
        await refused(browser, await browser.client.get(provider.sign_in(address)), "can't go on")

    scene_of(scene)


@pytest.mark.parametrize(
    "where", ["//evil.example", "https://evil.example/", "/\\evil.example", ""]
)
def test_open_redirect_nobody_is_led_elsewhere(scene_of, where):
    async def scene(browser, provider):
        await linked(browser)
        answer = await browser.enter(provider, following=where)
        assert answer.headers["location"] == "/me"
        back = provider.sign_in(await browser.press()) + f"&{urlencode({'continue': where})}"
        answer = await browser.client.get(back)
        assert answer.is_redirect is False or answer.headers["location"] == "/me"

    scene_of(scene)


@pytest.mark.parametrize("verified", [{"email_verified": False}, {}, {"email_verified": True}])
def test_takeover_by_an_address_no_address_leads_to_an_account(scene_of, verified):
    async def scene(browser, provider):
        victim = await browser.service.accounts.create(
            "victim", PASSWORD, claims={"email": "victim@example.com"}
        )
        await browser.enter(
            provider, email="victim@example.com", preferred_username="victim", **verified
        )
        name = await browser.username()
        assert await browser.service.identities.of_account(victim.id) == []
        made = await browser.service.accounts.find("victim2")
        return name, made.claims

    name, claims = scene_of(scene, claims={"email": "email"}, **CREATE)
    assert name == "victim2"
    told = {"email": "victim@example.com", "email_verified": True}
    assert claims == (told if verified == {"email_verified": True} else {})


def test_pre_hijacking_an_account_that_was_made_before_is_not_the_owner_s(scene_of):
    async def scene(browser, provider):
        # The attacker knows the name and the address that the victim will come with.
        early = await browser.service.accounts.create("victim", "the attacker's password")
        await browser.enter(provider, email="victim@example.com", preferred_username="victim")
        assert await browser.username() == "victim2"
        page = await browser.client.get("/me")
        assert early.id not in page.text
        return await accounts(browser.service)

    assert scene_of(scene, **CREATE) == ["victim", "victim2"]


def test_noauth_who_it_is_says_the_subject_whatever_the_address_becomes(scene_of):
    async def scene(browser, provider):
        address = {"email": "ceo@example.com", "email_verified": True, "upn": "ceo@example.com"}
        await browser.enter(provider, "up", preferred_username="ceo@example.com", **address)
        assert await browser.username() == "ceo"
        # Whoever administers a tenant can write what they like into a mutable claim.
        thief = Browser(browser.service)
        await thief.enter(
            provider, subject="another", preferred_username="ceo@example.com", **address
        )
        assert await thief.username() == "ceo2"
        # And an owner whose address changes stays who they are.
        other = Browser(browser.service)
        await other.enter(provider, preferred_username="renamed", email="new@example.com")
        assert await other.username() == "ceo"

    scene_of(scene, kind="microsoft", claims={"email": "email"}, **CREATE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-client"},
        {"aud": ["carnet-at-the-provider", "another"]},
        {"azp": "another-client"},
        {"iss": "https://evil.example"},
        {"nonce": "of-another-sign-in"},
        {"nonce": ...},
        {"exp": 1_700_000_000},
        {"exp": ...},
        {"iat": ...},
        {"sub": ...},
        {"sub": ""},
        {"sub": "x" * 300},
        {"sub": 7},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_very_sign_in_lets_nobody_in(scene_of, wrong):
    async def scene(browser, provider):
        await linked(browser)
        provider.tokens = wrong
        await refused(browser, await browser.enter(provider), "has not answered as it should")

    scene_of(scene)


def test_an_id_token_of_another_key_or_without_a_signature_lets_nobody_in(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        for key in (Key.generate("ES256", kid="up"), Key.generate("HS256", kid="up")):
            provider.signing_key = key
            await refused(browser, await browser.enter(provider), "has not answered as it should")
        provider.id_token = lambda given, claims: "eyJhbGciOiJub25lIn0.e30."
        await refused(browser, await browser.enter(provider), "has not answered as it should")

    scene_of(scene)


def test_connecting_by_somebody_else_s_link_is_refused(scene_of):
    async def scene(browser, provider):
        account = await browser.service.accounts.create("alice", PASSWORD)
        await browser.service.accounts.create("mallory", PASSWORD)
        mallory = Browser(browser.service, "mallory")
        await mallory.sign_in()
        await browser.sign_in()
        theirs = provider.sign_in(await mallory.connect(), "m")
        answer = await browser.client.get(theirs)
        assert answer.status_code == 400
        # Somebody else has signed in with the same browser meanwhile.
        address = await browser.connect()
        cookie = browser.client.cookies["__Host-carnet-provider"]
        mallory.client.cookies.delete("__Host-carnet-provider")
        mallory.client.cookies.set("__Host-carnet-provider", cookie, domain="auth.example")
        answer = await mallory.client.get(provider.sign_in(address, "m"))
        assert answer.status_code == 400
        elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        form = {"provider": "up"}
        answer = await browser.client.post("/me/providers/connect", data=form, headers=elsewhere)
        assert answer.status_code == 403
        return await browser.service.identities.of_account(account.id)

    assert scene_of(scene) == []


def test_what_a_browser_keeps_for_one_purpose_counts_for_no_other(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await browser.press()
        cookie = browser.client.cookies["__Host-carnet-provider"]
        browser.client.cookies.set("__Host-carnet-newcomer", cookie, domain="auth.example")
        browser.client.cookies.set("__Host-carnet-second-step", cookie, domain="auth.example")
        for path in ("/sign-in/new-account", "/sign-in/code"):
            answer = await browser.client.get(path)
            assert answer.headers["location"].startswith("/sign-in?")

    scene_of(scene)
