"""Tokens that a program has bound to a key of its own (RFC 9449): what leaves, and what is kept."""

import asyncio
import json
import time

import httpx
import httpx2
import pytest
from mcp.client.auth import OAuthFlowError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.verifier.test_agents import (
    Place,
    agree,
    auth_of,
    by_httpx,
    by_httpx2,
    by_httpx2_in_a_loop,
    by_httpx_in_a_loop,
    form_of,
)
from tests.verifier.test_agents import address as address
from tests.verifier.test_agents import listener as listener
from tests.verifier.test_agents import store as store
from tests.verifier.test_mcp import served

from carnet import InvalidToken, Key
from carnet.errors import ConfigurationError, GrantRefused, IssuerUnavailable
from carnet.jwt.dpop import ALGORITHMS_ACCEPTED, read_proof
from carnet.verifier import httpx_auth
from carnet.verifier.agents import AuthorizationCodeAuth, ClientCredentialsAuth
from carnet.verifier.bound_flow import BoundFlow
from carnet.verifier.prover import Prover

ALL = [by_httpx, by_httpx_in_a_loop, by_httpx2, by_httpx2_in_a_loop]
SUPPORTED = "dpop_signing_alg_values_supported"


class BoundPlace(Place):
    """An API and an authorization server that bind tokens; proofs and nonces are looked at."""

    def __init__(self, address):
        super().__init__(address)
        self.metadata[SUPPORTED] = list(ALGORITHMS_ACCEPTED)
        self.resource["scopes_supported"] = ["notes:read"]
        self.challenge = self.challenge.replace("Bearer", "DPoP")
        self.proofs = []
        # By where they are used: what has to be in a proof, if anything.
        self.nonces = {"token": None, "api": None}
        self.keys = {}
        self.binds, self.lies = True, False

    def read(self, request, where, token=None):
        """Give a proof that is good, or None."""
        try:
            proof = read_proof(
                request.headers.getlist("dpop"),
                request.method,
                f"{self.address}{request.url.path}",
                time.time(),
                token,
            )
        except InvalidToken:
            return None
        self.proofs.append((where, proof))
        return proof

    def wants_nonce(self, where, proof):
        return proof.nonce != self.nonces[where]

    async def api(self, request):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if token in self.keys:
            proof = self.read(request, "api", token) if scheme == "DPoP" else None
            if proof is None or proof.thumbprint != self.keys[token]:
                self.asked.append(("unproved", token))
                return Response(status_code=401, headers={"WWW-Authenticate": self.challenge})
            if self.wants_nonce("api", proof):
                headers = {
                    "WWW-Authenticate": f'{self.challenge}, error="use_dpop_nonce"',
                    "DPoP-Nonce": self.nonces["api"],
                }
                return Response(status_code=401, headers=headers)
            headers = [
                (name, f"Bearer {token}".encode() if name == b"authorization" else value)
                for name, value in request.scope["headers"]
            ]
            request = Request({**request.scope, "headers": headers}, request.receive)
        elif "dpop" in request.headers:
            self.asked.append(("proof without a bound token", token))
        return await super().api(request)

    async def token(self, request):
        if self.lies:
            return JSONResponse({"access_token": "a", "token_type": "DPoP"})
        given = form_of((await request.body()).decode())
        proof = self.read(request, "token")
        if proof is not None and self.binds:
            if self.wants_nonce("token", proof):
                return JSONResponse(
                    {"error": "use_dpop_nonce"}, 400, {"DPoP-Nonce": self.nonces["token"]}
                )
            told = dict(self.asked).get("authorize", {}).get("dpop_jkt")
            begun = self.keys.get(given.get("refresh_token"))
            bound_to = told if given["grant_type"] == "authorization_code" else begun
            if bound_to is not None and proof.thumbprint != bound_to:
                return JSONResponse({"error": "invalid_grant"}, 400)
        answer = await super().token(request)
        document = json.loads(answer.body)
        if proof is None or not self.binds or answer.status_code != 200:
            return answer
        for kind in ("access_token", "refresh_token"):
            self.keys[document[kind]] = proof.thumbprint
        return JSONResponse({**document, "token_type": "DPoP"})

    def proved(self, where):
        return [proof for one, proof in self.proofs if one == where]


