"""The verified-token cache: it saves work and changes no answer."""

import json
import sys
from contextlib import suppress

import msgspec
import pytest

from carnet import InvalidToken, Key, KeySet, Verifier
from carnet.jose import jws
from carnet.jwt.token_cache import ENDING, ENTRY, TokenCache

KEY, OTHER = Key.generate("HS256", kid="k1"), Key.generate("HS256", kid="k2")
NOW = 1_700_000_000
FULL = {"iss": "i", "aud": "a", "exp": NOW + 300}


class Watched(dict):
    """A map that tells how often it was asked for a header."""

    asked = 0

    def get(self, *arguments):
        self.asked += 1
        return super().get(*arguments)


def verifier(keys=KEY, cache=100_000, now=NOW, **options):
    one = Verifier(keys, issuer="i", audience="a", cache=cache, clock=lambda: one.now, **options)
    one.now = now
    one._judged = Watched()
    return one


def signed(key=KEY, **claims):
    return jws.sign(json.dumps({**FULL, **claims}).encode(), key)


def entry_of(cache, token):
    return cache.entries.get(token[ENDING])


def refused(one, token):
    with pytest.raises(InvalidToken) as refusal:
        one.verify(token)
    return refusal.value.code


def test_a_token_seen_before_is_not_verified_again():
    one, token = verifier(), signed(sub="ada")
    first = one.verify(token)
    assert one._judged.asked == 1
    assert one.verify(token) == one.verify(token.encode()) == first
    assert one._judged.asked == 1


def test_without_a_cache_every_token_is_verified():
    one, token = verifier(cache=0), signed()
    for _ in range(3):
        one.verify(token)
    assert one._judged.asked == 3


def test_the_time_is_checked_again_at_every_hit():
    one, token = verifier(leeway={"nbf": 0}), signed(nbf=NOW - 10, iat=NOW - 5)
    one.verify(token)
    one.now = NOW + 299.9
    one.verify(token)
    one.now = NOW + 300
    assert refused(one, token) == "expired"
    one.now = NOW - 11
    assert refused(one, token) == "not_yet_valid"
    one.now = NOW
    assert one.verify(token)["nbf"] == NOW - 10


def test_what_is_remembered_is_given_while_it_is_good_and_nothing_else_is():
    one, token = verifier(leeway={"nbf": 0}), signed(nbf=NOW - 10, iat=NOW - 5)
    assert one.remembered(token) is None
    first = one.verify(token)
    assert one.remembered(token) == first
    assert one._judged.asked == 1
    assert one.remembered(token.encode()) is one.remembered([token]) is None
    for one.now in (NOW + 300, NOW - 11):
        assert one.remembered(token) is None
    one.now = NOW
    assert one.remembered(token) == first
    one.keys = KeySet([OTHER])
    assert one.remembered(token) is None


def test_what_is_remembered_has_the_form_that_was_asked_for():
    class Said(msgspec.Struct):
        iss: str

    one, token = verifier(claims_type=Said), signed()
    assert one.verify(token) == one.remembered(token) == Said("i")
    forgetful = verifier(cache=0)
    forgetful.verify(token)
    assert forgetful.remembered(token) is None


def test_the_age_is_checked_again_at_every_hit():
    one, token = verifier(max_age=60), signed(iat=NOW)
    one.verify(token)
    one.now = NOW + 60
    assert refused(one, token) == "too_old"


def test_a_clock_that_was_set_back_is_noticed_at_a_hit():
    one, token = verifier(), signed(iat=NOW)
    one.verify(token)
    one.now = NOW - 61
    assert refused(one, token) == "not_yet_valid"


def test_leeway_counts_at_a_hit_as_it_does_at_first_sight():
    one, token = verifier(leeway=30), signed(nbf=NOW)
    one.verify(token)
    for moment in (NOW - 30, NOW + 329):
        one.now = moment
        one.verify(token)
    one.now = NOW + 330
    assert refused(one, token) == "expired"


def test_a_changed_key_set_forgets_what_the_old_one_signed():
    one, token = verifier(KeySet([KEY])), signed()
    one.verify(token)
    one.keys = KeySet([OTHER])
    assert refused(one, token) == "key_not_found"
    one.keys = KeySet([KEY, OTHER])
    assert one.verify(token) == FULL


def test_an_answer_is_given_to_the_very_same_token_only():
    one, token = verifier(), signed(sub="ada")
    one.verify(token)
    for place in range(len(token)):
        other = token[:place] + ("B" if token[place] == "A" else "A") + token[place + 1 :]
        with pytest.raises(InvalidToken):
            one.verify(other)
    for other in (token + "=", token + "\n", " " + token, token[:-1], token.lower()):
        with pytest.raises(InvalidToken):
            one.verify(other)


def test_a_text_that_claims_to_equal_a_cached_token_is_verified_as_what_it_is():
    class Liar(str):
        __slots__ = ()

        def __eq__(self, other):
            return True

        def __hash__(self):
            return hash(genuine[ENDING])

        def __getitem__(self, place):
            return self

    genuine = signed(sub="ada")
    one = verifier()
    one.verify(genuine)
    assert refused(one, Liar(signed(OTHER, sub="eve"))) == "key_not_found"


