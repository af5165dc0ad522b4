"""Requests that a client has signed (RFC 9101), and those that somebody else has."""

import base64
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request, hidden
from tests.server.inside import Inside, register

from carnet import Key
from carnet.jose import jws
from carnet.jose.encoding import json_encode
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.metadata_checks import check_metadata

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
OTHER = Key.generate("ES256")
TYPE = {"typ": "oauth-authz-req+jwt"}


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser and a client that has a key."""

    def run(scene, **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD)
            jwks = {"keys": [KEY.public.to_jwk()]}
            secret = await register(service, **{"jwks": jwks, **metadata})
            return await scene(Inside(service), clock, secret)

        return play(opened, issuer=ISSUER)

    return run


def signed(asked, key=KEY, header=TYPE, **more):
    """Sign a request; None takes a member out."""
    claims = {"iss": "app", "aud": ISSUER, **asked.parameters, **more}
    claims = {name: said for name, said in claims.items() if said is not None}
    return jws.sign(json_encode(claims), key, header)


def beside(text, **more):
    """What stands in the address, where the request itself is signed."""
    asked = Request(request=text, **more)
    for name in ("code_challenge", "code_challenge_method", "scope", "state", "redirect_uri"):
        if name not in more:
            asked.parameters.pop(name)
    return asked


async def told(alice, text, **more):
    """Give what the client is told of a request that is signed so."""
    return (await alice.authorize(beside(text, **more)))[1]


@pytest.mark.parametrize("header", [TYPE, {"typ": "JWT"}, {}])
def test_a_signed_request_is_answered_as_it_says(scene_of, header):
    async def scene(alice, _clock, _secret):
        asked = Request(state="signed", nonce="n-1", max_age=None)
        text = signed(asked, header=header, max_age=3600, claims={"userinfo": {"name": None}})
        answer = await told(alice, text)
        tokens = (await alice.exchange(asked, answer["code"])).json()
        return answer["state"], tokens["scope"]

    assert scene_of(scene) == ("signed", "openid userinfo:name")


def test_what_stands_beside_it_does_not_count(scene_of):
    """RFC 9101 section 6.3: whoever sends the person could have changed it."""

    async def scene(alice, _clock, _secret):
        asked = Request(state="signed")
        evil = {"state": "beside", "redirect_uri": "https://evil.example/", "scope": "openid email"}
        answer = await told(alice, signed(asked), **evil)
        tokens = (await alice.exchange(asked, answer["code"])).json()
        # Nor does a challenge that only the thief has the verifier of.
        bare = signed(asked, code_challenge=None, code_challenge_method=None)
        answered = await told(alice, bare, redirect_uri=CALLBACK, code_challenge="c" * 43)
        return answer["state"], tokens["scope"], answered["error"]

    assert scene_of(scene) == ("signed", "openid", "invalid_request")


def none_of(asked):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'iss': 'app', 'aud': ISSUER, **asked.parameters})}."


@pytest.mark.parametrize(
    ("make", "about"),
    [
        (none_of, "signed"),
        (lambda asked: "x", "signed"),
        (lambda asked: signed(asked, OTHER), "signed"),
        (lambda asked: signed(asked, iss="other"), "iss"),
        (lambda asked: signed(asked, iss=None), "iss"),
        (lambda asked: signed(asked, aud="https://other.example"), "aud"),
        (lambda asked: signed(asked, aud=None), "aud"),
        (lambda asked: signed(asked, exp=1_799_999_000), "expired"),
        (lambda asked: signed(asked, nbf=1_800_001_000), "signed"),
        (lambda asked: signed(asked, client_id="other"), "client_id"),
        (lambda asked: signed(asked, sub="app"), "sub"),
        (lambda asked: signed(asked, request="x"), "can't contain another one"),
        (lambda asked: signed(asked, request_uri="urn:x"), "can't contain another one"),
        (lambda asked: signed(asked, header={"typ": "at+jwt"}), "signed"),
        (lambda asked: signed(asked, header={"typ": "client-authentication+jwt"}), "signed"),
        (lambda asked: signed(asked, prompt=True), "texts"),
        (lambda asked: signed(asked, scope=["openid"]), "texts"),
    ],
)
def test_what_the_client_has_not_signed_for_this_service_is_refused(scene_of, make, about):
    async def scene(alice, _clock, _secret):
        more = {"redirect_uri": CALLBACK, "state": "a state"}
        answer = await told(alice, make(Request()), **more)
        return answer["error"], answer["state"], about in answer["error_description"]

    assert scene_of(scene) == ("invalid_request_object", "a state", True)


def test_nobody_is_sent_to_an_address_that_only_a_wrong_object_names(scene_of):
    async def scene(alice, _clock, _secret):
        asked = beside(signed(Request(), OTHER), scope="openid")
        page = await alice.client.get("/authorize", params=asked.parameters)
        wrong = beside(signed(Request(redirect_uri="https://evil.example/")))
        other = await alice.client.get("/authorize", params=wrong.parameters)
        return page.status_code, other.status_code, "location" in other.headers

    assert scene_of(scene) == (400, 400, False)


def test_a_parameter_beside_it_does_not_stand_twice(scene_of):
    async def scene(alice, _clock, _secret):
        text = signed(Request())
        query = [*beside(text, redirect_uri=CALLBACK).parameters.items(), ("request", text)]
        answer = await alice.client.get("/authorize", params=query)
        return answer.headers["location"]

    assert "error=invalid_request_object" in scene_of(scene)


def test_a_client_without_keys_signs_nothing(scene_of):
    async def scene(alice, _clock, _secret):
        return (await told(alice, signed(Request()), redirect_uri=CALLBACK))["error_description"]

    assert "registered no key" in scene_of(scene, jwks=None)


def test_a_client_that_has_to_sign_gets_nothing_without(scene_of):
    async def scene(alice, _clock, _secret):
        plain = (await alice.authorize())[1]["error"]
        return plain, "code" in await told(alice, signed(Request()))

    assert scene_of(scene, require_signed_request_object=True) == ("invalid_request", True)


def test_that_needs_a_key_that_signs():
    metadata = ClientMetadata(redirect_uris=(CALLBACK,), require_signed_request_object=True)
    with pytest.raises(ClientRefused) as refused:
        check_metadata(metadata)
    assert refused.value.member == "require_signed_request_object"


def test_the_way_by_the_sign_in_page_keeps_the_request_signed(scene_of):
    async def scene(alice, _clock, _secret):
        text = signed(Request(prompt="login"))
        first = await told(alice, text)
        forms = len(alice.forms)
        second = await told(alice, text)
        return "code" in first, "code" in second, alice.forms[forms:]

    assert scene_of(scene) == (True, True, ["/sign-in"])


@pytest.mark.parametrize("already", [False, True])
def test_whoever_takes_long_to_sign_in_and_to_decide_is_not_too_late(scene_of, already):
    """What ends after a minute is held against the client, not against the person."""

    async def scene(alice, clock, _secret):
        if already:
            await alice.sign_in()
        asked = beside(signed(Request(), exp=clock() // 1_000_000 + 60))
        page = await alice.client.get("/authorize", params=asked.parameters)
        if not already:
            clock.advance(600)
            await alice.sign_in()
            page = await alice.client.get(httpx.URL(page.headers["location"]).params["continue"])
        clock.advance(600)
        form = {**alice.typed, **hidden(page.text)}
        answer = await alice.client.post("/authorize/decision", data=form)
        # Sent anew, it is too late; and what is not signed is no better for an answer.
        again = await told(alice, asked.parameters["request"], redirect_uri=CALLBACK)
        query = urlencode(beside(signed(Request(), OTHER), redirect_uri=CALLBACK).parameters)
        forged = await alice.client.post("/authorize/decision", data={**form, "request": query})
        return [
            parse_qs(urlsplit(one.headers["location"]).query) for one in (answer, forged)
        ], again

    (answer, forged), again = scene_of(scene)
    assert "code" in answer
    assert forged["error"] == ["invalid_request_object"]
    assert again["error"] == "invalid_request_object"


def test_a_new_password_counts_for_the_one_request_that_was_signed(scene_of):
    async def scene(alice, _clock, _secret):
        one, other = (beside(signed(Request(prompt="login", nonce=text))) for text in "ab")
        page = await alice.client.get("/authorize", params=one.parameters)
        await alice.sign_in()
        following = httpx.URL(page.headers["location"]).params["continue"]
        given = {**other.parameters, "reauthenticated_since": following.partition("since=")[2]}
        answers = [
            await alice.client.get(following),
            await alice.client.get("/authorize", params=given),
        ]
        return [answer.is_redirect for answer in answers]

    assert scene_of(scene) == [False, True]


def test_the_username_that_is_expected_stands_in_the_form(scene_of):
    async def scene(alice, _clock, _secret):
        asked = beside(signed(Request(login_hint="alice"))).parameters
        page = await alice.client.get("/authorize", params={**asked, "login_hint": "eve"})
        return httpx.URL(page.headers["location"]).params["login_hint"]

    assert scene_of(scene) == "alice"


def test_errors_of_a_signed_request_go_where_it_says(scene_of):
    async def scene(alice, _clock, _secret):
        text = signed(Request(state="signed", response_mode="form_post"), prompt="none")
        answer = await told(alice, text, state="beside")
        return alice.posted_to, answer["error"], answer["state"]

    assert scene_of(scene) == (CALLBACK, "login_required", "signed")


@pytest.mark.parametrize("uri", ["https://app.example/request", "urn:ietf:params:oauth:x"])
def test_a_request_that_lies_elsewhere_is_not_fetched(scene_of, uri):
    async def scene(alice, _clock, _secret):
        return (await alice.authorize(request_uri=uri))[1]["error"]

    assert scene_of(scene) == "request_uri_not_supported"
