"""The list of revocations by itself: what each event does, and which are refused."""

import base64
import json
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import InvalidToken, IssuerUnavailable, Key, KeySet
from carnet.jose import jws
from carnet.verifier.revocations import RevocationList, read_event

# What the clocks say at the beginning of each test: the one that never jumps, and the other one.
START = 1_800_000_000


def snapshot(seq=5, *entries, part=0, last=True, **more):
    return {
        "event": "snapshot",
        "iat": START,
        "prev": 0,
        "seq": seq,
        "part": part,
        "last": last,
        "entries": list(entries),
        "kept": 360,
        **more,
    }


def increment(prev, seq, *entries, iat=START, **more):
    event = {"event": "increment", "prev": prev, "seq": seq, "entries": list(entries)}
    return {**event, "iat": iat, **more}


def heartbeat(seq, iat=START):
    return {"event": "heartbeat", "prev": seq, "seq": seq, "entries": [], "iat": iat}


class Following(RevocationList):
    """A list that is told events at a time since the start, by both clocks alike."""

    def apply(self, event, now, unix=None):
        super().apply(event, now, START + now if unix is None else unix)


@pytest.fixture
def known():
    made = Following()
    made.apply(snapshot(5, ["sid", "s1"], ["sub", "ada", 3], ["jti", "t1"]), 0)
    return made


def refusal(known, **claims):
    try:
        known.check(claims)
    except InvalidToken as error:
        return error.claim if error.code == "revoked" else error.code
    return None


@pytest.mark.parametrize(
    ("claims", "claim"),
    [
        ({"sid": "s1"}, "sid"),
        ({"sid": "s2"}, None),
        ({"sub": "ada", "sub_ver": 2}, "sub_ver"),
        ({"sub": "ada", "sub_ver": 3}, None),
        ({"sub": "ada"}, None),
        ({"sub": "bob", "sub_ver": 1}, None),
        # What is no version is older than any.
        ({"sub": "ada", "sub_ver": "9"}, "sub_ver"),
        ({"sub": "ada", "sub_ver": [9]}, "sub_ver"),
        ({"sub": "bob", "sub_ver": "9"}, None),
        ({"sub": ["ada"], "sub_ver": 2}, None),
        ({"jti": "t1"}, "jti"),
        ({}, None),
    ],
)
def test_each_kind_of_entry_refuses_its_tokens(known, claims, claim):
    assert refusal(known, **claims) == claim


def test_increments_add_and_heartbeats_confirm(known):
    known.apply(increment(5, 6, ["sid", "s2"], iat=START + 1), 1)
    assert refusal(known, sid="s2") == "sid"
    assert (known.position, known.heard_at) == (6, 1)
    known.apply(heartbeat(6, START + 9), 9)
    assert (known.position, known.heard_at) == (6, 9)
    assert len(known) == 4


@pytest.mark.parametrize(
    "event",
    [
        {},
        increment(4, 6),
        increment(6, 7),
        increment(5, 5),
        increment(5, 4),
        heartbeat(6),
        heartbeat(4),
        {**heartbeat(5), "event": "other"},
        {**heartbeat(5), "seq": 6},
        {**increment(5, 6), "entries": None},
        {**heartbeat(5), "iat": None},
        {**heartbeat(5), "iat": True},
        {**heartbeat(5), "iat": str(START)},
        {**increment(5, 6), "seq": "6"},
        {**increment(5, 6), "prev": True},
        increment(5, 6, ["sid"]),
        increment(5, 6, ["sid", 1]),
        increment(5, 6, ["new", "x"]),
        increment(5, 6, ["sub", "ada", True]),
        increment(5, 6, ["sub", "ada", 4.0]),
        increment(5, 6, "sid"),
        snapshot(7, part=1),
        snapshot(7, ["sub", "ada"]),
    ],
)
def test_an_event_that_does_not_follow_is_refused_and_nothing_is_forgotten(known, event):
    with pytest.raises(IssuerUnavailable):
        known.apply(event, 1)
    assert (known.position, known.heard_at) == (5, 0)
    assert refusal(known, sid="s1") == "sid"


def test_a_snapshot_refuses_with_each_part_and_is_known_with_its_last():
    known = Following()
    with pytest.raises(IssuerUnavailable):
        known.apply(heartbeat(0), 0)
    known.apply(snapshot(9, ["sid", "a"], part=0, last=False), 0)
    assert known.position is None
    assert refusal(known, sid="a") == "sid"
    known.apply(snapshot(9, ["sid", "b"], part=1, last=True), 0)
    assert known.position == 9
    assert (refusal(known, sid="a"), refusal(known, sid="b")) == ("sid", "sid")


