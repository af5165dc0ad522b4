"""The modules of the Foundation's plan for the FAPI 2.0 Security Profile, and who attacks it.

In our own words: ``docs/conformance.md`` names for each module the test that does the same.
"""

import json

import httpx
import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK
from tests.server.inside import Inside
from tests.server.oauth.fapi_client import (
    ISSUER,
    KEY,
    OTHER_KEY,
    add_client,
    error_of,
    jwks_of,
)
from tests.server.oauth_clients import Prover
from tests.server.strangers import stranger

from carnet import Key, inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.configuration import with_members
from carnet.server.clients.metadata_checks import check_metadata
from carnet.server.clients.resources import ResourceMetadata

MINUTE = 60
RSA = Key.generate("RS256")
ED448 = Key.generate("Ed448")
OF_RSA = {**RSA.to_jwk(private=True), "alg": "PS256"}
INVALID_GRANT = (400, "invalid_grant")
INVALID_CLIENT = (401, "invalid_client")
INVALID_PROOF = (400, "invalid_dpop_proof")


@pytest.fixture
def scene_of(play):
    """Run a scene with a client of the profile and alice's browser."""

    def run(scene, settings=(), **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD, (), {"name": "Alice Example"})
            bank = await add_client(service, **metadata)
            return await scene(bank, Inside(service), clock)

        return play(opened, issuer=ISSUER, **dict(settings))

    return run


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"state": None},
        {"nonce": None},
        {"nonce": "n" * 64},
        {"nonce": "n" * 384},
        {"state": "s" * 1000},
        {"scope": "profile openid"},
        {"claims": '{"id_token": {"name": null}, "userinfo": {"what": {"essential": true}}}'},
    ],
    ids=lambda more: "_".join(more) or "plain",
)
def test_the_ordinary_way_gives_tokens_that_are_bound_to_a_key(scene_of, more):
    async def scene(bank, alice, _clock):
        asked = bank.request(**more)
        pushed = await bank.push(asked)
        answer = await bank.come(alice, pushed)
        tokens = (await bank.exchange(asked, answer["code"], bank.prover)).json()
        header, said = bank.read(tokens["id_token"])
        told = await bank.userinfo(tokens["access_token"], bank.prover)
        bound = inspect(tokens["access_token"])
        return pushed, asked.parameters, answer, tokens, (header, said, bound), told

    pushed, asked, answer, tokens, (header, said, bound), told = scene_of(scene)
    assert pushed.status_code == 201
    assert 5 <= pushed.json()["expires_in"] < 600
    assert (answer["iss"], answer.get("state")) == (ISSUER, asked.get("state"))
    assert len(answer["code"]) >= 22
    assert (tokens["token_type"], said.get("nonce")) == ("DPoP", asked.get("nonce"))
    assert (header["alg"], bool(header["kid"]), "s_hash" in said) == ("ES256", True, False)
    named = "claims" in asked or "profile" in asked["scope"]
    assert said.get("name") == ("Alice Example" if named else None)
    assert set(bound.claims["cnf"]) == {"jkt"}
    assert (told.status_code, told.json()["sub"]) == (200, said["sub"])


def test_whoever_rejects_it_sends_the_client_an_error_and_is_not_asked_again(scene_of):
    """user-rejects-authentication; and the address is used up by that, too"""

    async def scene(bank, alice, _clock):
        pushed = await bank.push(bank.request())
        alice.typed["decision"] = "deny"
        answer = await bank.come(alice, pushed)
        alice.typed["decision"] = "allow"
        return answer["error"], (await bank.come(alice, pushed, redirect_uri=CALLBACK))["error"]

    assert scene_of(scene) == ("access_denied", "invalid_request_uri")