@pytest.fixture
def place(listener, address):
    place = BoundPlace(address)
    with served(place.app, listener):
        yield place


@pytest.mark.parametrize("send", ALL)
def test_tokens_are_bound_where_the_api_asks_for_it(place, store, send):
    answers = send(auth_of(place, store), place.url, place.url, json={"a": 1})
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [json.loads(answer.json()["body"]) for answer in answers] == [{"a": 1}] * 2
    [asked] = place.proved("token")
    used = place.proved("api")
    assert {proof.thumbprint for proof in used} == {asked.thumbprint}
    assert dict(place.asked)["authorize"]["dpop_jkt"] == asked.thumbprint
    # Each proof is another, and none goes where no token does.
    assert len({proof.token_id for _, proof in place.proofs}) == len(place.proofs) == 3
    assert [name for name, _ in place.asked] == [
        *("api", "register", "authorize", "authorization_code", "api", "api")
    ]


@pytest.mark.parametrize("send", ALL)
def test_each_server_has_its_own_nonce_which_costs_one_more_request(place, store, send):
    place.nonces = {"token": "of-the-issuer", "api": "of-the-api"}
    auth = auth_of(place, store)
    assert [one.status_code for one in send(auth, place.url, place.url, json={})] == [200, 200]
    assert [proof.nonce for proof in place.proved("token")] == [None, "of-the-issuer"]
    assert [proof.nonce for proof in place.proved("api")] == [None, "of-the-api", "of-the-api"]
    assert len({proof.token_id for _, proof in place.proofs}) == len(place.proofs)
    place.nonces["api"] = "a-newer-one"
    assert send(auth, place.url)[0].status_code == 200
    assert place.proved("api")[-1].nonce == "a-newer-one"
    assert place.count("authorize") == 1


def test_a_server_that_is_never_content_with_a_nonce_is_asked_twice(place, store):
    place.wants_nonce = lambda where, proof: (
        where == "token" and place.nonces.update(token=f"n{len(place.proofs)}") is None
    )
    with pytest.raises(Exception, match="use_dpop_nonce"):
        by_httpx(auth_of(place, store), place.url)
    assert len(place.proved("token")) == 2


def test_what_was_streamed_is_not_sent_again_with_a_nonce(place, store):
    auth = auth_of(place, store)
    by_httpx(auth, place.url)
    place.nonces["api"] = "another"

    def parts():
        yield b"a"

    assert by_httpx(auth, place.url, content=parts())[0].status_code == 401
    assert by_httpx(auth, place.url, content=parts())[0].status_code == 200
    assert place.count("authorize") == 1


def test_the_key_outlives_the_program_with_the_tokens_that_are_bound_to_it(place, store):
    by_httpx(auth_of(place, store), place.url)
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    place.good.clear()
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    assert (place.count("authorize"), place.count("refresh_token")) == (1, 1)
    assert len({proof.thumbprint for _, proof in place.proofs}) == 1


def test_each_authorization_has_a_key_of_its_own(place, store):
    auth = auth_of(place, store)
    by_httpx(auth, place.url)
    place.good.clear()
    place.sessions.clear()
    place.keys.clear()
    place.asked.clear()
    assert by_httpx(auth, place.url)[0].status_code == 200
    assert len({proof.thumbprint for _, proof in place.proofs}) == 2


def test_a_person_who_does_not_agree_takes_no_key_from_the_tokens_that_are_there(place, store):
    auth = auth_of(place, store)
    by_httpx(auth, place.url)
    place.needed, place.answer = {"notes:write"}, {"code": None, "error": "access_denied"}
    with pytest.raises(OAuthFlowError, match="did not agree"):
        by_httpx(auth, place.url)
    place.needed = {"notes:read"}
    assert by_httpx(auth, place.url)[0].status_code == 200


def test_an_api_that_does_not_ask_for_it_gets_bearer_tokens(place, store):
    place.challenge = place.challenge.replace("DPoP", "Bearer")
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    assert place.proofs == []
    assert "dpop_jkt" not in dict(place.asked)["authorize"]
    assert "key" not in json.loads(store.load())


