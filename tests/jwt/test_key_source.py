"""The key source by itself: a state machine, run by hand."""

import json

import pytest

from carnet import IssuerUnavailable, Key, KeySet
from carnet.jwt.key_source import COOLDOWN, RETRY, Answer, KeySource, metadata_addresses

ISSUER = "https://auth.example.com"
JWKS = f"{ISSUER}/jwks"
METADATA = {"issuer": ISSUER, "jwks_uri": JWKS}


GONE = Answer(404, "", b"")


def key_set(*keys):
    return KeySet(keys or [Key.generate("ES256").public]).to_jwks()


def run(source, now, *answers):
    """Run a fetch against prepared answers, and give the addresses that it asked for."""
    steps, asked = source.refresh(now), []
    try:
        asked.append(next(steps))
        for answer in answers:
            if isinstance(answer, Exception):
                asked.append(steps.throw(answer))
            else:
                asked.append(steps.send(answer))
    except StopIteration:
        pass
    return [getattr(call, "address", call) for call in asked]


def ok(document, cache_control=""):
    return Answer(200, cache_control, json.dumps(document).encode())


def test_the_keys_are_found_through_the_metadata_once_and_by_address_after_that():
    source = KeySource(ISSUER)
    asked = run(source, 0, ok(METADATA), ok(key_set()))
    assert asked == [f"{ISSUER}/.well-known/oauth-authorization-server", JWKS]
    assert len(source.keys) == 1
    assert run(source, 1000, ok(key_set())) == [JWKS]


def test_openid_metadata_is_asked_for_where_there_is_none_for_oauth():
    source = KeySource(ISSUER)
    asked = run(source, 0, Answer(404, "", b""), ok(METADATA), ok(key_set()))
    assert asked[1] == f"{ISSUER}/.well-known/openid-configuration"
    assert source.keys


def test_the_metadata_of_an_issuer_with_a_path_is_where_each_standard_puts_it():
    assert metadata_addresses("https://a.example/tenant/1") == [
        "https://a.example/.well-known/oauth-authorization-server/tenant/1",
        "https://a.example/tenant/1/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize(
    ("cache_control", "due"),
    [
        ("", 240),
        ("public, max-age=1000", 800),
        ("max-age=1", 48),
        ("max-age=99999999", 69120),
        ("MAX-AGE=100", 80),
        ("no-store", 240),
        ("s-max-age=9", 240),
    ],
)
def test_the_next_fetch_is_due_before_the_set_is_too_old(cache_control, due):
    source = KeySource(ISSUER, JWKS)
    assert source.due(0)
    run(source, 0, ok(key_set(), cache_control))
    assert not source.due(due - 1)
    assert source.due(due)


def test_keys_are_kept_when_a_fetch_fails_and_the_next_try_waits_a_little():
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok(key_set()))
    held = source.keys
    run(source, 300, IssuerUnavailable("down"))
    assert source.keys is held
    assert source.health(300).last_error == "down"
    assert not source.due(300 + RETRY - 1)
    assert source.due(300 + RETRY)
    run(source, 310, ok(key_set()))
    assert source.health(310).last_error is None


@pytest.mark.parametrize("answer", [ok(key_set()), IssuerUnavailable("down")])
def test_an_unknown_key_causes_one_fetch_in_a_while_whatever_becomes_of_it(answer):
    source = KeySource(ISSUER, JWKS)
    assert source.due_for_unknown_key(0)
    run(source, 0, answer)
    assert not source.due_for_unknown_key(COOLDOWN - 1)
    assert source.due_for_unknown_key(COOLDOWN)


def test_a_clock_that_jumps_back_does_not_stop_the_fetches():
    source = KeySource(ISSUER, JWKS)
    run(source, 10_000, ok(key_set()))
    assert source.due_for_unknown_key(5_000)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([ok({"issuer": "https://other.example", "jwks_uri": JWKS}), GONE], "of another issuer"),
        ([ok({"issuer": ISSUER + "/", "jwks_uri": JWKS}), GONE], f"another issuer, {ISSUER}/;"),
        ([ok({"issuer": "a\nb", "jwks_uri": JWKS}), GONE], "of another issuer; the issuer must"),
        ([ok({"issuer": ISSUER}), GONE], "names no jwks_uri"),
        ([ok({"issuer": ISSUER, "jwks_uri": 1}), GONE], "names no jwks_uri"),
        ([GONE, ok({"issuer": ISSUER})], "names no jwks_uri"),
        ([Answer(500, "", b""), Answer(404, "", b"")], "answered 404"),
        ([Answer(200, "", b"<html>"), Answer(200, "", b"<html>")], "not a JSON object"),
        ([ok(METADATA), Answer(302, "", b"")], "answered 302"),
        ([ok(METADATA), Answer(200, "", b"[]")], "not a JSON object"),
        ([ok(METADATA), ok({"keys": 1})], "is not a key set"),
        ([ok(METADATA), ok({"keys": []})], "holds no usable key"),
        ([ok(METADATA), ok({"keys": [{"kty": "oct", "k": "AA"}]})], "holds no usable key"),
    ],
)
def test_what_an_issuer_publishes_wrongly_is_told_and_gives_no_key(answers, said):
    source = KeySource(ISSUER)
    run(source, 0, *answers)
    assert source.keys is None
    assert said in source.health(0).last_error
    assert said in str(source.unavailable())