def test_an_address_may_be_opened_twice_and_gives_one_code_soon(scene_of):
    """par-attempt-reuse, par-ensure-reused-request-uri-prior-to-auth-completion, and expired"""

    async def scene(bank, alice, clock):
        pushed = await bank.push(bank.request())
        query = {"client_id": "app", "request_uri": pushed.json()["request_uri"]}
        first = await alice.client.get("/authorize", params=query)
        second = await bank.come(alice, pushed)
        third = await bank.come(alice, pushed, redirect_uri=CALLBACK)
        late = await bank.push(bank.request())
        clock.advance(late.json()["expires_in"])
        expired = await bank.come(alice, late, redirect_uri=CALLBACK)
        return first.headers["location"], "code" in second, third["error"], expired["error"]

    first, *told = scene_of(scene)
    assert first.startswith("/sign-in?")
    assert told == [True, "invalid_request_uri", "invalid_request_uri"]


def test_an_address_is_its_clients_alone(scene_of):
    async def scene(bank, alice, _clock):
        await add_client(bank.service, "other", OTHER_KEY)
        pushed = await bank.push(bank.request())
        more = {"client_id": "other", "redirect_uri": CALLBACK}
        return (await bank.come(alice, pushed, **more))["error"]

    assert scene_of(scene) == "invalid_request_uri"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"redirect_uri": f"{CALLBACK}/other"}, "invalid_request"),
        ({"redirect_uri": None, "scope": "openid"}, "invalid_request"),
        ({"request_uri": "urn:example:request"}, "invalid_request"),
        ({"claims": '{"id_token": {"acr": {"essential": true, "value": "sca"}}}'}, None),
    ],
    ids=str,
)
def test_what_the_profile_has_not_is_refused_where_it_is_pushed(scene_of, more, error):
    async def scene(bank, _alice, _clock):
        return error_of(await bank.push(bank.request(**more)))

    assert scene_of(scene) == (400, error or "unmet_authentication_requirements")


def test_a_request_names_its_address_without_openid_as_well(scene_of):
    async def scene(bank, _alice, _clock):
        service, offered = bank.service, ResourceMetadata(scopes=("pay",))
        await service.registry.add_resource("payments", offered, OPERATOR)
        more = {"scope": "pay", "resource": "payments"}
        good = await bank.push(bank.request(**more))
        bare = await bank.push(bank.request(**more, redirect_uri=None))
        return good.status_code, error_of(bare)

    assert scene_of(scene) == (201, (400, "invalid_request"))


def test_a_request_that_was_not_pushed_is_refused(scene_of):
    """ensure-unsigned-authorization-request-without-using-par-fails"""

    async def scene(bank, alice, _clock):
        asked = bank.request()
        plain = (await alice.authorize(asked))[1]
        signed = (await alice.authorize(bank.request(request=bank.signed(asked))))[1]
        put = await bank.http.put("/par", data=asked.parameters)
        return plain["error"], signed["error"], put.status_code

    assert scene_of(scene) == ("invalid_request", "invalid_request", 405)


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ({}, True),
        ({"aud": [ISSUER]}, False),
        ({"aud": [ISSUER, f"{ISSUER}/token"]}, False),
        ({"aud": f"{ISSUER}/token"}, False),
        ({"aud": f"{ISSUER}/par"}, False),
        ({"aud": "https://other.example"}, False),
        ({"sub": None}, False),
        ({"jti": None}, False),
        ({"exp": -5 * MINUTE, "iat": -6 * MINUTE}, False),
        ({"iat": 8, "nbf": 8}, True),
        ({"iat": 70, "exp": 130}, False),
        ({"nbf": 70, "exp": 130}, False),
    ],
    ids=str,
)
def test_an_assertion_is_for_the_issuer_alone_and_of_this_moment(scene_of, more, good):
    async def scene(bank, _alice, _clock):
        dates = ("iat", "nbf", "exp")
        bank.assertion = {
            name: bank.now + said if name in dates else said for name, said in more.items()
        }
        token = {"grant_type": "refresh_token", "refresh_token": "x"}
        pushed, asked = await bank.push(bank.request()), await bank.post("/token", token)
        return pushed.status_code, error_of(asked)

    expected = (201, INVALID_PROOF) if good else (401, INVALID_CLIENT)
    assert scene_of(scene) == expected


