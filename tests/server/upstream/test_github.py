"""GitHub, by a loopback imitation of its shape: OAuth 2.0 without ID tokens."""

import pytest
from tests.server.upstream.imitation import CLIENT_ID, SECRET, Browser
from tests.server.upstream.test_sign_in import CREATE, query

GITHUB = {"kind": "github", **CREATE}
OCTOCAT = {
    "login": "octocat",
    "name": "monalisa octocat",
    "avatar_url": "https://github.com/images/error/octocat_happy.gif",
    "html_url": "https://github.com/octocat",
    "email": "somebody-else@example.com",
    "blog": "",
}


def test_whoever_github_knows_is_signed_in_by_number(scene_of):
    async def scene(browser, provider):
        page = await browser.client.get("/sign-in")
        assert "Continue with GitHub" in page.text
        address = await browser.press()
        assert address.startswith(f"{provider.url}/login/oauth/authorize?")
        assert query(address)["scope"] == "read:user user:email"
        await browser.client.get(provider.sign_in(address, "583231", **OCTOCAT))
        assert await browser.username() == "octocat"
        [(form, headers)] = provider.asked
        assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, SECRET)
        assert headers["accept"] == "application/json"
        account = await browser.service.accounts.find("octocat")
        [identity] = await browser.service.identities.of_account(account.id)
        assert (identity.issuer, identity.subject) == (provider.url, "583231")
        # The login changes hands; the number does not.
        thief = Browser(browser.service)
        await thief.enter(provider, subject="7", **OCTOCAT)
        assert await thief.username() == "octocat2"
        return account.claims

    claims = {"email": "email", "picture": "picture"}
    assert scene_of(scene, claims=claims, **GITHUB) == {
        "email": "octo@example.com",
        "email_verified": True,
        "picture": OCTOCAT["avatar_url"],
    }


@pytest.mark.parametrize(
    "emails",
    [
        [],
        {},
        [7],
        [{"email": "octo@example.com", "primary": True, "verified": False}],
        [{"email": "octo@example.com", "primary": False, "verified": True}],
    ],
    ids=str,
)
def test_an_address_that_nobody_has_proved_is_not_taken(scene_of, emails):
    async def scene(browser, provider):
        provider.emails = emails
        await browser.enter(provider, subject="583231", **OCTOCAT)
        return (await browser.service.accounts.find("octocat")).claims

    assert scene_of(scene, claims={"email": "email"}, **GITHUB) == {}


def test_a_code_of_another_browser_and_a_token_of_nobody_s_are_refused(scene_of):
    async def scene(browser, provider):
        stolen = query(provider.sign_in(await browser.press(), "583231", **OCTOCAT))["code"]
        thief = Browser(browser.service)
        own = query(await thief.press())
        given = {"code": stolen, "state": own["state"]}
        found = await thief.client.get("/sign-in/with/up/callback", params=given)
        assert found.status_code == 502
        assert await thief.username() is None
        for number in ("true", "7.5"):
            provider._user = lambda headers, number=number: (
                f'HTTP/1.1 200 OK\r\nContent-Length: {len(number) + 7}\r\n\r\n{{"id":{number}}}'
            ).encode()
            assert (await browser.enter(provider, subject="583231")).status_code == 502

    scene_of(scene, **GITHUB)


def test_github_tells_of_no_session_that_is_over(scene_of):
    async def scene(browser, provider):
        form = {"logout_token": "x"}
        return (await browser.client.post("/sign-in/with/up/logout", data=form)).status_code

    assert scene_of(scene, **GITHUB) == 404