@pytest.mark.parametrize("parts", [[1], [0, 2], [0, 1, 1], [0, None]])
def test_a_snapshot_whose_parts_do_not_follow_each_other_is_not_known(parts):
    known = Following()
    for number in parts[:-1]:
        known.apply(snapshot(5, part=number, last=False), 0)
    with pytest.raises(IssuerUnavailable):
        known.apply(snapshot(5, part=parts[-1]), 0)
    assert known.position is None


def test_whoever_begins_anew_takes_nothing_but_a_snapshot(known):
    known.restart()
    with pytest.raises(IssuerUnavailable):
        known.apply(heartbeat(5, START + 1), 1)
    assert (known.position, known.heard_at) == (None, 0)


@pytest.mark.parametrize("seq", [2, 5, 9])
def test_a_snapshot_drops_nothing_that_was_known(known, seq):
    """As after a restore from a backup, from a replica that lags behind, or from a replay."""
    known.restart()
    known.apply(snapshot(seq, ["sid", "other"], ["sub", "ada", 1]), 1)
    assert known.position == seq
    assert refusal(known, sid="s1") == refusal(known, sid="other") == "sid"
    assert refusal(known, jti="t1") == "jti"
    assert refusal(known, sub="ada", sub_ver=2) == "sub_ver"


def test_what_a_later_snapshot_does_not_hold_any_more_is_dropped_when_its_time_is_over(known):
    for seq, now in ((6, 361), (7, 722)):
        known.restart()
        known.apply(snapshot(seq, ["sid", "s3"], iat=START + now), now)
    assert refusal(known, sid="s1") is None
    assert refusal(known, sid="s3") == "sid"
    assert len(known) == 1


def test_a_snapshot_of_an_older_time_does_not_bring_an_older_version_back(known):
    known.apply(snapshot(6, ["sub", "ada", 2], iat=START + 361), 361)
    assert refusal(known, sub="ada", sub_ver=2) == "sub_ver"
    known.apply(snapshot(7, ["sub", "ada", 3], iat=START + 362), 362)
    assert len(known) == 3


def test_entries_are_kept_for_the_longest_time_that_the_issuer_has_named(known):
    known.apply(increment(5, 6, ["sid", "s2"], kept=3660), 0)
    known.apply(increment(6, 7, ["sid", "s3"], kept=60, iat=START + 722), 722)
    known.apply(increment(7, 8, ["sid", "s4"], kept=60, iat=START + 1444), 1444)
    assert refusal(known, sid="s1") == refusal(known, sid="s2") == "sid"


def ages(known, now, unix=None):
    return known.age(now, START + now if unix is None else unix)


def test_the_age_is_that_of_the_moment_that_the_issuer_has_signed(known):
    assert ages(known, 0) == 0
    # It was on its way, or held back, for a minute; ten seconds are the clocks' to differ.
    known.apply(heartbeat(5, START), 60)
    assert ages(known, 60) == 60
    known.apply(heartbeat(5, START + 40), 60)
    assert ages(known, 60) == 10
    known.apply(heartbeat(5, START + 40), 63)
    assert ages(known, 63) == 13
    known.apply(heartbeat(5, START + 60), 64)
    assert ages(known, 64) == 0
    assert ages(known, 67) == 3


def test_a_recorded_heartbeat_that_is_sent_again_proves_nothing(known):
    beat = heartbeat(5, START + 10)
    known.apply(beat, 10)
    for now in (12, 14, 16):
        known.apply(beat, now)
    assert (known.position, ages(known, 40)) == (5, 30)


def test_a_stream_of_yesterday_proves_nothing_to_a_verifier_that_has_just_begun():
    known = Following()
    known.apply(snapshot(5, ["sid", "s1"]), 86_400)
    known.apply(heartbeat(5, START + 5), 86_400)
    assert ages(known, 86_400) > 86_000
    assert refusal(known, sid="s1") == "sid"


@pytest.mark.parametrize("event", [heartbeat(5, START - 11), snapshot(4, iat=START - 11)])
def test_an_event_that_is_older_than_the_newest_is_refused(known, event):
    with pytest.raises(IssuerUnavailable, match="older than one that came before"):
        known.apply(event, 1)
    assert (known.position, known.heard_at) == (5, 0)