@pytest.mark.parametrize("key", [OTHER_KEY, RSA], ids=["another client's", "RS256"])
def test_an_assertion_is_signed_by_the_client_with_what_the_profile_allows(scene_of, key):
    async def scene(bank, _alice, _clock):
        await add_client(bank.service, "other", OTHER_KEY)
        form = {**bank.request().parameters, **bank.asserted(key)}
        nothing = {"client_assertion": None, "client_assertion_type": None}
        return [
            error_of(await bank.http.post("/par", data=form)),
            error_of(await bank.push(bank.request(), **nothing)),
        ]

    keys = jwks_of(KEY, Key.from_jwk(OF_RSA))
    assert scene_of(scene, jwks=keys) == [INVALID_CLIENT, INVALID_CLIENT]


def test_of_keys_that_a_client_publishes_those_of_the_profile_count(
    scene_of, tmp_path, monkeypatch
):
    signed = {"require_signed_request_object": True}

    with stranger(tmp_path, monkeypatch) as there:
        there.put("/keys", json.dumps(jwks_of(KEY, RSA)).encode())

        async def scene(bank, _alice, _clock):
            good = await bank.push_signed(bank.request())
            with_rs256 = await bank.push_signed(bank.request(), key=RSA)
            bank.key = RSA
            return (
                good.status_code,
                error_of(with_rs256),
                error_of(await bank.push_signed(bank.request())),
            )

        settings = {"private_hosts": ("localhost",)}
        published = {"jwks": None, "jwks_uri": f"{there.url}/keys", **signed}
        told = scene_of(scene, settings, **published)
    assert told == (201, (400, "invalid_request_object"), INVALID_CLIENT)


@pytest.mark.parametrize("more", [{"iat": 10}, {"iat": -10}, {"nbf": 0, "exp": 300}], ids=str)
def test_a_proof_of_a_clock_that_differs_a_little_is_good(scene_of, more):
    """ensure-dpopproof-with-iat-10seconds-before and -after, check-dpop-proof-nbf-exp"""

    async def scene(bank, alice, _clock):
        bank.proof = {name: bank.now + said for name, said in more.items()}
        asked = bank.request()
        pushed = await bank.push(asked, bank.prover)
        code = (await bank.come(alice, pushed))["code"]
        tokens = (await bank.exchange(asked, code, bank.prover)).json()
        return (await bank.userinfo(tokens["access_token"], bank.prover, **bank.proof)).status_code

    assert scene_of(scene) == 200


@pytest.mark.parametrize("way", ["dpop_jkt", "proof"])
def test_a_code_is_bound_to_the_key_that_was_named_where_it_was_pushed(scene_of, way):
    """The modules on dpop_jkt, and on proofs at the PAR endpoint"""

    async def scene(bank, alice, _clock):
        mine, thief = bank.prover, Prover()

        async def codes():
            asked = bank.request(dpop_jkt=mine.thumbprint if way == "dpop_jkt" else None)
            pushed = await bank.push(asked, mine if way == "proof" else None)
            return asked, (await bank.come(alice, pushed))["code"]

        stolen = error_of(await bank.exchange(*(await codes()), thief))
        bare = error_of(await bank.exchange(*(await codes())))
        mixed = error_of(await bank.push(bank.request(dpop_jkt=thief.thumbprint), mine))
        return stolen, bare, mixed, (await bank.exchange(*(await codes()), mine)).status_code

    assert scene_of(scene) == (INVALID_GRANT, INVALID_PROOF, INVALID_PROOF, 200)


