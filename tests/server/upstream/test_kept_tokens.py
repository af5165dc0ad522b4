"""Refresh tokens of a provider: kept encrypted, used, and let go of."""

import re

import pytest
from tests.server.inside import register
from tests.server.upstream.imitation import SUBJECT, Browser, answer
from tests.server.upstream.test_provider import read
from tests.server.upstream.test_sign_in import CREATE, linked, query

from carnet import inspect
from carnet.errors import ConfigurationError, ServerError
from carnet.jose.encoding import b64url_decode
from carnet.server.audit import OPERATOR
from carnet.server.upstream.sealed_tokens import unsealed

KEEP = {"keep_refresh_token": True}
ROWS = "SELECT issuer, subject, secret, due_at FROM upstream_token"
DUE = 901


@pytest.fixture
def kept_of(scene_of):
    """Run a scene at a provider that gives refresh tokens, and wants to be told of their end."""

    def run(scene, **more):
        async def lasting(browser, provider):
            provider.lasting = True
            provider.metadata["revocation_endpoint"] = f"{provider.url}/revoke"
            return await scene(browser, provider)

        return scene_of(lasting, **{**KEEP, **more})

    return run


async def rows(browser):
    return await browser.service.store.read(ROWS)


async def look(browser, seconds=DUE):
    browser.clock.advance(seconds)
    await browser.service.kept_tokens.look_after()


def test_a_refresh_token_is_kept_where_only_the_service_can_read_it(kept_of):
    async def scene(browser, provider):
        await linked(browser)
        address = await browser.press()
        assert query(address)["scope"].split()[-1] == "offline_access"
        await browser.client.get(provider.sign_in(address))
        [token] = provider.refresh_tokens
        [(issuer, subject, secret, _)] = await rows(browser)
        assert (issuer, subject) == (provider.url, SUBJECT)
        assert token.encode() not in secret
        dump = await browser.service.store.read("SELECT reason FROM audit")
        assert token not in str(dump)
        return len(secret)

    assert kept_of(scene) > 16


def test_where_the_settings_say_nothing_no_token_is_asked_for_or_kept(kept_of):
    async def scene(browser, provider):
        await linked(browser)
        address = await browser.press()
        assert "offline_access" not in query(address)["scope"]
        await browser.client.get(provider.sign_in(address))
        assert await browser.username() == "alice"
        return await rows(browser)

    assert kept_of(scene, keep_refresh_token=False) == []


def test_it_is_used_when_it_is_due_and_the_next_one_is_kept(kept_of):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        seen = []
        for seconds in (60, DUE, DUE):
            await look(browser, seconds)
            seen.append(len(provider.asked))
        form, headers = provider.asked[-1]
        assert form["grant_type"] == "refresh_token"
        assert headers["authorization"].startswith("Basic ")
        assert await browser.username() == "alice"
        return seen, len(provider.refresh_tokens), len(await rows(browser))

    assert kept_of(scene) == ([1, 2, 3], 1, 1)


def test_whom_the_provider_does_not_know_any_more_is_signed_out_everywhere(kept_of):
    async def scene(browser, provider):
        await linked(browser)
        await register(browser.service, scope="openid", resources=("orders",))
        await browser.enter(provider)
        tokens = await browser.tokens()
        sid = inspect(tokens["access_token"]).claims["sid"]
        # The account there was deleted.
        provider.refresh_tokens.clear()
        await look(browser)
        assert await browser.username() is None
        revoked = await browser.service.store.read("SELECT value FROM revocation")
        assert (sid,) in revoked
        return await rows(browser), provider.revoked

    assert kept_of(scene) == ([], [])


@pytest.mark.parametrize(
    "page", [answer({}, 503), answer({"error": "invalid_client"}, 401), answer(b"x"), answer([])]
)
def test_a_provider_that_is_away_or_errs_signs_nobody_out(kept_of, page):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        provider.pages["/token"] = page
        await look(browser)
        assert await browser.username() == "alice"
        del provider.pages["/token"]
        await look(browser, 601)
        assert await browser.username() == "alice"
        return len(await rows(browser)), len(provider.asked)

    assert kept_of(scene) == (1, 2)


def test_tokens_of_somebody_else_are_not_kept(kept_of):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        before = [row[2] for row in await rows(browser)]
        provider.tokens = {"sub": "somebody-else"}
        await look(browser)
        return before == [row[2] for row in await rows(browser)], len(provider.asked)

    assert kept_of(scene) == (True, 2)


async def by_signing_out(browser):
    await browser.client.post("/sign-out", data={"x": "y"})


