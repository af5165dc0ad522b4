"""A header that comes twice is not taken for one."""

from carnet.browser.headers import joined
from carnet.browser.origin import comes_from_own_pages


def test_names_are_in_small_letters_and_several_of_one_name_are_joined():
    headers = [("Accept", "a"), ("Origin", "x"), ("ACCEPT", "b"), ("accept", "")]
    assert joined(headers) == {"accept": "a, b, ", "origin": "x"}


def test_of_two_origins_neither_counts():
    ours, other = ("Origin", "https://a.example"), ("origin", "https://evil.example")
    assert comes_from_own_pages("POST", joined([ours]), ours[1])
    for several in ([ours, other], [other, ours], [ours, ours]):
        assert not comes_from_own_pages("POST", joined(several), ours[1])
