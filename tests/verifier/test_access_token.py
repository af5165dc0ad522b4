"""Checking access tokens against a real issuer over HTTP, blocking and in an event loop."""

import asyncio
import json
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import jwt as pyjwt
import pytest

from carnet import ConfigurationError, InvalidToken, IssuerUnavailable, KeySet, Signer
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.jwt.key_source import COOLDOWN
from carnet.testing import TestIssuer
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier


class InLoop:
    """The asynchronous verifier, called as the blocking one is."""

    def __init__(self, *arguments, **options):
        self._verifier = AsyncAccessTokenVerifier(*arguments, **options)
        self._runner = asyncio.Runner()
        self.health = self._verifier.health

    def verify(self, token):
        async def both():
            try:
                return await self._verifier.verify(token)
            finally:
                # Let a fetch in the background end before the loop stops.
                for issuer in self._verifier._issuers.values():
                    if issuer.task is not None:
                        await asyncio.shield(issuer.task)

        return self._runner.run(both())

    def close(self):
        self._runner.close()


class Remembering(AccessTokenVerifier):
    """The blocking verifier, asked first for what it remembers, as the adapters do."""

    def verify(self, token):
        claims = self.remembered(token)
        return super().verify(token) if claims is None else self.typed(claims)


@pytest.fixture(
    params=[AccessTokenVerifier, InLoop, Remembering], ids=["blocking", "async", "remembering"]
)
def make(request):
    made = []

    def make_one(*arguments, **options):
        verifier = request.param(*arguments, **options)
        made.append(verifier)
        return verifier

    yield make_one
    for verifier in made:
        getattr(verifier, "close", lambda: None)()


def wait_for_background():
    for thread in threading.enumerate():
        if thread.name == "carnet-keys":
            thread.join(60)


def test_a_hundred_tokens_cost_one_fetch(make, issuer):
    verifier = make(issuer.url, "orders")
    for number in range(100):
        assert verifier.verify(issuer.token(n=number))["n"] == number
    assert issuer.requests == ["/.well-known/oauth-authorization-server", "/jwks"]


def test_the_same_token_again_comes_from_the_cache_and_expires_there(make, issuer, clock):
    verifier = make(issuer.url, "orders", clock=clock)
    token = issuer.token(clock=clock)
    assert dict(verifier.verify(token)) == dict(verifier.verify(token))
    clock.now += 299
    verifier.verify(token)
    clock.now += 1
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(token)
    assert refused.value.code == "expired"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "billing"}, "audience_mismatch"),
        ({"iss": "https://other.example"}, "issuer_mismatch"),
        ({"exp": 4_000_000_000, "nbf": 3_999_999_999}, "not_yet_valid"),
    ],
)
def test_claims_are_checked(make, issuer, claims, code):
    with pytest.raises(InvalidToken) as refused:
        make(issuer.url, "orders").verify(issuer.token(**claims))
    assert refused.value.code == code


def test_an_id_token_is_no_access_token(make, issuer):
    token = Signer(issuer.key, issuer=issuer.url, audience="orders").sign({"sub": "ada"})
    with pytest.raises(InvalidToken) as refused:
        make(issuer.url, "orders").verify(token)
    assert refused.value.code == "type_mismatch"


def test_a_new_key_is_found_by_its_unknown_kid(make, issuer, clock):
    verifier = make(issuer.url, "orders", clock=clock)
    old = issuer.token(clock=clock)
    verifier.verify(old)
    issuer.rotate()
    clock.now += COOLDOWN
    assert verifier.verify(issuer.token(clock=clock)).subject == "ada"
    with pytest.raises(InvalidToken):
        verifier.verify(old)


def test_ten_thousand_random_kids_cause_at_most_one_fetch_for_each_cooldown(make, issuer, clock):
    verifier = make(issuer.url, "orders", clock=clock)
    good = issuer.token(clock=clock)
    verifier.verify(good)
    published, body = issuer.answer("/jwks"), good.partition(".")[2]
    fetched = issuer.asked("/jwks")
    for number in range(10_000):
        if number % 2000 == 0:
            # The fetches that fail count as well.
            clock.now += COOLDOWN
            issuer.replies["/jwks"] = (500, b"") if number % 4000 else published
        header = {"alg": "ES256", "typ": "at+jwt", "kid": secrets.token_urlsafe(16)}
        with pytest.raises(InvalidToken) as refused:
            verifier.verify(f"{b64url_encode(json_encode(header))}.{body}")
        assert refused.value.code == "key_not_found"
        if number % 500 == 0:
            assert verifier.verify(good)
        if number % 2000 == 1999:
            fetched += 1
            assert issuer.asked("/jwks") == fetched


