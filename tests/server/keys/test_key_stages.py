"""The stages of keys, by their dates alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.server.keys.stages import KeyDates, Stage, rotation_due, stages

KEPT = 100


def key(kid, signs_from, created_at=0, retired_at=None, alg="ES256"):
    return KeyDates(kid, alg, created_at, signs_from, retired_at)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (0, {"a": "signing", "b": "published"}),
        (999, {"a": "signing", "b": "published"}),
        (1000, {"a": "retired", "b": "signing"}),
        (1099, {"a": "retired", "b": "signing"}),
        (1100, {"a": "removed", "b": "signing"}),
    ],
)
def test_a_key_goes_through_its_stages_in_time(now, expected):
    assert stages([key("a", 0), key("b", 1000)], now, KEPT) == expected


def test_a_key_taken_out_by_hand_is_removed_at_once_and_the_one_before_signs_again():
    found = stages([key("a", 0), key("b", 50, retired_at=60)], 60, KEPT)
    assert found == {"a": Stage.SIGNING, "b": Stage.REMOVED}


def test_each_algorithm_has_a_key_of_its_own():
    found = stages([key("a", 0), key("r", 0, alg="RS256")], 10, KEPT)
    assert found == {"a": Stage.SIGNING, "r": Stage.SIGNING}


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=8, unique=True),
    st.integers(0, 3000),
)
def test_one_key_signs_at_any_time_even_by_a_clock_that_is_behind(dates, now):
    keys = [key(f"k{date}", date) for date in dates]
    found = stages(keys, now, KEPT)
    signing = [kid for kid, stage in found.items() if stage is Stage.SIGNING]
    assert signing == [f"k{max((date for date in dates if date <= now), default=min(dates))}"]


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=8, unique=True), st.integers(0, 1000))
def test_no_key_leaves_before_its_last_token_has_expired(dates, issued_at):
    keys = [key(f"k{date}", date) for date in dates]
    signing = [kid for kid, s in stages(keys, issued_at, KEPT).items() if s is Stage.SIGNING]
    for kid in signing:
        assert stages(keys, issued_at + KEPT - 1, KEPT)[kid] is not Stage.REMOVED


@pytest.mark.parametrize(
    ("keys", "now", "due"),
    [
        ([], 7, 7),
        ([key("a", 0)], 0, None),
        ([key("a", 0)], 899, None),
        ([key("a", 0)], 900, 1000),
        ([key("a", 0)], 5000, 5100),
        ([key("a", 0), key("b", 1000)], 950, None),
        ([key("a", 0, retired_at=1)], 7, 7),
        ([key("r", 0, alg="RS256")], 7, 7),
    ],
)
def test_the_next_key_is_made_early_enough_to_be_known_before_it_signs(keys, now, due):
    assert rotation_due(keys, "ES256", now, lifetime=1000, lead=100) == due