@pytest.mark.parametrize(
    ("challenge", "more"),
    [
        ('Bearer resource_metadata="{}", DPoP algs="ES256"', {}),
        ('Bearer resource_metadata="{}"', {"dpop_bound_access_tokens_required": True}),
    ],
)
def test_an_api_asks_for_it_by_a_second_challenge_or_by_its_metadata(place, store, challenge, more):
    place.challenge = challenge.format(f"{place.address}/where")
    place.resource.update(more)
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    assert place.proved("api")


def test_the_algorithm_is_one_that_both_servers_take(place, store):
    place.metadata[SUPPORTED] = ["PS256", "RS256", "ES384"]
    place.resource[SUPPORTED] = ["ES256", "ES384"]
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    assert json.loads(store.load())["key"]["alg"] == "ES384"


@pytest.mark.parametrize("offered", [None, ["ML-DSA-44"]])
def test_a_server_that_cannot_bind_tokens_gives_bearer_tokens_or_none(place, store, offered):
    place.metadata[SUPPORTED], place.binds = offered, False
    with pytest.raises(OAuthFlowError, match="no algorithm"):
        by_httpx(auth_of(place, store, dpop=True), place.url)
    assert place.count("authorize") == 0
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    place.resource["dpop_bound_access_tokens_required"] = True
    place.good.clear()
    place.sessions.clear()
    with pytest.raises(OAuthFlowError, match="no algorithm"):
        by_httpx(auth_of(place, store), place.url)


def test_a_server_that_binds_no_token_in_spite_of_what_it_says_is_refused_on_demand(place, store):
    place.binds = False
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    # What is kept is not bound, and so is not used.
    with pytest.raises(OAuthFlowError, match="does not bind"):
        by_httpx(auth_of(place, store, dpop=True), place.url)
    assert place.count("authorize") == 2


def test_a_token_that_is_bound_to_no_key_of_ours_is_refused(place, store):
    place.challenge = place.challenge.replace("DPoP", "Bearer")
    place.lies = True
    with pytest.raises(OAuthFlowError, match="none was shown"):
        by_httpx(auth_of(place, store), place.url)


def test_a_key_that_the_store_has_not_of_us_is_told(place, store):
    by_httpx(auth_of(place, store), place.url)
    kept = json.loads(store.load())
    for key in ({"kty": "oct", "k": "AAAA", "alg": "HS256"}, {**kept["key"], "d": None}):
        store.save(json.dumps({**kept, "key": key}))
        with pytest.raises(OAuthFlowError, match="remove it"):
            by_httpx(auth_of(place, store), place.url)


def test_no_other_origin_is_sent_a_proof(place, store):
    auth = auth_of(place, store)
    by_httpx(auth, place.url)
    before = len(place.proofs)
    other = place.url.replace("127.0.0.1", "localhost")
    own = {"Authorization": "Basic YTpi", "DPoP": "mine"}
    with httpx.Client(auth=auth, trust_env=False) as client:
        sent = client.post(other, headers=own).request
    assert (sent.headers["authorization"], sent.headers["dpop"]) == ("Basic YTpi", "mine")
    assert len(place.proofs) == before


@pytest.mark.parametrize("kind", ["a person's", "a service's"])
def test_a_redirects_other_host_has_no_say_in_nonces_or_keys(place, store, kind):
    place.sessions[None] = {"notes:read"}
    by_httpx(auth_of(place, store), place.url)
    seen = []

    def api(request):
        seen.append(request)
        if request.url.host == "127.0.0.1":
            return httpx.Response(307, headers={"Location": "https://other.example/"})
        headers = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": "theirs"}
        return httpx.Response(401, headers=headers)

    auth = auth_of(place, store)
    if kind == "a service's":
        auth = httpx_auth.ClientCredentialsAuth(
            *(place.address, "nightly"),
            client_secret="secret",
            for_origins=[place.address],
            dpop_key=Key.generate("ES256"),
        )
    with httpx.Client(
        auth=auth, transport=httpx.MockTransport(api), follow_redirects=True
    ) as client:
        assert client.get(place.url).status_code == 401
        assert client.get(place.url).status_code == 401
    assert len(seen) == 4
    proofs = [read_proof([one.headers["dpop"]], "GET", place.url, time.time()) for one in seen]
    assert {proof.nonce for proof in proofs} == {None}
    assert "authorization" not in seen[1].headers