def test_keys_are_fetched_again_before_they_are_too_old(make, issuer, clock):
    verifier = make(issuer.url, "orders", clock=clock)
    verifier.verify(issuer.token(clock=clock))
    clock.now += 250
    verifier.verify(issuer.token(clock=clock))
    wait_for_background()
    verifier.verify(issuer.token(clock=clock))
    assert issuer.asked("/jwks") == 2


def test_tokens_are_checked_with_old_keys_while_the_issuer_is_down(make, issuer, clock):
    verifier = make(issuer.url, "orders", clock=clock)
    verifier.verify(issuer.token(clock=clock))
    issuer.replies["/jwks"] = (500, b"")
    for _ in range(5):
        clock.now += 3600
        assert verifier.verify(issuer.token(clock=clock)).subject == "ada"
        wait_for_background()
    [health] = verifier.health()
    assert health.ready
    assert health.age == pytest.approx(5 * 3600)
    assert "answered 500" in health.last_error


def test_a_key_that_leaves_the_set_takes_its_cached_tokens_with_it(make, issuer, clock):
    verifier = make(issuer.url, "orders", clock=clock)
    token = issuer.token(clock=clock)
    verifier.verify(token)
    issuer.rotate()
    clock.now += 250
    verifier.verify(token)
    wait_for_background()
    with pytest.raises(InvalidToken):
        verifier.verify(token)


def test_nothing_is_accepted_while_there_are_no_keys_and_all_is_well_once_there_are(
    make, issuer, clock
):
    issuer.replies["/jwks"] = (503, b"")
    verifier = make(issuer.url, "orders", clock=clock)
    for _ in range(20):
        with pytest.raises(IssuerUnavailable, match="answered 503"):
            verifier.verify(issuer.token(clock=clock))
    assert issuer.asked("/jwks") == 1
    assert not verifier.health()[0].ready
    del issuer.replies["/jwks"]
    clock.now += 5
    assert verifier.verify(issuer.token(clock=clock)).subject == "ada"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((200, b"<html>sign in</html>"), "not a JSON object"),
        ((200, b'{"keys": [' + b"1," * 600_000 + b"1]}"), "more than 524288 bytes"),
        ((302, b""), "answered 302"),
        ((200, b'{"keys": [], "keys": []}'), "not a JSON object"),
    ],
)
def test_an_answer_that_cant_be_used_is_told(make, issuer, reply, said):
    issuer.replies["/jwks"] = reply
    with pytest.raises(IssuerUnavailable, match=said):
        make(issuer.url, "orders").verify(issuer.token())
    assert issuer.asked("/elsewhere") == 0


def test_an_issuer_that_does_not_listen_is_told(make, issuer):
    issuer.close()
    with pytest.raises(IssuerUnavailable, match="can't be reached"):
        make(issuer.url, "orders").verify("e30.e30.AA")
    issuer.__init__()


def test_a_jwks_address_needs_no_metadata(make, issuer):
    verifier = make(issuer.url, "orders", jwks_uri=f"{issuer.url}/jwks")
    assert verifier.verify(issuer.token()).subject == "ada"
    assert issuer.requests == ["/jwks"]


def test_keys_that_name_no_algorithm_are_bound_to_those_asked_for(make, issuer):
    document = issuer.key.public.to_jwk()
    del document["alg"]
    issuer.replies["/jwks"] = (200, json.dumps({"keys": [document]}).encode())
    rsa_only = make(issuer.url, "orders", algorithms=["RS256"])
    with pytest.raises(IssuerUnavailable, match="no usable key"):
        rsa_only.verify(issuer.token())
    verifier = make(issuer.url, "orders", algorithms=["RS256", "ES256"])
    assert verifier.verify(issuer.token()).subject == "ada"


def test_several_issuers_are_told_apart_and_can_not_speak_for_each_other(make, issuer):
    other = type(issuer)()
    try:
        verifier = make([issuer.url, other.url], "orders")
        assert verifier.verify(issuer.token()).issuer == issuer.url
        assert verifier.verify(other.token()).issuer == other.url
        with pytest.raises(InvalidToken):
            verifier.verify(issuer.token(other.key))
        with pytest.raises(InvalidToken) as refused:
            verifier.verify(issuer.token(iss="https://stranger.example"))
        assert refused.value.code == "issuer_mismatch"
    finally:
        other.close()


def test_claims_can_be_typed(make, issuer):
    @dataclass
    class Ticket:
        sub: str
        exp: int

    assert make(issuer.url, "orders", claims_type=Ticket).verify(issuer.token()).sub == "ada"