def test_a_proof_is_signed_with_what_the_profile_allows(scene_of):
    """Security Profile section 5.4; dpop-negative-tests, with an RSA key"""

    async def scene(bank, alice, _clock):
        right, wrong = Prover("PS256"), Prover("RS256")
        wrong.key = Key.from_jwk({**right.key.to_jwk(private=True), "alg": "RS256"})
        asked = bank.request()
        code = (await bank.come(alice, await bank.push(asked)))["code"]
        refused = error_of(await bank.exchange(asked, code, wrong))
        tokens = (await bank.exchange(asked, code, right)).json()
        there = await bank.userinfo(tokens["access_token"], wrong)
        good = await bank.userinfo(tokens["access_token"], right)
        return refused, there.status_code, good.status_code

    assert scene_of(scene) == (INVALID_PROOF, 401, 200)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"claims": {"htm": "PUT"}}, 401),
        ({"claims": {"htm": None}}, 401),
        ({"claims": {"htu": "https://other.example/userinfo"}}, 401),
        ({"claims": {"htu": None}}, 401),
        ({"claims": {"htu": f"{ISSUER}/userinfo?a=b#c"}}, 200),
        ({"claims": {"htu": "HTTPS://AUTH.example.com:443/userinfo"}}, 200),
        ({"claims": {"iat": None}}, 401),
        ({"claims": {"iat": 1_800_003_600}}, 401),
        ({"claims": {"iat": 1_799_996_400}}, 401),
        ({"claims": {"jti": None}}, 401),
        ({"claims": {"ath": None}}, 401),
        ({"claims": {"ath": "x"}}, 401),
        ({"claims": {"more": "of it"}, "header": {"extra": "x"}}, 200),
        ({"header": {"typ": "JWT"}}, 401),
        ({"header": {"jwk": None}}, 401),
        ({"header": {"jwk": Prover().key.to_jwk(private=True)}}, 401),
        ({"other": True}, 401),
        ({"none": True}, 401),
        ({"scheme": "Bearer"}, 401),
        ({"scheme": "Bearer", "none": True}, 401),
        ({"scheme": "dPoP"}, 200),
    ],
    ids=str,
)
def test_a_token_is_worth_something_with_a_good_proof_alone(scene_of, change, status):
    """dpop-negative-tests, access-token-type-header-case-sensitivity"""

    async def scene(bank, alice, _clock):
        token = (await bank.sign_in(alice))["access_token"]
        prover = None if "none" in change else Prover() if "other" in change else bank.prover
        more = {"header": change.get("header"), **change.get("claims", {})}
        more = {} if prover is None else more
        return await bank.userinfo(token, prover, change.get("scheme", "DPoP"), **more)

    assert scene_of(scene).status_code == status


def test_a_proof_is_taken_once(scene_of):
    async def scene(bank, alice, _clock):
        token = (await bank.sign_in(alice))["access_token"]
        return [(await bank.userinfo(token, bank.prover, jti="one")).status_code for _ in range(2)]

    assert scene_of(scene) == [200, 401]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"code_verifier": None}, INVALID_GRANT),
        ({"code_verifier": "v" * 43}, INVALID_GRANT),
        ({"client_assertion": None, "client_assertion_type": None}, (400, "invalid_request")),
    ],
    ids=str,
)
def test_a_code_needs_its_verifier_and_its_client(scene_of, more, error):
    """The modules on PKCE at the token endpoint, ensure-client-assertion-in-token-endpoint"""

    async def scene(bank, alice, _clock):
        asked = bank.request()
        code = (await bank.come(alice, await bank.push(asked)))["code"]
        refused = error_of(await bank.exchange(asked, code, bank.prover, client_id="app", **more))
        return refused, (await bank.exchange(asked, code, bank.prover)).status_code

    if "client_assertion" in more:
        error = INVALID_CLIENT
    assert scene_of(scene) == (error, 200)