async def by_deleting(browser):
    account = await browser.service.accounts.find("alice")
    await browser.service.deletions.delete(account.id, OPERATOR)


@pytest.mark.parametrize("way", [by_signing_out, by_deleting])
def test_once_nobody_is_signed_in_by_it_the_provider_is_told_and_it_is_gone(kept_of, way):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        await way(browser)
        [token] = provider.refresh_tokens
        await look(browser)
        assert provider.revoked == [token]
        return await rows(browser)

    assert kept_of(scene) == []


def test_one_of_an_identity_that_is_disconnected_goes_too(kept_of):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        other = Browser(browser.service)
        await other.sign_in()
        assert (await other.client.get("/me")).status_code == 200
        form = {"issuer": provider.url, "subject": SUBJECT}
        assert (await other.client.post("/me/providers/disconnect", data=form)).is_redirect
        await look(browser)
        return await rows(browser), len(provider.revoked)

    assert kept_of(scene) == ([], 1)


def test_a_sign_in_meanwhile_wins(kept_of):
    async def scene(browser, provider):
        service = browser.service
        await linked(browser)
        await browser.enter(provider)
        speaking = service.upstream.speaking(service.upstream.providers["up"])
        refresh = speaking.refresh

        async def overtaken(token, subject):
            await Browser(service).enter(provider)
            provider.refresh_tokens.pop(token)
            return await refresh(token, subject)

        speaking.refresh = overtaken
        await look(browser)
        speaking.refresh = refresh
        assert await browser.username() == "alice"
        await look(browser)
        return await browser.username(), len(await rows(browser))

    assert kept_of(scene) == ("alice", 1)


@pytest.mark.parametrize("secret", [b"", b"x" * 60])
def test_a_damaged_row_goes_and_harms_no_other(kept_of, secret):
    async def scene(browser, provider):
        await linked(browser)
        await linked(browser, "bob", "b")
        await browser.enter(provider)
        await Browser(browser.service).enter(provider, subject="b")
        await browser.service.store.write(
            "UPDATE upstream_token SET secret = $1 WHERE subject = $2 RETURNING subject",
            *(secret, SUBJECT),
        )
        await look(browser)
        assert await browser.username() == "alice"
        return [row[1] for row in await rows(browser)]

    assert kept_of(scene) == ["b"]


def test_a_secret_of_one_row_opens_in_no_other(kept_of):
    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        keys = browser.service.keys
        [(issuer, subject, secret, _)] = await rows(browser)
        assert unsealed(keys, issuer, subject, secret) in provider.refresh_tokens
        for other in (("https://evil.example", subject), (issuer, "b")):
            with pytest.raises(ServerError):
                unsealed(keys, *other, secret)

    kept_of(scene)


def test_what_a_sign_in_has_brought_meanwhile_is_not_written_over(kept_of):
    async def scene(browser, provider):
        service = browser.service
        await linked(browser)
        await browser.enter(provider)
        speaking, brought = service.upstream.speaking(service.upstream.providers["up"]), []
        refresh = speaking.refresh

        async def overtaken(token, subject):
            given = await refresh(token, subject)
            await Browser(service).enter(provider)
            brought.extend(provider.refresh_tokens.keys() - {given})
            return given

        speaking.refresh = overtaken
        await look(browser)
        [(issuer, subject, secret, _)] = await rows(browser)
        return [unsealed(service.keys, issuer, subject, secret)] == brought

    assert kept_of(scene)


def test_a_newcomer_s_browser_is_given_no_token(kept_of):
    async def scene(browser, provider):
        await browser.enter(provider)
        cookie = browser.client.cookies["__Host-carnet-newcomer"]
        body = b64url_decode(cookie.partition(".")[0], "the cookie")
        [token] = provider.refresh_tokens
        return token.encode() in body

    assert kept_of(scene, **CREATE) is False


@pytest.mark.parametrize(
    ("kind", "more", "scope"),
    [
        ("google", {}, "openid profile email"),
        ("okta", {"issuer": "https://acme.okta.com"}, "openid profile email offline_access"),
        ("gitlab", {"scopes": ("openid",)}, "openid"),
    ],
)
def test_what_a_refresh_token_needs_is_asked_for_and_no_more(kind, more, scope):
    assert " ".join(read(kind, **more, **KEEP).scopes) == scope


def test_where_there_is_none_it_can_t_be_kept():
    with pytest.raises(ConfigurationError, match=re.escape("up.keep_refresh_token: it gives none")):
        read(kind="github", client_secret_file="x", **KEEP)
