"""Refresh tokens by themselves: no clock, no database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import InvalidToken
from carnet.server.sessions.refresh_token import (
    MAX_GENERATION,
    RefreshToken,
    mint,
    new_secret,
    parse,
)

PEPPERS = {1: b"p" * 32, 7: b"q" * 32}


@given(
    st.sampled_from(sorted(PEPPERS)),
    st.binary(min_size=32, max_size=32),
    st.integers(0, MAX_GENERATION),
)
def test_a_token_says_what_was_put_into_it(pepper_id, secret, generation):
    token = RefreshToken(pepper_id, secret, generation)
    assert parse(mint(token, PEPPERS[pepper_id]), PEPPERS) == token


def test_no_character_can_be_changed():
    text = mint(RefreshToken(1, new_secret(), 3), PEPPERS[1])
    for place in range(len(text)):
        for other in {"A", "B", "_", "=", " "} - {text[place]}:
            with pytest.raises(InvalidToken):
                parse(text[:place] + other + text[place + 1 :], PEPPERS)


def test_a_token_under_an_unknown_or_another_pepper_is_refused():
    with pytest.raises(InvalidToken):
        parse(mint(RefreshToken(2, new_secret(), 0), b"r" * 32), PEPPERS)
    with pytest.raises(InvalidToken):
        parse(mint(RefreshToken(1, new_secret(), 0), PEPPERS[7]), PEPPERS)


@given(st.text(max_size=200))
def test_any_other_text_is_refused_as_ours(text):
    with pytest.raises(InvalidToken):
        parse(text, PEPPERS)


def test_the_database_knows_a_session_by_a_hash_from_which_no_token_can_be_made():
    token = RefreshToken(1, new_secret(), 0)
    assert len(token.secret_hash) == 32
    assert token.secret_hash != token.secret
    assert token.secret_hash == token._replace(generation=9).secret_hash
