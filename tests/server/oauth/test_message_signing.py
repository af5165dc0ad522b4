"""The modules of the Foundation's plan for FAPI 2.0 Message Signing that are no others'.

Signed requests (RFC 9101), signed answers (JARM), and signed answers about tokens (RFC 9701).
"""

from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK
from tests.server.inside import Inside, register
from tests.server.oauth.fapi_client import (
    ISSUER,
    KEY,
    OTHER_KEY,
    add_client,
    error_of,
    jwks_of,
)

from carnet import Key
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.metadata_checks import check_metadata

RS256 = Key.generate("RS256")
SIGNED = "fapi2-message-signing"
INVALID_OBJECT = (400, "invalid_request_object")


@pytest.fixture
def scene_of(play):
    """Run a scene with a client of the profile and alice's browser."""

    def run(scene, **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD)
            bank = await add_client(service, **{"profile": SIGNED, **metadata})
            return await scene(bank, Inside(service), clock)

        return play(opened, issuer=ISSUER)

    return run


def opened(bank, answer):
    """Check a signed answer, and give what it says."""
    assert set(answer) == {"response"}
    header, said = bank.read(answer["response"])
    assert header["alg"] == "ES256"
    assert (said.pop("iss"), said.pop("aud")) == (ISSUER, bank.id)
    assert 10 <= said.pop("exp") - said.pop("iat") <= 600
    said.pop("jti", None)
    return said


@pytest.mark.parametrize(
    ("more", "claims"),
    [
        ({}, {}),
        ({"state": None}, {}),
        ({"response_mode": "jwt"}, {}),
        ({"response_mode": "query.jwt"}, {}),
        ({"response_mode": "form_post.jwt"}, {}),
        ({}, {"nbf": 8}),
        ({}, {"aud": [ISSUER, "https://other.example"]}),
        ({"dpop_jkt": None}, {"iat": 0, "jti": "one"}),
    ],
    ids=str,
)
def test_a_signed_request_gets_a_signed_answer_and_tokens(scene_of, more, claims):
    async def scene(bank, alice, _clock):
        asked = bank.request(**more)
        dates = {name: bank.now + claims[name] for name in ("nbf", "iat") if name in claims}
        pushed = await bank.push_signed(asked, **{**claims, **dates})
        said = opened(bank, await bank.come(alice, pushed))
        tokens = await bank.exchange(asked, said["code"], bank.prover)
        posted = more.get("response_mode") == "form_post.jwt"
        assert alice.posted_to == (CALLBACK if posted else None)
        return said.get("state"), tokens.json()["token_type"]

    assert scene_of(scene) == (more.get("state", "a state"), "DPoP")


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"exp": None}, INVALID_OBJECT),
        ({"nbf": None}, INVALID_OBJECT),
        ({"exp": -1}, INVALID_OBJECT),
        ({"exp": 70 * 60}, INVALID_OBJECT),
        ({"nbf": -70 * 60}, INVALID_OBJECT),
        ({"nbf": -60 * 60 - 30, "exp": -30}, INVALID_OBJECT),
        ({"nbf": 70, "exp": 130}, INVALID_OBJECT),
        ({"iat": 70}, INVALID_OBJECT),
        ({"aud": "https://other.example"}, INVALID_OBJECT),
        ({"iss": "other"}, INVALID_OBJECT),
        ({"request_uri": "urn:example:one"}, INVALID_OBJECT),
        ({"redirect_uri": None}, (400, "invalid_request")),
        ({"response_mode": "query"}, (400, "invalid_request")),
        ({"response_mode": "form_post"}, (400, "invalid_request")),
        ({"response_mode": "fragment"}, (400, "invalid_request")),
    ],
    ids=str,
)
def test_a_signed_request_that_is_not_as_the_profile_has_it_is_refused(scene_of, claims, error):
    async def scene(bank, _alice, _clock):
        dates = ("exp", "nbf", "iat")
        given = {
            name: bank.now + said if name in dates and said is not None else said
            for name, said in claims.items()
        }
        # One minute is what clocks may differ by.
        if claims.get("exp") == -1:
            given["exp"] -= 60
        return error_of(await bank.push_signed(bank.request(), **given))

    assert scene_of(scene) == error


def test_a_request_is_signed_by_its_client_with_what_the_profile_allows(scene_of):
    async def scene(bank, _alice, _clock):
        other = await add_client(bank.service, "other", OTHER_KEY, SIGNED)
        asked = bank.request()
        of_other = await bank.push_signed(asked, key=other.key)
        rs256 = await bank.push_signed(asked, key=RS256)
        text = bank.signed(asked)
        form = {"client_id": "app", "request": f"{text[:-8]}AAAAAAAA"}
        broken = await bank.post("/par", form)
        # {"alg":"none"}
        form["request"] = f"eyJhbGciOiJub25lIn0.{text.split('.')[1]}."
        unsigned = await bank.post("/par", form)
        plain = await bank.push(asked)
        return [error_of(one) for one in (of_other, rs256, broken, unsigned, plain)]

    assert scene_of(scene) == [INVALID_OBJECT] * 4 + [(400, "invalid_request")]


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ({"state": "inside"}, {"state": "outside"}),
        ({"state": None}, {"state": "outside"}),
        ({"nonce": "inside"}, {"nonce": "outside"}),
        ({}, {"response_mode": "query"}),
        ({}, {"redirect_uri": "https://evil.example/"}),
    ],
    ids=str,
)
def test_what_stands_outside_does_not_count(scene_of, inside, outside):
    async def scene(bank, alice, _clock):
        asked = bank.request(**inside)
        answer = await bank.come(alice, await bank.push_signed(asked), **outside)
        said = opened(bank, answer)
        tokens = (await bank.exchange(asked, said["code"], bank.prover)).json()
        _, id_token = bank.read(tokens["id_token"])
        return said.get("state"), id_token["nonce"], asked.parameters

    state, nonce, asked = scene_of(scene)
    assert (state, nonce) == (asked.get("state"), asked["nonce"])