@pytest.mark.parametrize("ask", [Verifier.verify, Verifier.remembered])
def test_a_token_that_ends_as_another_does_is_never_taken_for_it(ask):
    one, token = verifier(), signed(sub="ada")
    said = one.verify(token)
    ending = token[ENDING]
    for other in (ending, "A" + token, token[1:], "A" * (len(token) - 64) + ending):
        with suppress(InvalidToken):
            assert ask(one, other) is None
    assert ask(one, token) is said


def test_of_tokens_that_end_alike_the_last_is_kept_and_each_is_verified_as_what_it_is():
    one, first = verifier(), signed(sub="ada")
    one.verify(first)
    second = "another text" + first[ENDING]
    one._cache.put(second, "another answer", (0, NOW), 3)
    assert len(one._cache) == 1
    assert one._cache.used == entry_of(one._cache, second)[3]
    assert one.remembered(first) is None
    assert one.verify(first) == {**FULL, "sub": "ada"}
    assert one._judged.asked == 2
    assert len(one._cache) == 1
    assert one._cache.used == entry_of(one._cache, first)[3]


def test_an_ml_dsa_token_has_an_ending_of_its_own_although_its_signature_ends_with_few_numbers():
    key = Key.generate("ML-DSA-44")
    assert len({jws.sign(b"%d" % number, key)[ENDING] for number in range(100)}) == 100


def test_a_refused_token_is_not_kept():
    one = verifier()
    for token in (signed(OTHER), signed(exp=NOW), signed(aud="b"), "a.b.c", signed()[:-1]):
        refused(one, token)
        refused(one, token)
    assert len(one._cache) == one._cache.used == 0


def test_each_verifier_has_a_cache_of_its_own():
    token = signed()
    verifier().verify(token)
    other = Verifier(KEY, issuer="i", audience="b", cache=100_000, clock=lambda: NOW)
    assert refused(other, token) == "audience_mismatch"


def test_changing_what_came_from_the_cache_changes_no_other_answer():
    one, token = verifier(), signed(roles=["CLERK"], x={"y": [1]})
    one.verify(token)["roles"].append("ADMIN")
    one.verify(token)["x"]["y"].clear()
    assert one.verify(token)["roles"] == ["CLERK"]
    assert one.verify(token)["x"] == {"y": [1]}


def test_the_oldest_tokens_make_room_for_new_ones():
    one = verifier(cache=20 * ENTRY)
    tokens = [signed(jti=str(number)) for number in range(50)]
    for token in tokens:
        one.verify(token)
        assert one._cache.used <= 20 * ENTRY
    kept = [token for token in tokens if entry_of(one._cache, token)]
    assert 0 < len(kept) < 20
    assert kept == tokens[-len(kept) :]


def test_a_token_larger_than_the_cache_is_verified_and_not_kept():
    one = verifier(cache=20 * ENTRY)
    small, large = signed(), signed(x="x" * 20_000)
    one.verify(small)
    assert one.verify(large)["x"] == "x" * 20_000
    assert entry_of(one._cache, small)
    assert not entry_of(one._cache, large)


def test_a_cache_too_small_for_any_token_keeps_none():
    one = verifier(cache=1)
    assert one.verify(signed()) == one.verify(signed()) == FULL
    assert len(one._cache) == 0


def test_a_cache_that_begins_anew_is_empty_and_can_be_filled():
    cache = TokenCache(100_000)
    cache.put("token", "said", (0, 1), 0)
    # As in a fork, while a thread of the process before it was about to put something in.
    cache._lock.acquire()
    cache.begin_anew()
    assert (entry_of(cache, "token"), cache.used) == (None, 0)
    cache.put("token", "said", (0, 1), 0)
    assert entry_of(cache, "token") is not None


def test_a_token_kept_again_counts_once():
    cache = TokenCache(100_000)
    for until in (1.0, 2.0, 3.0):
        cache.put("token", "said", (0.0, until), 1)
    assert len(cache) == 1
    assert entry_of(cache, "token")[:3] == ("said", 0.0, 3.0)
    assert cache.used == entry_of(cache, "token")[3]


def held(value, seen):
    """The bytes that a value holds, with all that hangs on it, each object once."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        size += sum(held(name, seen) + held(item, seen) for name, item in value.items())
    elif isinstance(value, list | tuple):
        size += sum(held(item, seen) for item in value)
    return size


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x" * 20_000,
        "x" * 20_000 + "\U0001f600",
        "\U0001f600" * 5_000,
        [[]] * 8_000,
        [{}] * 8_000,
        [{"": 1}] * 4_000,
        [{"a": {}}] * 3_000,
        [["ab"]] * 3_000,
        [str(number) for number in range(100, 999)] * 8,
        [1.5] * 8_000,
        [1000 + number for number in range(6_000)],
        {str(number): number for number in range(3_000)},
        {f"{number:x}": 1.5 for number in range(3_000)},
        [{f"{number:x}": number + 1000} for number in range(2_500)],
    ],
)
def test_a_token_is_counted_with_at_least_the_memory_that_it_takes(value):
    one = verifier(cache=100_000_000)
    token = jws.sign(msgspec.json.encode({**FULL, "x": value}), KEY)
    one.verify(token)
    entry = entry_of(one._cache, token)
    assert entry is not None
    texts = held(token, set()) + held(token[ENDING], set())
    assert texts + held(entry[0]._claims, set()) + 500 <= one._cache.used