@pytest.mark.parametrize(
    "address",
    ["http://auth.example.com", "ftp://127.0.0.1", "auth.example.com", "https://u:p@a.example"],
)
def test_only_https_and_loopback_are_asked(make, address):
    with pytest.raises(ConfigurationError):
        make(address, "orders")
    with pytest.raises(ConfigurationError):
        make("https://auth.example.com", "orders", jwks_uri=address)


def test_metadata_can_not_send_the_verifier_to_a_plain_address(make, issuer):
    path = "/.well-known/oauth-authorization-server"
    document = f'{{"issuer": "{issuer.url}", "jwks_uri": "http://10.0.0.1/jwks"}}'
    issuer.replies[path] = (200, document.encode())
    with pytest.raises(IssuerUnavailable, match="must begin with https"):
        make(issuer.url, "orders").verify(issuer.token())


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((("https://a.example", "https://b.example"), "orders"), {"jwks_uri": "https://c.example"}),
        (([], "orders"), {}),
        (("https://a.example", []), {}),
        (("https://a.example", "orders"), {"cache": -1}),
        (("https://a.example", "orders"), {"leeway": -1}),
    ],
)
def test_a_wrong_argument_is_told_at_once(make, arguments, options):
    with pytest.raises(ConfigurationError):
        make(*arguments, **options)


def test_twenty_threads_at_once_share_one_fetch(issuer):
    issuer.delay = 0.1
    verifier = AccessTokenVerifier(issuer.url, "orders")
    token = issuer.token()
    with ThreadPoolExecutor(20) as pool:
        subjects = list(pool.map(lambda _: verifier.verify(token).subject, range(20)))
    assert subjects == ["ada"] * 20
    assert issuer.asked("/jwks") == 1


def test_twenty_tasks_at_once_share_one_fetch(issuer):
    issuer.delay = 0.1
    verifier = AsyncAccessTokenVerifier(issuer.url, "orders")
    token = issuer.token()

    async def all_at_once():
        return await asyncio.gather(*(verifier.verify(token) for _ in range(20)))

    assert len(asyncio.run(all_at_once())) == 20
    assert issuer.asked("/jwks") == 1


def test_a_cancelled_request_does_not_take_the_others_fetch_with_it(issuer):
    issuer.delay = 0.2
    verifier = AsyncAccessTokenVerifier(issuer.url, "orders")
    token = issuer.token()

    async def one_leaves():
        impatient = asyncio.create_task(verifier.verify(token))
        patient = asyncio.create_task(verifier.verify(token))
        await asyncio.sleep(0.05)
        impatient.cancel()
        return await patient

    assert asyncio.run(one_leaves()).subject == "ada"
    assert issuer.asked("/jwks") == 1


def test_what_we_sign_is_accepted_by_pyjwts_client_over_the_same_http(issuer):
    client = pyjwt.PyJWKClient(f"{issuer.url}/jwks")
    token = issuer.token()
    key = client.get_signing_key_from_jwt(token)
    claims = pyjwt.decode(token, key, algorithms=["ES256"], audience="orders", issuer=issuer.url)
    assert claims["sub"] == "ada"


def test_what_pyjwt_signs_is_accepted_by_us(make, issuer):
    now = int(time.time())
    token = pyjwt.encode(
        {
            "iss": issuer.url,
            "aud": "orders",
            "sub": "ada",
            "client_id": "c",
            "jti": "1",
            "iat": now,
            "exp": now + 60,
        },
        issuer.key.to_pem(private=True),
        algorithm="ES256",
        headers={"kid": issuer.key.kid, "typ": "at+jwt"},
    )
    assert make(issuer.url, "orders").verify(token).subject == "ada"
    assert KeySet([issuer.key]).to_jwks()["keys"][0].get("d") is None


def test_what_is_remembered_is_refused_once_it_is_revoked_or_nobody_can_tell():
    issuer = TestIssuer("https://auth.example.com", "orders")
    verifier = Remembering(
        "https://auth.example.com", "orders", revocations="required", revocations_max_age=5
    )
    with issuer.override(verifier):
        first, second = issuer.token(), issuer.token()
        for token in (first, second):
            verifier.verify(token)
            assert verifier.remembered(token) is not None
        issuer.revoke(first)
        with pytest.raises(InvalidToken) as refused:
            verifier.remembered(first)
        assert refused.value.code == "revoked"
        issuer.down(keys_held=True)
        issuer.clock.advance(6)
        with pytest.raises(IssuerUnavailable):
            verifier.verify(second)