def test_replicas_whose_clocks_differ_a_little_are_followed(known):
    known.apply(heartbeat(5, START + 20), 18)
    known.apply(heartbeat(5, START + 15), 23)
    assert known.position == 5
    assert ages(known, 23) == 5


def test_a_time_ahead_of_the_clock_here_proves_nothing_and_its_entries_count(known):
    known.apply(increment(5, 6, ["sid", "s2"], iat=START + 1000), 5)
    assert refusal(known, sid="s2") == "sid"
    assert (known.position, known.heard_at) == (6, 0)
    assert known.ahead == 995
    known.apply(heartbeat(6, START + 6), 6)
    assert (known.heard_at, known.ahead) == (6, 0)


def test_a_clock_that_was_set_back_here_does_not_end_the_following(known):
    known.apply(heartbeat(5, START + 5), 5)
    known.apply(heartbeat(5, START - 3600 + 10), 10, START - 3600 + 10)
    assert ages(known, 10, START - 3600 + 10) == 0


def test_an_increment_of_which_more_is_to_come_proves_nothing_yet(known):
    known.apply(increment(5, 6, ["sid", "s2"], iat=START + 20, more=True), 20)
    assert (known.position, known.heard_at) == (6, 0)
    known.apply(increment(6, 7, ["sid", "s3"], iat=START + 20), 20)
    assert (known.position, known.heard_at) == (7, 20)


def test_entries_are_dropped_when_no_token_can_need_them(known):
    known.apply(increment(5, 6, ["sid", "s2"], iat=START + 359), 359)
    known.apply(increment(6, 7, ["sid", "s3"], iat=START + 361), 361)
    assert refusal(known, sid="s1") == "sid"
    known.apply(increment(7, 8, ["sid", "s4"], iat=START + 722), 722)
    assert refusal(known, sid="s1") is None
    assert refusal(known, sid="s2") is None
    assert refusal(known, sid="s3") == "sid"
    assert len(known) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=20))
def test_a_version_never_goes_back(changes):
    known = Following()
    known.apply(snapshot(0), 0)
    highest = {}
    for seq, (subject, version) in enumerate(changes, 1):
        known.apply(increment(seq - 1, seq, ["sub", subject, version]), 0)
        highest[subject] = max(version, highest.get(subject, 0))
    for subject, version in highest.items():
        assert refusal(known, sub=subject, sub_ver=version - 1) == "sub_ver"
        assert refusal(known, sub=subject, sub_ver=version) is None


def test_a_million_entries_would_cost_less_than_150_megabytes():
    count, some = 100_000, random.Random(5)

    def entry(number):
        name = base64.urlsafe_b64encode(some.randbytes(16)).decode().rstrip("=")
        kinds = (["sid", name], ["sid", name], ["jti", name], ["sub", name, 1 + number % 9])
        return kinds[number % 4]

    def events():
        """As they come: most of them in a snapshot's parts, and the others one by one."""
        for part in range(95):
            entries = (entry(number) for number in range(1000))
            # Decoded from text, so that each name is a string of its own, as from the wire.
            yield json.loads(json.dumps(snapshot(1, *entries, part=part, last=part == 94)))
        for number in range(5000):
            yield json.loads(json.dumps(increment(number + 1, number + 2, entry(number))))

    tracemalloc.start()
    try:
        known = Following()
        before = tracemalloc.get_traced_memory()[0]
        for event in events():
            known.apply(event, 0)
        del event
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(known) == count
    assert held / count * 1_000_000 < 150_000_000


KEY, ISSUER = Key.generate("ES256"), "https://auth.example.com"


def signed(key=KEY, typ="revocations+jwt", **payload):
    return jws.sign(json.dumps({"iss": ISSUER, **payload}).encode(), key, {"typ": typ})


def test_an_event_is_believed_only_where_the_issuer_signed_it():
    keys = KeySet([KEY.public])
    assert read_event(signed(seq=1), keys, ISSUER)["seq"] == 1
    for text in (
        signed(Key.generate("ES256")),
        signed(typ="at+jwt"),
        signed(iss="https://other.example"),
        "nonsense",
        signed()[:-2] + "AA",
    ):
        with pytest.raises(IssuerUnavailable):
            read_event(text, keys, ISSUER)
