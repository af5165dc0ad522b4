"""The modules of the OpenID Foundation's plans Basic OP, Form Post OP and Config OP.

In our own words: ``docs/conformance.md`` names for each module the test that does the same. The
client here is one as the suite has it: it has a secret, does no PKCE, and wants RS256.
"""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, change, register

from carnet.server.claim_names import STANDARD_CLAIMS

ISSUER = "https://auth.example.com"
OWN = {
    "name": "Alice Example",
    "given_name": "Alice",
    "family_name": "Example",
    "middle_name": "B",
    "nickname": "al",
    "profile": "https://example.com/alice",
    "picture": "https://example.com/alice.png",
    "website": "https://alice.example.com",
    "gender": "female",
    "birthdate": "1990-01-31",
    "zoneinfo": "Europe/Berlin",
    "locale": "en-GB",
    "updated_at": 1_700_000_000,
    "email": "alice@example.com",
    "email_verified": True,
    "address": {"country": "DE", "locality": "Berlin"},
    "phone_number": "+49 30 1",
    "phone_number_verified": False,
}
WITHOUT_PKCE = {"code_challenge": None, "code_challenge_method": None}
CLIENT = {
    "token_endpoint_auth_method": "client_secret_basic",
    "id_token_signed_response_alg": "RS256",
    "require_pkce": False,
    "require_nonce": False,
}


class Suite:
    """The client, and the browser that the suite drives."""

    def __init__(self, service, clock, secret, response_mode):
        self.service = service
        self.clock = clock
        self.auth = ("app", secret)
        self.mode = {} if response_mode == "query" else {"response_mode": response_mode}
        self.browser = Inside(service)

    def request(self, **more):
        given = {"state": "s" * 128, "nonce": "n-1", **WITHOUT_PKCE, **self.mode, **more}
        return Request(**given)

    async def authorize(self, **more):
        """Send the browser to the service, and give what the client is answered."""
        _, answer = await self.browser.authorize(self.request(**more))
        assert answer.pop("state") == more.get("state", "s" * 128)
        assert answer.pop("iss") == ISSUER
        assert self.browser.posted_to == (CALLBACK if self.mode else None)
        return answer

    async def exchange(self, code, verifier=None):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return await self.browser.token(self.auth, **form, code_verifier=verifier)

    async def sign_in(self, **more):
        """Go all the way; give the tokens, and what the ID token says to another's library."""
        answer = await self.exchange((await self.authorize(**more))["code"])
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        return answer.json(), await self.read(answer.json()["id_token"])

    async def read(self, id_token):
        keys = (await self.browser.client.get("/.well-known/jwks.json")).json()
        token = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=["RS256"])
        assert token.header["kid"]
        return token.claims

    async def userinfo(self, access_token):
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        return await self.browser.client.get("/userinfo", headers=headers)

    async def forms(self, **more):
        """Give the forms that a request leads by, and what the client is answered."""
        self.browser.forms.clear()
        answer = await self.authorize(**more)
        return self.browser.forms, answer


@pytest.fixture(params=["query", "form_post"])
def suite(request, play):
    """Run a scene with the suite's client: once for each of the two plans."""

    def run(scene, **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD, (), OWN)
            secret = await register(service, **{**CLIENT, **metadata})
            return await scene(Suite(service, clock, secret, request.param))

        return play(opened, issuer=ISSUER)

    return run


def half_hash(text):
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def test_the_ordinary_way_gives_good_tokens(suite):
    """oidcc-server, oidcc-idtoken-signature"""

    async def scene(made):
        tokens, said = await made.sign_in()
        code = (await made.authorize())["code"]
        return tokens, said, code

    tokens, said, code = suite(scene)
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 300)
    assert (said["iss"], said["aud"], said["azp"], said["nonce"]) == (ISSUER, "app", "app", "n-1")
    assert said["iat"] < said["exp"]
    assert said["at_hash"] == half_hash(tokens["access_token"])
    assert not set(said) & set(OWN)
    # 128 bits at least (RFC 6749 section 10.10).
    assert len(code) >= 22