def test_a_code_is_its_clients_alone_for_a_minute_and_once(scene_of):
    async def scene(bank, alice, clock):
        other = await add_client(bank.service, "other", OTHER_KEY)
        asked = bank.request()
        code = (await bank.come(alice, await bank.push(asked)))["code"]
        stolen = error_of(await other.exchange(asked, code, bank.prover))
        # The id of another client beside an assertion of the first one, or the other way round.
        mixed = await bank.exchange(asked, code, bank.prover, client_id="other")
        forged = await bank.exchange(
            asked, code, bank.prover, client_id="other", **other.asserted(KEY)
        )
        tokens = (await bank.exchange(asked, code, bank.prover)).json()
        clock.advance(1)
        again = error_of(await bank.exchange(asked, code, bank.prover))
        after = (await bank.userinfo(tokens["access_token"], bank.prover)).status_code
        late = (await bank.come(alice, await bank.push(asked)))["code"]
        clock.advance(MINUTE)
        expired = error_of(await bank.exchange(asked, late, bank.prover))
        return stolen, mixed.status_code, error_of(forged), again, after, expired

    told = scene_of(scene)
    assert told == (INVALID_GRANT, 400, INVALID_CLIENT, INVALID_GRANT, 401, INVALID_GRANT)


def test_a_refresh_token_stays_the_same_for_its_client_with_a_key(scene_of):
    """refresh-token; Security Profile section 5.3.2.1: no rotation"""

    async def scene(bank, alice, clock):
        other = await add_client(bank.service, "other", OTHER_KEY)
        form = {"grant_type": "refresh_token"}
        form["refresh_token"] = (await bank.sign_in(alice))["refresh_token"]
        stolen = error_of(await other.post("/token", form, bank.prover))
        bare = {"client_assertion": None, "client_assertion_type": None, "client_id": "app"}
        unproved = error_of(await bank.post("/token", {**form, **bare}, bank.prover))
        bearer = error_of(await bank.post("/token", form))
        days = []
        for _ in range(3):
            answer = (await bank.post("/token", form, bank.prover)).json()
            days.append((answer["refresh_token"] == form["refresh_token"], answer["token_type"]))
            clock.advance(86_400 * 5)
        # It lives as long as it is used, and no longer than its session.
        claims = inspect(answer["access_token"]).claims
        await bank.service.sessions.end(claims["sid"], "test", OPERATOR)
        ended = error_of(await bank.post("/token", form, bank.prover))
        return stolen, unproved, bearer, days, ended

    stolen, unproved, bearer, days, ended = scene_of(scene)
    assert (stolen, unproved, bearer) == (INVALID_GRANT, INVALID_CLIENT, INVALID_PROOF)
    assert days == [(True, "DPoP")] * 3
    assert ended == INVALID_GRANT


def test_a_client_without_a_profile_has_its_tokens_rotated_as_before(scene_of):
    async def scene(bank, alice, _clock):
        form = {"grant_type": "refresh_token"}
        form["refresh_token"] = (await bank.sign_in(alice))["refresh_token"]
        await bank.service.registry.edit_client("app", {"profile": None}, OPERATOR)
        answer = (await bank.post("/token", form, bank.prover)).json()
        return answer["refresh_token"] == form["refresh_token"]

    assert scene_of(scene) is False


def test_a_program_of_the_profile_gets_bound_tokens_of_its_own(scene_of):
    async def scene(bank, _alice, _clock):
        form = {"grant_type": "client_credentials"}
        bare = error_of(await bank.post("/token", form))
        return bare, (await bank.post("/token", form, bank.prover)).json()["token_type"]

    grants = ("client_credentials",)
    told = scene_of(scene, {"audiences": ("orders",)}, grant_types=grants, redirect_uris=())
    assert told == (INVALID_PROOF, "DPoP")


def test_access_tokens_are_signed_with_what_the_profile_allows(scene_of):
    async def scene(bank, _alice, _clock):
        service, wanted = bank.service, ResourceMetadata(signing_alg="PS256")
        await service.registry.add_resource("modern", wanted, OPERATOR)
        found = service.registry.audiences_of(service.registry.client("app"))
        pushed = [await bank.push(bank.request(resource=name)) for name in ("modern", "orders")]
        return found, [answer.status_code for answer in pushed]

    settings = {"signing_algorithms": ("RS256", "PS256"), "audiences": ("orders",)}
    assert scene_of(scene, settings) == (("modern",), [201, 400])