@pytest.mark.parametrize("send", [by_httpx, by_httpx2])
def test_a_request_that_is_sent_again_with_a_bearer_token_has_no_proof_any_more(place, store, send):
    auth = auth_of(place, store)
    send(auth, place.url)
    place.good.clear()
    place.sessions.clear()
    place.challenge = place.challenge.replace("DPoP", "Bearer")
    assert send(auth, place.url)[0].status_code == 200
    assert place.count("proof without a bound token") == 0


@pytest.mark.parametrize(("host", "asks"), [("api.example", True), ("other.example", False)])
def test_only_the_api_itself_asks_for_bound_tokens(host, asks):
    request = httpx2.Request("GET", "https://api.example/")
    answer = httpx2.Response(
        401,
        headers={"WWW-Authenticate": "DPoP"},
        request=httpx2.Request("GET", f"https://{host}/"),
    )
    binding = BoundFlow(demanded=False)

    async def flow():
        yield request

    async def run():
        driven = binding.through(flow(), request)
        await anext(driven)
        with pytest.raises(StopAsyncIteration):
            await driven.asend(answer)

    asyncio.run(run())
    assert (binding.begin() is not None) is asks


@pytest.mark.parametrize("send", ALL)
def test_a_program_has_its_own_tokens_bound(place, send):
    place.sessions[None] = {"notes:read"}
    place.nonces = {"token": "of-the-issuer", "api": "of-the-api"}
    auth = ClientCredentialsAuth(
        place.url, "nightly", issuer=place.address, key=Key.generate("ES256"), dpop=True
    )
    assert [one.status_code for one in send(auth, place.url, place.url, json={})] == [200, 200]
    assert [proof.nonce for proof in place.proved("api")] == [None, "of-the-api", "of-the-api"]
    assert len({proof.thumbprint for _, proof in place.proofs}) == 1


@pytest.mark.parametrize("send", [by_httpx, by_httpx_in_a_loop])
def test_calls_between_services_have_their_tokens_bound(place, send):
    place.sessions[None] = {"notes:read"}
    place.nonces = {"token": "of-the-issuer", "api": "of-the-api"}
    key = Key.generate("ES256")
    auth = httpx_auth.ClientCredentialsAuth(
        *(place.address, "nightly"),
        client_secret="secret",
        for_origins=[place.address],
        dpop_key=key,
    )
    assert [one.status_code for one in send(auth, place.url, place.url, json={})] == [200, 200]
    assert [proof.nonce for proof in place.proved("token")] == [None, "of-the-issuer"]
    assert [proof.nonce for proof in place.proved("api")] == [None, "of-the-api", "of-the-api"]
    assert {proof.thumbprint for _, proof in place.proofs} == {key.thumbprint()}
    assert len({proof.token_id for _, proof in place.proofs}) == len(place.proofs)


def test_a_session_that_is_bound_goes_on_with_its_key(place):
    key = Key.generate("ES256")
    place.sessions["begun"] = {"notes:read"}
    place.keys["begun"] = key.thumbprint()
    given = {"refresh_token": "begun", "for_origins": [place.address], "client_id": "app"}
    other = httpx_auth.SessionAuth(place.address, **given, dpop_key=Key.generate("ES256"))
    with pytest.raises(GrantRefused):
        by_httpx(other, place.url)
    auth = httpx_auth.SessionAuth(place.address, **given, dpop_key=key)
    assert by_httpx(auth, place.url)[0].status_code == 200
    place.binds = False
    unbound = httpx_auth.SessionAuth(place.address, **given, dpop_key=key)
    with pytest.raises(IssuerUnavailable, match="bound to a key"):
        by_httpx(unbound, place.url)


@pytest.mark.parametrize(
    "key", [Key.generate("ES256").public, Key.generate("HS256"), Key.generate("ECDH-ES"), "x"]
)
def test_a_key_that_signs_no_proof_is_refused(key):
    with pytest.raises(ConfigurationError, match="private key that signs"):
        Prover(key)


def test_a_person_whose_bound_tokens_are_kept_is_not_asked_again(place, store):
    auth = AuthorizationCodeAuth(place.url, store=store, open_browser=agree, dpop=True, timeout=60)
    assert by_httpx(auth, place.url)[0].status_code == 200
    silent = AuthorizationCodeAuth(place.url, store=store, open_browser=None, dpop=True)
    assert by_httpx(silent, place.url)[0].status_code == 200