def test_a_secret_may_stand_in_the_form(suite):
    """oidcc-server-client-secret-post"""

    async def scene(made):
        form = {"client_id": "app", "client_secret": made.auth[1], "redirect_uri": CALLBACK}
        code = (await made.authorize())["code"]
        sent = {"grant_type": "authorization_code", "code": code, **form}
        return (await made.browser.token(None, **sent)).status_code

    assert suite(scene, token_endpoint_auth_method="client_secret_post") == 200


def test_a_request_without_response_type_is_told_so(suite):
    """oidcc-response-type-missing"""

    async def scene(made):
        return (await made.authorize(response_type=None))["error"]

    assert suite(scene) == "invalid_request"


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        *((scope, names) for scope, names in STANDARD_CLAIMS.items()),
        ("email phone address profile", sum(STANDARD_CLAIMS.values(), ())),
    ],
)
def test_a_scope_gives_its_standard_claims(suite, scope, names):
    """oidcc-scope-profile, -email, -address, -phone, -all, and oidcc-alternate-happy-flow"""

    async def scene(made):
        tokens, said = await made.sign_in(scope=f"{scope} openid")
        return said["sub"], (await made.userinfo(tokens["access_token"])).json()

    subject, told = suite(scene)
    known = {**OWN, "preferred_username": "alice"}
    assert told == {"sub": subject, **{name: known[name] for name in names}}


