"""Signing in with a provider: who is let in, as whom, and what else is asked of them."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec import structs
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import code_at, with_app
from tests.server.flows import hidden
from tests.server.inside import register
from tests.server.upstream.imitation import CLIENT_ID, ISSUER, SECRET, SUBJECT, Browser, basic_of

from carnet import inspect
from carnet.server.audit import OPERATOR, newest
from carnet.server.provider_settings import RoleRules

CREATE = {"provision": "create"}


async def linked(browser, username="alice", subject=SUBJECT):
    """Make an account that an administrator has linked to somebody at the provider."""
    account = await browser.service.accounts.create(username, PASSWORD)
    await browser.service.identities.link(account.id, browser.provider.url, subject, OPERATOR)
    return account


async def accounts(service):
    return [one.username for one in await service.accounts.page()]


def query(address):
    return dict(parse_qsl(urlsplit(address).query))


def test_whoever_an_administrator_has_linked_is_signed_in(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        page = await browser.client.get("/sign-in")
        assert "Continue with Up" in page.text
        address = await browser.press(following="/me/sessions")
        asked = query(address)
        assert address.startswith(f"{provider.url}/authorize?")
        assert asked.keys() == {
            *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
            *("code_challenge", "code_challenge_method"),
        }
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"] == f"{ISSUER}/sign-in/with/up/callback"
        answer = await browser.client.get(provider.sign_in(address))
        assert answer.headers["location"] == "/me/sessions"
        assert await browser.username() == "alice"
        [(form, headers)] = provider.asked
        assert basic_of(headers).partition(":")[0] == CLIENT_ID
        assert form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier"}
        events = [one.event for one in await newest(browser.service.store, 9)]
        return sorted(events)

    assert "session_begun" in scene_of(scene)


def test_what_began_with_a_provider_says_so_in_its_tokens(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await register(browser.service, scope="openid", resources=("orders",))
        signed_in_at = browser.clock() // 1_000_000 - 40
        await browser.enter(provider, auth_time=signed_in_at)
        tokens = await browser.tokens()
        claims = inspect(tokens["id_token"]).claims
        assert (claims["amr"], claims["acr"]) == (["fed"], "aal1")
        assert claims["auth_time"] == signed_in_at

    scene_of(scene)


def test_a_client_that_sends_somebody_to_sign_in_gets_its_answer(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await register(browser.service, scope="openid", resources=("orders",))
        asked = await browser.client.get(
            "/authorize",
            params={
                "response_type": "code",
                "client_id": "app",
                "redirect_uri": "https://app.example/callback",
                "scope": "openid",
                "code_challenge": "c" * 43,
                "code_challenge_method": "S256",
            },
        )
        page = await browser.client.get(asked.headers["location"])
        following = hidden(page.text)["continue"]
        # They have been signed in there for an hour: nobody asks them again.
        old = browser.clock() // 1_000_000 - 3600
        answer = await browser.enter(provider, following=following, auth_time=old)
        return await browser.go(answer.headers["location"])

    assert scene_of(scene).startswith("https://app.example/callback?code=")


@pytest.mark.parametrize(
    ("asked", "sent", "auth_time", "status"),
    [
        ("prompt=login", {"prompt": "login", "max_age": "0"}, 0, 303),
        ("prompt=login", {"prompt": "login", "max_age": "0"}, -3600, 403),
        ("prompt=login", {"prompt": "login", "max_age": "0"}, None, 403),
        ("max_age=600", {"max_age": "600"}, -500, 303),
        ("max_age=600", {"max_age": "600"}, -700, 403),
        ("max_age=600", {"max_age": "600"}, None, 403),
        ("max_age=x", {}, None, 303),
    ],
)
def test_what_a_client_demands_of_the_sign_in_is_passed_on_and_checked(
    scene_of, asked, sent, auth_time, status
):
    async def scene(browser, provider):
        await linked(browser)
        address = await browser.press(following=f"/authorize?client_id=app&{asked}")
        given = {
            name: text for name, text in query(address).items() if name in ("prompt", "max_age")
        }
        assert given == sent
        more = {}
        if auth_time is not None:
            more = {"auth_time": browser.clock() // 1_000_000 + auth_time}
        answer = await browser.client.get(provider.sign_in(address, **more))
        assert answer.status_code == status, answer.text
        return answer.text

    text = scene_of(scene)
    assert ("did not ask you again" in text) == (status == 403)


def test_whoever_is_signed_in_already_is_asked_again_by_the_provider_too(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        assert query(await browser.press())["prompt"] == "login"

    scene_of(scene)


def test_nobody_is_let_in_whom_nobody_has_linked_and_nothing_is_made(scene_of):
    async def scene(browser, provider):
        await browser.service.accounts.create("alice", PASSWORD)
        answer = await browser.enter(provider, preferred_username="alice")
        assert answer.status_code == 403
        assert "No account here is connected to this Up account" in answer.text
        assert await browser.username() is None
        return await accounts(browser.service)

    assert scene_of(scene) == ["alice"]


def test_an_account_is_made_once_with_a_name_that_is_free(scene_of):
    async def scene(browser, provider):
        await browser.service.accounts.create("alice", PASSWORD)
        answer = await browser.enter(provider, preferred_username="Alice@example.com")
        assert answer.headers["location"] == "/me"
        assert await browser.username() == "alice2"
        other = Browser(browser.service)
        await other.enter(provider, preferred_username="another")
        assert await other.username() == "alice2"
        # No password lets into it, neither an empty one nor any other.
        for password in ("", "x", PASSWORD):
            assert await browser.service.accounts.authenticate("alice2", password) is None
        return await accounts(browser.service)

    assert scene_of(scene, **CREATE) == ["alice", "alice2"]


@pytest.mark.parametrize(
    "said", [{}, {"preferred_username": "\u202eodd"}, {"preferred_username": 7}]
)
def test_whoever_has_no_name_is_asked_for_one(scene_of, said):
    async def scene(browser, provider):
        await browser.service.accounts.create("alice", PASSWORD)
        answer = await browser.enter(provider, following="/me/sessions", **said)
        assert answer.headers["location"] == "/sign-in/new-account"
        assert await browser.username() is None
        page = await browser.client.get("/sign-in/new-account")
        assert "Choose a username" in page.text
        taken = await browser.client.post("/sign-in/new-account", data={"username": "ALICE"})
        assert taken.status_code == 422
        assert "There is an account of this name already" in taken.text
        cookies = dict(browser.client.cookies)
        form = {"username": "bob"}
        answer = await browser.client.post("/sign-in/new-account", data=form)
        assert answer.headers["location"] == "/me/sessions"
        assert await browser.username() == "bob"
        again = Browser(browser.service)
        again.client.cookies.update(cookies)
        await again.client.post("/sign-in/new-account", data={"username": "carol"})
        assert await again.username() == "bob"
        stranger = Browser(browser.service)
        late = await stranger.client.post("/sign-in/new-account", data={"username": "eve"})
        assert late.headers["location"] == "/sign-in?why=late"
        return await accounts(browser.service)

    assert scene_of(scene, **CREATE) == ["alice", "bob"]


def test_whoever_types_a_name_after_the_settings_have_changed_gets_no_account(scene_of):
    async def scene(browser, provider):
        await browser.enter(provider)
        before = browser.service.upstream.providers["up"]
        given = structs.replace(before.settings, provision="linked-only")
        browser.service.upstream.providers["up"] = replace(before, settings=given)
        answer = await browser.client.post("/sign-in/new-account", data={"username": "bob"})
        assert answer.headers["location"] == "/sign-in?why=late"
        return await accounts(browser.service)

    assert scene_of(scene, **CREATE) == []


def test_whoever_has_a_second_factor_here_is_asked_for_it(scene_of):
    async def scene(browser, provider):
        account = await with_app(browser.service, browser.clock)
        await browser.service.identities.link(account.id, provider.url, SUBJECT, OPERATOR)
        answer = await browser.enter(provider, amr=["pwd", "mfa"])
        assert answer.headers["location"] == "/sign-in/code?continue=%2Fme"
        assert await browser.username() is None
        page = await browser.client.get(answer.headers["location"])
        assert "Up says that you are <strong>alice</strong>" in page.text
        form = {"continue": "/me", "code": code_at(browser.clock)}
        await browser.client.post("/sign-in/code", data=form)
        assert await browser.username() == "alice"
        rows = "SELECT amr, identity_issuer, identity_subject FROM session"
        return await browser.service.store.read(rows), provider.url

    rows, url = scene_of(scene)
    assert rows == [("fed otp mfa", url, SUBJECT)]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"second_factor_amr": ("mfa",)}, {"amr": ["pwd", "mfa"]}),
        ({"second_factor_acr": ("phr",)}, {"acr": "phr"}),
    ],
)
def test_what_the_provider_asks_for_counts_as_a_second_factor_where_the_settings_say_so(
    scene_of, setting, said
):
    async def scene(browser, provider):
        account = await with_app(browser.service, browser.clock)
        await browser.service.identities.link(account.id, provider.url, SUBJECT, OPERATOR)
        answer = await browser.enter(provider, **said)
        assert answer.headers["location"] == "/me"
        other = Browser(browser.service)
        answer = await other.enter(provider, amr=["pwd"], acr="low")
        assert answer.headers["location"].startswith("/sign-in/code")
        return await browser.service.store.read("SELECT amr FROM session")

    assert scene_of(scene, **setting) == [("fed mfa",)]


def test_a_role_that_demands_a_second_factor_demands_it_of_a_provider_s_people(scene_of):
    async def scene(browser, provider):
        answer = await browser.enter(provider, preferred_username="bob", groups=["admins"])
        assert answer.headers["location"].startswith("/sign-in/code")
        page = await browser.client.get(answer.headers["location"])
        assert "authenticator app" in page.text
        assert await browser.username() is None

    rules = RoleRules(values={"admins": "carnet:admin"})
    settings = {"second_factor_roles": ("carnet:admin",)}
    scene_of(scene, roles=rules, settings=settings, **CREATE)


def test_a_level_that_is_asked_for_has_to_be_reached(scene_of):
    async def scene(browser, provider):
        await linked(browser)
        address = await browser.press()
        assert query(address)["acr_values"] == "phr phrh"
        answer = await browser.client.get(provider.sign_in(address, acr="0"))
        assert answer.status_code == 403
        assert "asked for too little" in answer.text
        answer = await browser.enter(provider, acr="phrh")
        assert answer.headers["location"] == "/me"

    scene_of(scene, acr_values=("phr", "phrh"))


@pytest.mark.parametrize(
    ("said", "status"),
    [({"hd": "example.com"}, 303), ({"hd": "evil.example"}, 403), ({}, 403), ({"hd": 7}, 403)],
)
def test_only_those_are_let_in_whose_claims_say_what_they_have_to(scene_of, said, status):
    async def scene(browser, provider):
        answer = await browser.enter(provider, preferred_username="bob", **said)
        assert answer.status_code == status
        return await accounts(browser.service)

    made = scene_of(scene, required={"hd": ("example.com", "example.org")}, **CREATE)
    assert made == (["bob"] if status == 303 else [])


def test_a_disabled_account_is_let_in_by_no_provider(scene_of):
    async def scene(browser, provider):
        account = await linked(browser)
        await browser.service.accounts.disable(account.id, OPERATOR)
        answer = await browser.enter(provider)
        assert answer.status_code == 403
        assert "disabled" in answer.text
        assert await browser.service.store.read("SELECT id FROM session") == []

    scene_of(scene)


@pytest.mark.parametrize(
    ("methods", "place"),
    [
        (None, "header"),
        (["client_secret_post", "client_secret_basic"], "header"),
        (["client_secret_post"], "body"),
    ],
)
def test_the_secret_goes_where_the_provider_takes_it(scene_of, methods, place):
    async def scene(browser, provider):
        if methods is not None:
            provider.metadata["token_endpoint_auth_methods_supported"] = methods
        await linked(browser)
        await browser.enter(provider)
        [(form, headers)] = provider.asked
        if place == "body":
            assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, SECRET)
            assert "authorization" not in headers
        else:
            # RFC 6749 section 2.3.1: what stands there is encoded as in a form.
            assert basic_of(headers) == f"{CLIENT_ID}:a%2Bsecret%2Fwith%3Dsigns"
            assert "client_secret" not in form
        assert await browser.username() == "alice"

    scene_of(scene)


def test_claims_that_only_user_info_has_count_for_the_same_person(scene_of):
    async def scene(browser, provider):
        provider.user_info = {"preferred_username": "bob"}
        await browser.enter(provider)
        assert await browser.username() == "bob"
        provider.user_info = {"preferred_username": "carol"}
        other = Browser(browser.service)
        answer = await other.enter(provider, subject="somebody-else")
        assert answer.status_code == 502
        return await accounts(browser.service)

    assert scene_of(scene, **CREATE) == ["bob"]
