"""Usernames: one form of each, of one script, and none that looks like another."""

import re
import sys
import unicodedata

import pytest

from carnet.server.accounts.accounts import AccountRefused
from carnet.server.accounts.usernames import canonical_username, is_acceptable, skeleton
from carnet.server.audit import OPERATOR

PASSWORD = "paper-boat-harbour"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


@pytest.mark.parametrize(
    "username",
    [
        *("alice", "Alice.Smith-3_x", "alice@example.com", "josé", "müller", "ẹ́kọ́", "ŝipo"),
        *("алиса", "ёлка", "αλίκη", "դավիթ", "דוד", "דוד7", "محمد", "سارة٣", "ალისა"),
        *("अंजलि", "ธีรศักดิ์", "김민수", "山田太郎", "やまだtarou", "ヤマダ", "สมชาย1", "王小明w"),
        *("ọlá", "ɛnyɔnam", "ጸሃይ", "தமிழ்", "ගයාන්", "ខ្មែរ"),
    ],
)
def test_people_of_all_languages_find_a_name(username):
    assert is_acceptable(canonical_username(username))


@pytest.mark.parametrize(
    "username",
    [
        *("", " ", "a b", "a\tb", "a\u00a0b", "a\u2003b", "alice\x00", "ali\x1bce"),
        # Drawn as nothing.
        *("ali\u034fce", "ali\u115fce", "ali\u1160ce", "ali\u3164ce", "ali\uffa0ce"),
        *("ali\u180bce", "ali\u180fce", "ali\ufe0fce", "ali\U000e0101ce", "ali\u17b4ce"),
        *("ali\u200bce", "ali\u200dce", "ali\u2060ce", "ali\u00adce", "ali\ufeffce"),
        *("ali\u202ece", "ali\u2066ce", "ali\u061cce", "ali\u2800ce", "ali\U0001bca0ce"),
        *("ali\U00013441ce", "ali\U00016fe4ce", "\u0301alice"),
        # Of two scripts.
        *("\u0430lice", "al\u0456ce", "alic\u03b5", "ali\u0441e", "al\u13a5ce", "\u0585live"),
        *("\u03b1\u043b\u0438", "ali\u05d5", "한글かな", "日本кот", "a\u0660", "alice\u0e50"),
        # Of scripts and letters that nobody writes every day.
        *("\u13aa\u13de", "\ua4d0\ua4f2", "\U00010420\U00010428", "\u2c9f\u2ca3"),
        *("\u1d00lice", "a\u01c0ice\u0251", "al\u0269ce\u0251"),
        # No letters: symbols, private use, unassigned, half of a pair, parts of old Hangul.
        *("alice☺", "alice€", "alice·", "a\ue000", "a\U000e0fff", "a\ud800", "a\u1100"),
        # Marks in towers, and letters that only stretch.
        *("a\u0301\u0301", "a\u0335\u0336\u0337\u0338\u0334", "\u0645\u0640\u062d", "x\u1ab0"),
        # From right to left, out of order.
        *("7דוד", ".דוד", "דוד.", "abcדוד", "\u0645\u06607"),
        "x" * 129,
    ],
    ids=ascii,
)
def test_what_is_no_name_for_a_new_account_is_told_apart(username):
    assert not is_acceptable(canonical_username(username))


def test_nobody_gets_a_name_that_is_none(play):
    async def scene(service, _clock):
        for username in ("", "a b", "ali\u034fce", "\u0430lice", "\u13aa\u13de"):
            with pytest.raises(AccountRefused) as refused:
                await service.accounts.create(username, PASSWORD)
            assert refused.value.code == "username_invalid"

    play(scene)


# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt.
DRAWN_AS_NOTHING = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def test_of_all_characters_none_makes_a_second_alice():
    for code in range(sys.maxunicode + 1):
        name = canonical_username(f"ali{chr(code)}ce")
        if is_acceptable(name):
            assert name != "alice", hex(code)
            assert not DRAWN_AS_NOTHING.search(name), hex(code)
            if skeleton(name) == "alice":
                # An accent that makes no other letter: the name is another's.
                assert unicodedata.category(name[3]) == "Mn", hex(code)


@pytest.mark.parametrize(
    ("username", "other"),
    [
        ("alice", "\u0430\u04cf\u0456\u0441\u0435"),
        ("alice", "al\u0131ce"),
        ("alice", "a1ice"),
        ("alice", "ali\u0338ce"),
        ("scope", "\u0455\u0441\u043e\u0440\u0435"),
        ("modern", "rnodern"),
        ("bob0", "bobo"),
        ("axa", "\u0430\u0445\u0430"),
        ("ouk", "\u03bf\u03c5\u03ba"),
        ("uno", "\u057d\u0578\u0585"),
        ("エロ", "工口"),
        ("paypa1", "\u0440\u0430\u0443\u0440\u0430\u04cf"),
        ("\u0440\u0430\u0443", "pay"),
    ],
    ids=ascii,
)
def test_names_that_look_alike_have_one_skeleton(username, other):
    assert skeleton(canonical_username(username)) == skeleton(canonical_username(other))


@pytest.mark.parametrize(
    ("username", "other"),
    [("alice", "alicia"), ("jose", "josé"), ("алиса", "алина"), ("a.b", "a-b"), ("ann", "anna")],
)
def test_names_that_do_not_look_alike_have_two(username, other):
    assert skeleton(canonical_username(username)) != skeleton(canonical_username(other))


@pytest.mark.parametrize("typed", ["alice ", " Alice", "\u00a0ALICE\t", "\uff21lice\u3000"])
def test_white_space_around_a_name_makes_no_difference(typed):
    assert canonical_username(typed) == "alice"


def test_a_name_that_looks_like_anothers_is_not_to_be_had(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        with pytest.raises(AccountRefused, match="another account's") as refused:
            await service.accounts.create("\u0430\u04cf\u0456\u0441\u0435", PASSWORD)
        with pytest.raises(AccountRefused) as taken:
            await service.accounts.create(" ALICE ", PASSWORD)
        return refused.value.code, taken.value.code, len(await service.accounts.page())

    assert play(scene) == ("username_alike", "username_taken", 1)


def test_accounts_from_before_go_on_signing_in_and_guard_their_looks(play):
    names = ["alice", "\u0430\u04cf\u0456\u0441\u0435", "ali\u034fce", "\u13aa\u13de"]

    async def make(service, _clock):
        for number, name in enumerate(names):
            await service.accounts.create(f"user{number}", PASSWORD)
            await service.store.write(
                "UPDATE account SET username = $1, skeleton = NULL WHERE username = $2",
                *(name, f"user{number}"),
            )

    async def look(service, _clock):
        for name in names:
            assert await service.accounts.authenticate(name, PASSWORD), name
            await service.accounts.set_roles(
                (await service.accounts.find(name)).id, ["a"], OPERATOR
            )
        rows = await service.store.read("SELECT COUNT(*) FROM account WHERE skeleton IS NULL")
        with pytest.raises(AccountRefused) as refused:
            await service.accounts.create("al\u0131ce", PASSWORD)
        return rows, refused.value.code

    play(make)
    assert play(look) == ([(0,)], "username_alike")
