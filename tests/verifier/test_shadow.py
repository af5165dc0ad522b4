"""A verifier beside an existing check: it tells where they differ, and decides nothing."""

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jwt as pyjwt
import pytest
from tests.verifier.test_forks import held, in_a_fork

from carnet import ConfigurationError, Key, Signer, Verifier
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier
from carnet.verifier.shadow import ACCEPTED, Difference, Shadow

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
SIGNER = Signer(KEY, issuer=ISSUER, audience="orders")
SECRETS = ("eyJ", "orders-of-ada", "ada@example.com")


@pytest.fixture
def verifier():
    return Verifier(KEY.public, issuer=ISSUER, audience="orders")


def by_pyjwt(token, **options):
    public = KEY.public.to_pem()
    return pyjwt.decode(token, public, algorithms=["ES256"], options=options, audience="orders")


def raw(**claims):
    now = int(time.time())
    base = {"iss": ISSUER, "aud": "orders", "sub": "ada@example.com", "iat": now, "exp": now + 60}
    claims = {name: value for name, value in {**base, **claims}.items() if value is not None}
    return pyjwt.encode(claims, KEY.to_pem(private=True), algorithm="ES256")


def test_both_agree_and_the_existing_checks_answer_is_given(verifier):
    shadow = Shadow(verifier)

    def check(token):
        with shadow.beside(token):
            return by_pyjwt(token)

    assert check(SIGNER.sign({"sub": "ada"}))["sub"] == "ada"
    with pytest.raises(pyjwt.ExpiredSignatureError):
        check(raw(exp=1))
    assert (shadow.agreed, shadow.undecided, shadow.differences) == (2, 0, {})


@pytest.mark.parametrize(
    ("claims", "difference"),
    [
        ({"iss": "https://orders-of-ada.example"}, Difference("issuer_mismatch", "iss")),
        ({"exp": None}, Difference("claim_missing", "exp")),
        ({"roles": {"a": 1}, "aud": ["orders", 7]}, Difference("claim_invalid", "aud")),
    ],
)
def test_what_the_existing_check_accepts_and_carnet_refuses_is_told(
    verifier, caplog, claims, difference
):
    shadow = Shadow(verifier)
    token = raw(**claims)
    with shadow.beside(token):
        pyjwt.decode(token, KEY.public.to_pem(), ["ES256"], options={"verify_aud": False})
    assert shadow.differences == {difference: 1}
    [record] = caplog.records
    assert (record.name, record.levelname) == ("carnet.verifier.shadow", "WARNING")
    assert f"{difference.code} claim='{difference.claim}'" in record.getMessage()
    assert not [secret for secret in SECRETS if secret in caplog.text]


def test_what_the_existing_check_refuses_and_carnet_accepts_is_told(verifier, caplog):
    shadow, token = Shadow(verifier), raw()
    with pytest.raises(pyjwt.InvalidAudienceError), shadow.beside(token):
        pyjwt.decode(token, KEY.public.to_pem(), ["ES256"], audience="billing")
    assert shadow.differences == {Difference(ACCEPTED): 1}
    assert "refuses a token that Carnet accepts" in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]


def test_differences_are_counted_by_kind_by_all_threads_and_reported(verifier):
    reported = []
    shadow = Shadow(verifier, reported.append)
    tokens = [raw(), raw(exp=1), raw(aud="x")] * 100
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda token: shadow.compare(token, accepted=True), tokens))
    expected = {Difference("expired", "exp"): 100, Difference("audience_mismatch", "aud"): 100}
    assert (shadow.agreed, shadow.differences) == (100, expected)
    assert len(reported) == 200
    assert set(reported) == set(expected)


class Broken:
    """A verifier that fails as none should."""

    def verify(self, token):
        raise RuntimeError(f"not for a log: {token}")


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("token", ["eyJ", b"\xff", None, 7, "é" * 100_000])
def test_whatever_fails_in_the_shadow_changes_nothing(caplog, verifier, accepted, token):
    caplog.set_level(logging.DEBUG)

    def fail(difference):
        raise RuntimeError(f"not for a log: {token}")

    for shadow in (Shadow(Broken()), Shadow(Broken(), fail), Shadow(verifier, fail)):
        shadow.compare(token, accepted)
        assert shadow.agreed + shadow.undecided + shadow.differences.total() == 1
        with shadow.beside(token):
            pass
        with pytest.raises(KeyError, match="the check's own"), shadow.beside(token):
            raise KeyError("the check's own")
    assert "not for a log" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_without_keys_nothing_is_decided(issuer, caplog):
    issuer.replies["/jwks"] = (503, b"")
    shadow = Shadow(AccessTokenVerifier(issuer.url, "orders", revocations="off"))
    for accepted in (True, False):
        shadow.compare(issuer.token(), accepted)
    assert (shadow.agreed, shadow.undecided, shadow.differences) == (0, 2, {})
    assert caplog.text == ""


def test_a_session_that_has_ended_is_a_difference(issuer):
    issuer.revoked = ["ended"]
    with AccessTokenVerifier(issuer.url, "orders", revocations="required") as verifier:
        shadow = Shadow(verifier)
        shadow.compare(issuer.token(sid="ended"), accepted=True)
    assert shadow.differences == {Difference("revoked", "sid"): 1}


def test_what_ends_the_program_passes(verifier):
    shadow = Shadow(verifier)
    with pytest.raises(KeyboardInterrupt), shadow.beside(raw()):
        raise KeyboardInterrupt
    assert (shadow.agreed, shadow.differences) == (0, {})


@pytest.mark.parametrize("wrong", [None, "x", AsyncAccessTokenVerifier(ISSUER, "orders")])
def test_a_verifier_that_would_have_to_be_awaited_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="not an asynchronous one"):
        Shadow(wrong)


def test_an_asynchronous_app_compares_in_a_thread(verifier):
    shadow = Shadow(verifier, lambda _: seen.append(threading.current_thread()))
    seen = []
    asyncio.run(asyncio.to_thread(shadow.compare, raw(exp=1), True))
    assert seen != [threading.main_thread()]
    assert shadow.differences.total() == 1


def test_a_fork_counts_on_whichever_thread_held_the_lock(verifier):
    shadow = Shadow(verifier)
    done = held(shadow._lock)

    def compare():
        shadow.compare(raw(), accepted=True)
        return shadow.agreed == 1

    try:
        assert in_a_fork(compare)
    finally:
        done.set()