def test_errors_are_signed_too(scene_of):
    async def scene(bank, alice, _clock):
        silent = await bank.push_signed(bank.request(prompt="none"))
        refused = opened(bank, await bank.come(alice, silent))
        query = {"client_id": "app", "redirect_uri": CALLBACK, "state": "a state"}
        page = await alice.client.get("/authorize", params=query)
        told = dict(parse_qsl(urlsplit(page.headers["location"]).query))
        return refused, opened(bank, told)

    refused, unpushed = scene_of(scene)
    assert (refused["error"], refused["state"]) == ("login_required", "a state")
    assert (unpushed["error"], unpushed["state"]) == ("invalid_request", "a state")


@pytest.mark.parametrize("alg", [None, "RS256", "PS256"])
@pytest.mark.parametrize("mode", ["jwt", "form_post.jwt"])
def test_every_client_may_ask_for_a_signed_answer(play, mode, alg):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service, authorization_signed_response_alg=alg)
        bank, alice = await add_client(service, "bank"), Inside(service)
        asked, answer = await alice.authorize(response_mode=mode)
        header, said = bank.read(answer["response"])
        tokens = await alice.exchange(asked, said["code"])
        return header["alg"], said["aud"], tokens.status_code, alice.posted_to

    posted = CALLBACK if mode == "form_post.jwt" else None
    assert play(scene, issuer=ISSUER) == (alg or "ES256", "app", 200, posted)


def test_an_answer_to_an_app_on_a_device_is_signed_and_takes_no_form(play):
    address = "com.example.app:/callback"

    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service, redirect_uris=(address,))
        alice = Inside(service)
        silent = {"redirect_uri": address, "prompt": "none"}
        _, good = await alice.authorize(response_mode="jwt", **silent)
        _, form = await alice.authorize(response_mode="form_post.jwt", **silent)
        return set(good), set(form), alice.posted_to

    assert play(scene, issuer=ISSUER) == ({"response"}, {"response"}, None)


def test_no_signed_answer_passes_for_an_id_token(scene_of):
    async def scene(bank, alice, _clock):
        pushed = await bank.push_signed(bank.request())
        text = (await bank.come(alice, pushed))["response"]
        asked = await bank.push_signed(bank.request(id_token_hint=text, prompt="none"))
        hinted = opened(bank, await bank.come(alice, asked))
        page = await alice.client.get("/logout", params={"id_token_hint": text})
        return hinted["error"], "location" in page.headers

    assert scene_of(scene) == ("invalid_request", False)


@pytest.mark.parametrize("alg", [None, "PS256"])
def test_an_answer_about_a_token_is_signed_as_the_client_has_chosen(play, alg):
    """RFC 9701"""

    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        chosen = {"introspects": ("orders",), "introspection_signed_response_alg": alg}
        bank = await add_client(service, profile=SIGNED, **chosen)
        asked = bank.request(resource="orders")
        answer = opened(bank, await bank.come(Inside(service), await bank.push_signed(asked)))
        tokens = (await bank.exchange(asked, answer["code"], bank.prover)).json()
        bank.http.headers["Accept"] = "application/token-introspection+jwt"
        told = await bank.post("/introspection", {"token": tokens["access_token"]})
        return told.headers["content-type"], *bank.read(told.text)

    kind, header, said = play(scene, issuer=ISSUER, audiences=("orders",))
    content = said["token_introspection"]
    assert kind.startswith("application/token-introspection+jwt")
    assert (header["alg"], header["typ"]) == (alg or "ES256", "token-introspection+jwt")
    assert (said["aud"], content["active"], content["token_type"]) == ("app", True, "DPoP")


def test_the_profile_demands_a_key_that_signs_requests():
    encrypting = jwks_of(Key.generate("ECDH-ES"))
    wanted = {"redirect_uris": (CALLBACK,), "profile": SIGNED}
    for more in ({"jwks": encrypting}, {"jwks": None}):
        with pytest.raises(ClientRefused):
            check_metadata(ClientMetadata(**wanted, **more))
    published = {"jwks_uri": "https://bank.example/keys"}
    check_metadata(ClientMetadata(**wanted, **published))
    check_metadata(ClientMetadata(**wanted, jwks=jwks_of(KEY)))
