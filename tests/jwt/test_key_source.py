"""The key source by itself: a state machine, run by hand."""

import asyncio
import json

import pytest

from carnet import ConfigurationError, IssuerUnavailable, Key, KeySet
from carnet.jwt import key_source
from carnet.jwt.key_source import (
    COOLDOWN,
    FALLBACK_SECONDS,
    RETRY,
    Answer,
    Call,
    KeySource,
    carry_out,
    metadata_addresses,
)

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
            if isinstance(answer, BaseException):
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


def test_only_an_address_with_another_after_it_has_less_time():
    steps = KeySource(ISSUER).refresh(0)
    assert next(steps) == Call(
        f"{ISSUER}/.well-known/oauth-authorization-server", seconds=FALLBACK_SECONDS
    )
    assert steps.throw(IssuerUnavailable("late")) == Call(
        f"{ISSUER}/.well-known/openid-configuration"
    )


def test_keys_that_are_given_are_never_fetched_again():
    source = KeySource(ISSUER, keys=KeySet([Key.generate("ES256").public]))
    for now in (0.0, 1e9):
        assert not source.due(now)
        assert not source.due_for_unknown_key(now)


def test_the_moment_of_staleness_is_not_missed_between_two_tries():
    source = KeySource(ISSUER, JWKS, max_stale=300)
    run(source, 0, ok(key_set()))
    assert source.due(240)
    run(source, 297, IssuerUnavailable("down"))
    assert not source.due(299)
    assert source.due(300)
    assert not source.drop_stale(299)
    assert source.drop_stale(300)
    assert source.keys is None
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok(key_set()))
    assert not source.drop_stale(1e9)


def test_a_key_set_that_has_not_changed_is_not_read_again():
    source, published = KeySource(ISSUER, JWKS), key_set()
    run(source, 0, ok(published))
    before = source.keys
    run(source, 300, ok(published))
    assert source.keys is before


def test_a_fork_begins_a_fetch_anew_that_its_parent_was_in_the_middle_of():
    source = KeySource(ISSUER)
    steps = source.refresh(0)
    next(steps)
    assert not source.due(0)
    source.begin_anew()
    assert source.due(0)
    run(source, 0, ok(METADATA), ok(key_set()))
    source.begin_anew()
    assert not source.due(0)


def test_a_fetch_that_is_cut_short_is_due_again_where_there_are_no_keys():
    source = KeySource(ISSUER)
    steps = source.refresh(0)
    next(steps)
    steps.close()
    assert source.cut_short
    assert source.due(0)
    run(source, 0, ok(METADATA), ok(key_set()))
    steps = source.refresh(1)
    next(steps)
    steps.close()
    assert not source.due(1)


def test_a_fault_while_reading_is_told_and_the_keys_held_stay(monkeypatch):
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok(key_set()))

    def fails(*_):
        raise RuntimeError("a key that nobody foresaw")

    monkeypatch.setattr(key_source, "read_published", fails)
    run(source, 300, ok(key_set()))
    assert len(source.keys) == 1
    assert source.health(300).last_error == "reading what it publishes failed (RuntimeError)"


def test_an_interruption_is_no_fault_of_the_issuer():
    source = KeySource(ISSUER, JWKS)
    with pytest.raises(KeyboardInterrupt):
        run(source, 0, *[KeyboardInterrupt()])
    assert source.health(0).last_error is None


@pytest.mark.parametrize("wrong", ["RS256", {"RS256": 1}, [], ["HS256"], ["none"], [7]])
def test_only_names_of_public_key_signatures_are_algorithms(wrong):
    with pytest.raises(ConfigurationError, match="list of public-key signature algorithms"):
        KeySource(ISSUER, algorithms=wrong)


def test_where_revocations_are_told_stands_in_the_metadata():
    source = KeySource(ISSUER)
    run(source, 0, ok({**METADATA, "revocations_uri": f"{ISSUER}/revocations"}), ok(key_set()))
    assert source.revocations_uri == f"{ISSUER}/revocations"


def test_steps_are_carried_out_and_what_fails_is_told_to_them():
    asked = []

    async def send(call):
        asked.append(call.address)
        if call.address != JWKS:
            raise IssuerUnavailable("down")
        return Answer(200, "", b"{}")

    def steps():
        with pytest.raises(IssuerUnavailable):
            yield "https://elsewhere.example"
        return (yield Call(JWKS)).body

    assert asyncio.run(carry_out(steps(), send)) == b"{}"
    assert asked == ["https://elsewhere.example", JWKS]