def test_discovery_says_what_the_profile_demands(scene_of):
    async def scene(bank, _alice, _clock):
        answer = await bank.http.get("/.well-known/openid-configuration")
        keys = await bank.http.get(httpx.URL(answer.json()["jwks_uri"]).path)
        return answer.json(), keys.json()["keys"]

    metadata, keys = scene_of(scene)
    allowed = {"PS256", "ES256", "EdDSA"}
    for name in ("dpop", "request_object", "id_token", "token_endpoint_auth", "authorization"):
        assert allowed & set(metadata[f"{name}_signing_alg_values_supported"]), name
    assert metadata["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"]
    assert {"authorization_code", "client_credentials"} <= set(metadata["grant_types_supported"])
    assert {"jwt", "query.jwt", "form_post.jwt"} <= set(metadata["response_modes_supported"])
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert all(key["kid"] for key in keys)


SWITCHED = (
    *("dpop_bound_access_tokens", "require_pushed_authorization_requests"),
    *("require_pkce", "require_nonce"),
)


def test_the_profile_switches_everything_at_once():
    bare = {"redirect_uris": (CALLBACK,), "jwks": jwks_of(KEY), "require_pkce": False}
    made = ClientMetadata(**bare, profile="fapi2")
    check_metadata(made)
    assert all(getattr(made, name) for name in SWITCHED)
    assert made.token_endpoint_auth_method == "private_key_jwt"
    assert made.id_token_signed_response_alg == "ES256"
    assert not made.require_signed_request_object
    assert ClientMetadata(**bare, profile="fapi2-message-signing").require_signed_request_object
    assert not any(getattr(ClientMetadata(), name) for name in SWITCHED[:2])


@pytest.mark.parametrize(
    ("more", "member"),
    [
        ({"token_endpoint_auth_method": "client_secret_post"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        ({"jwks": None}, "jwks"),
        ({"jwks": jwks_of(KEY, RSA)}, "jwks"),
        ({"jwks": {"keys": [{**ED448.public.to_jwk(), "alg": "EdDSA"}]}}, "jwks"),
        ({"jwks": jwks_of(Key.generate("ES512"))}, "jwks"),
        ({"redirect_uris": ("http://127.0.0.1/callback",)}, "redirect_uris"),
        ({"redirect_uris": (CALLBACK, "com.example.app:/callback")}, "redirect_uris"),
        ({"plain_http": True}, "plain_http"),
        (
            {"grant_types": ("urn:ietf:params:oauth:grant-type:device_code", "refresh_token")},
            "grant_types",
        ),
        ({"id_token_signed_response_alg": "RS256"}, "id_token_signed_response_alg"),
        ({"authorization_signed_response_alg": "RS256"}, "authorization_signed_response_alg"),
        ({"introspection_signed_response_alg": "RS256"}, "introspection_signed_response_alg"),
    ],
    ids=str,
)
def test_what_can_not_be_under_the_profile_is_refused_when_it_is_saved(more, member):
    good = {"profile": "fapi2", "redirect_uris": (CALLBACK,), "jwks": jwks_of(KEY)}
    with pytest.raises(ClientRefused) as refused:
        check_metadata(ClientMetadata(**{**good, **more}))
    assert refused.value.member == member


@pytest.mark.parametrize(
    "wanted",
    [*({name: False} for name in SWITCHED), {"token_endpoint_auth_method": "client_secret_basic"}],
    ids=str,
)
def test_nobody_switches_off_what_the_profile_demands(wanted):
    metadata = ClientMetadata(profile="fapi2", redirect_uris=(CALLBACK,), jwks=jwks_of(KEY))
    with pytest.raises(ClientRefused) as refused:
        with_members(metadata, wanted)
    assert refused.value.member == next(iter(wanted))