@pytest.mark.parametrize(
    "more",
    [
        {"display": "page"},
        {"display": "popup"},
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"extra": "foobar"},
        {"login_hint": "buffy@auth.example.com"},
        {"nonce": None},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_may_stand_in_a_request_is_no_error(suite, more):
    """oidcc-display-page, -popup, -ui-locales, -claims-locales, -login-hint, and so on"""

    async def scene(made):
        return (await made.sign_in(**more))[1].get("nonce")

    assert suite(scene) == more.get("nonce", "n-1")


def test_the_acr_that_the_metadata_name_is_reached(suite):
    """oidcc-ensure-request-with-acr-values-succeeds"""

    async def scene(made):
        metadata = (await made.browser.client.get("/.well-known/openid-configuration")).json()
        offered = metadata["acr_values_supported"]
        return (await made.sign_in(acr_values=" ".join(offered)))[1]["acr"] in offered

    assert suite(scene)


def test_parameters_stand_in_any_order(suite):
    """oidcc-alternate-happy-flow"""

    async def scene(made):
        asked = made.request(scope="email openid")
        turned = urlencode(list(asked.parameters.items())[::-1])
        return await made.browser.go(f"/authorize?{turned}")

    assert "code=" in suite(scene)


def test_a_login_hint_stands_in_the_sign_in_form(suite):
    """oidcc-login-hint"""

    async def scene(made):
        asked = made.request(login_hint="buffy@auth.example.com")
        page = await made.browser.client.get("/authorize", params=asked.parameters)
        return (await made.browser.client.get(page.headers["location"])).text

    assert 'value="buffy@auth.example.com"' in suite(scene)


@pytest.mark.parametrize(
    "more", [{"prompt": "login"}, {"max_age": "1"}, {"prompt": "select_account"}]
)
def test_who_is_to_sign_in_again_is_asked_to(suite, more):
    """oidcc-prompt-login, oidcc-max-age-1"""

    async def scene(made):
        _, first = await made.sign_in()
        made.clock.advance(2)
        made.browser.forms.clear()
        _, second = await made.sign_in(**more)
        return "/sign-in" in made.browser.forms, second["auth_time"] - first["auth_time"]

    assert suite(scene) == (True, 2)


@pytest.mark.parametrize(
    ("more", "seconds", "is_asked"),
    [
        ({"prompt": "login"}, 600, False),
        ({"prompt": "login"}, 601, True),
        ({"max_age": "0"}, 600, False),
        ({"max_age": "0"}, 601, True),
        ({"max_age": "1000"}, 1000, False),
        ({"max_age": "1000"}, 1001, True),
        ({}, 1001, False),
    ],
)
def test_a_sign_in_that_a_request_has_demanded_counts_for_that_request_for_ten_minutes(
    suite, more, seconds, is_asked
):
    async def scene(made):
        if more:
            await made.sign_in()
            made.clock.advance(2000)
        asked = urlencode(made.request(**more).parameters)
        page = (await made.browser.client.get(f"/authorize?{asked}")).headers["location"]
        returned = parse_qs(urlsplit(page).query)["continue"][0]
        await made.browser.go(page)
        made.clock.advance(seconds)
        made.browser.forms.clear()
        await made.browser.go(returned)
        return "/sign-in" in made.browser.forms

    assert suite(scene) is is_asked


def test_consent_is_asked_again_where_the_client_wants_it(suite):
    async def scene(made):
        await made.sign_in()
        silent, _ = await made.forms()
        silent = list(silent)
        asked, answer = await made.forms(prompt="consent")
        return silent, asked, "code" in answer

    assert suite(scene) == ([], ["/authorize/decision"], True)


def test_nobody_is_asked_where_the_client_wants_no_question(suite):
    """oidcc-prompt-none-not-logged-in, oidcc-prompt-none-logged-in"""

    async def scene(made):
        refused = (await made.authorize(prompt="none"))["error"]
        _, first = await made.sign_in()
        made.clock.advance(5)
        made.browser.forms.clear()
        _, second = await made.sign_in(prompt="none")
        same = all(first[name] == second[name] for name in ("sub", "auth_time"))
        return refused, same, made.browser.forms

    assert suite(scene) == ("login_required", True, [])


def test_who_has_signed_in_lately_is_not_asked_to(suite):
    """oidcc-max-age-10000"""

    async def scene(made):
        _, first = await made.sign_in(max_age="15000")
        made.clock.advance(9000)
        made.browser.forms.clear()
        _, second = await made.sign_in(max_age="10000")
        return "/sign-in" in made.browser.forms, second["auth_time"] - first["auth_time"]

    assert suite(scene) == (False, 0)


def test_whom_an_id_token_names_is_signed_in_without_a_question(suite):
    """oidcc-id-token-hint; and whoever else is signed in is not taken for them"""

    async def scene(made):
        await made.service.accounts.create("bob", PASSWORD)
        tokens, first = await made.sign_in()
        hint = {"id_token_hint": tokens["id_token"], "prompt": "none"}
        _, second = await made.sign_in(**hint)
        bob = Suite(made.service, made.clock, made.auth[1], made.mode.get("response_mode", "query"))
        bob.browser.typed["username"] = "bob"
        await bob.sign_in()
        return first["sub"] == second["sub"], (await bob.authorize(**hint))["error"]

    assert suite(scene) == (True, "login_required")


@pytest.mark.parametrize("seconds", [0, 30])
def test_a_code_is_good_once_and_takes_its_tokens_with_it(suite, seconds):
    """oidcc-codereuse, oidcc-codereuse-30seconds"""

    async def scene(made):
        code = (await made.authorize())["code"]
        tokens = (await made.exchange(code)).json()
        before = (await made.userinfo(tokens["access_token"])).status_code
        made.clock.advance(seconds)
        again = await made.exchange(code)
        after = (await made.userinfo(tokens["access_token"])).status_code
        return before, again.status_code, again.json()["error"], after

    assert suite(scene) == (200, 400, "invalid_grant", 401)


@pytest.mark.parametrize("more", ["/x", "?more=1", "#x"])
def test_an_address_that_is_not_registered_is_told_to_the_person(suite, more):
    """oidcc-ensure-registered-redirect-uri, oidcc-redirect-uri-query-added"""

    async def scene(made):
        asked = made.request(redirect_uri=CALLBACK + more)
        return await made.browser.client.get("/authorize", params=asked.parameters)

    page = suite(scene)
    assert (page.status_code, "location" in page.headers) == (400, False)
    assert "not one that the client has registered" in page.text
    assert 'id="answer"' not in page.text


def test_a_request_may_be_posted(suite):
    """oidcc-ensure-post-request-succeeds"""

    async def scene(made):
        form = made.request().parameters
        first = await made.browser.client.post("/authorize", data=form)
        return await made.browser.go(first.headers["location"])

    assert "code=" in suite(scene)


def test_a_claim_that_is_essential_is_told_at_userinfo_alone(suite):
    """oidcc-claims-essential"""

    async def scene(made):
        claims = '{"userinfo": {"name": {"essential": true}}}'
        tokens, said = await made.sign_in(claims=claims)
        return (await made.userinfo(tokens["access_token"])).json().get("name"), "name" in said

    assert suite(scene) == (OWN["name"], False)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_userinfo_is_signed_where_the_client_wants_that(suite, alg):
    """oidcc-userinfo-rs256; and what is signed so is no ID token"""

    async def scene(made):
        tokens, said = await made.sign_in(scope="openid profile")
        answer = await made.userinfo(tokens["access_token"])
        keys = (await made.browser.client.get("/.well-known/jwks.json")).json()
        hint = (await made.authorize(id_token_hint=answer.text, prompt="none"))["error"]
        return answer, keys, said["sub"], hint

    answer, keys, subject, hint = suite(scene, userinfo_signed_response_alg=alg)
    assert answer.headers["content-type"].startswith("application/jwt")
    assert answer.headers["cache-control"] == "no-store"
    token = jwt.decode(answer.text, KeySet.import_key_set(keys), algorithms=[alg])
    told = token.claims
    assert (told["iss"], told["aud"], told["sub"]) == (ISSUER, "app", subject)
    assert (told["name"], "nonce" in told, hint) == (OWN["name"], False, "invalid_request")


def test_the_metadata_take_part_in_no_unsigned_request(suite):
    """oidcc-idtoken-unsigned, and the modules on unsigned request objects: the suite skips them"""

    async def scene(made):
        return (await made.browser.client.get("/.well-known/openid-configuration")).json()

    metadata = suite(scene)
    assert "none" not in metadata["id_token_signing_alg_values_supported"]
    assert "none" not in metadata["request_object_signing_alg_values_supported"]
    assert metadata["request_uri_parameter_supported"] is False


def test_a_refresh_token_is_good_for_its_client_alone(suite):
    """oidcc-refresh-token"""

    async def scene(made):
        other = await register(made.service, "other", **CLIENT)
        tokens, first = await made.sign_in(scope="openid offline_access", prompt="consent")
        made.clock.advance(2)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        again = (await made.browser.token(made.auth, **form)).json()
        second = await made.read(again["id_token"])
        same = {
            name
            for name in ("iss", "sub", "aud", "azp", "auth_time")
            if first[name] == second[name]
        }
        form["refresh_token"] = again["refresh_token"]
        stolen = await made.browser.token(("other", other), **form)
        mine = await made.browser.token(made.auth, **form)
        return len(same), stolen.json()["error"], mine.status_code

    assert suite(scene) == (5, "invalid_grant", 200)


def test_who_does_pkce_is_welcome(suite):
    """oidcc-ensure-request-with-valid-pkce-succeeds"""

    async def scene(made):
        asked = Request(nonce="n-1", **made.mode)
        _, answer = await made.browser.authorize(asked)
        return (await made.exchange(answer["code"], asked.verifier)).status_code

    assert suite(scene) == 200


def test_discovery_says_what_the_specification_demands(play):
    """oidcc-discovery-endpoint-verification"""

    async def scene(service, _clock):
        alice = Inside(service)
        answer = await alice.client.get("/.well-known/openid-configuration")
        keys = await alice.client.get(httpx.URL(answer.json()["jwks_uri"]).path)
        return answer, keys.json()["keys"]

    answer, keys = play(scene, issuer=ISSUER)
    metadata = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert metadata["issuer"] == ISSUER
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["subject_types_supported"] == ["public", "pairwise"]
    assert "RS256" in metadata["userinfo_signing_alg_values_supported"]
    assert "frontchannel_logout_supported" not in metadata
    assert "RS256" in metadata["id_token_signing_alg_values_supported"]
    assert "RS256" in metadata["request_object_signing_alg_values_supported"]
    assert metadata["claims_parameter_supported"] is True
    assert metadata["end_session_endpoint"] == f"{ISSUER}/logout"
    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True
    assert {"query", "form_post"} <= set(metadata["response_modes_supported"])
    assert {"openid", *STANDARD_CLAIMS} <= set(metadata["scopes_supported"])
    assert set(OWN) <= set(metadata["claims_supported"])
    endpoints = [value for name, value in metadata.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) >= 8
    assert all(url.startswith(f"{ISSUER}/") for url in endpoints)
    assert all(key["kid"] for key in keys)
    assert len({key["kid"] for key in keys}) == len(keys)
    assert not {"d", "p", "q", "k"} & {name for key in keys for name in key}


def test_a_key_that_was_changed_stays_published_beside_the_new_one(play):
    """oidcc-server-rotate-keys"""

    async def scene(service, _clock):
        from carnet.server.audit import OPERATOR

        alice = Inside(service)
        before = (await alice.client.get("/.well-known/jwks.json")).json()["keys"]
        await service.keys.rotate("ES256", OPERATOR)
        after = (await alice.client.get("/.well-known/jwks.json")).json()["keys"]
        return [key["kid"] for key in before], [key["kid"] for key in after]

    before, after = play(scene, issuer=ISSUER)
    assert set(before) < set(after)


def test_the_query_of_a_registered_address_stays_as_it_is(suite):
    """oidcc-redirect-uri-query-OK, oidcc-redirect-uri-query-mismatch"""

    async def scene(made):
        address = f"{CALLBACK}?foo=bar"
        await change(made.service, **CLIENT, redirect_uris=(address,))
        asked = made.request(redirect_uri=address)
        end = await made.browser.go(f"/authorize?{urlencode(asked.parameters)}")
        wrong = made.request(redirect_uri=f"{CALLBACK}?foo=baz")
        page = await made.browser.client.get("/authorize", params=wrong.parameters)
        return made.browser.posted_to or end, page.status_code

    led_to, status = suite(scene)
    assert led_to.startswith(f"{CALLBACK}?foo=bar")
    assert status == 400


def test_a_client_with_two_addresses_names_one(suite):
    """oidcc-ensure-redirect-uri-in-authorization-request"""

    async def scene(made):
        await change(made.service, **CLIENT, redirect_uris=(CALLBACK, f"{CALLBACK}/other"))
        asked = made.request(redirect_uri=None)
        return (await made.browser.client.get("/authorize", params=asked.parameters)).status_code

    assert suite(scene) == 400


@pytest.mark.parametrize("suite", ["form_post"], indirect=True)
def test_a_client_as_aspnet_has_it_signs_somebody_in(suite):
    """What Microsoft's middleware sends: PKCE, a posted answer, and more of its own."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "response_mode": "form_post",
        "scope": "openid profile",
        "prompt": "login",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "nonce": "639001234567890123.ZDJiMmI4OTYtODRkZS00",
        "state": "CfDJ8" + "k" * 300,
        "x-client-SKU": "ID_NET9_0",
        "x-client-ver": "8.3.0.0",
    }

    async def scene(made):
        answer = await made.authorize(**asked)
        tokens = await made.exchange(answer["code"], verifier)
        return tokens.json()

    assert {"id_token", "access_token", "refresh_token"} <= suite(scene).keys()
