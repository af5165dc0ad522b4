"""Filters and paths of SCIM: pure data."""

import pytest

from carnet.server.scim.filters import equalities, matches, read_filter, read_place
from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.schemas import ENTERPRISE, USER

ADA = {
    "userName": "Ada",
    "externalId": "Ext",
    "active": True,
    "name": {"familyName": "Lovelace"},
    "emails": [
        {"value": "ada@example.com", "type": "work", "primary": True},
        {"value": "ada@home.example", "type": "home"},
    ],
    ENTERPRISE: {"department": "Engines", "manager": {"value": "m1"}},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('userName eq "ada"', True),
        ('USERNAME EQ "ADA"', True),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada"', True),
        ('userName eq "ad"', False),
        ('userName ne "ad"', True),
        # What the schema says is exact is.
        ('externalId eq "ext"', False),
        ('externalId eq "Ext"', True),
        ('name.familyName sw "love"', True),
        ('name.familyName ew "LACE"', True),
        ('name.familyName co "vel"', True),
        ('name.givenName co "vel"', False),
        ('name.givenName ne "x"', True),
        ("name.givenName pr", False),
        ("name pr", True),
        ("title eq null", True),
        ("userName eq null", False),
        ("userName ne null", True),
        ("active eq true", True),
        ("active eq false", False),
        ("active ne False", True),
        ('active eq "true"', False),
        ('userName gt "acb"', True),
        ('userName le "acb"', False),
        ('emails eq "ADA@home.example"', True),
        ('emails.value co "home"', True),
        ('emails.type eq "other"', False),
        ('emails[type eq "work"]', True),
        ('emails[type eq "work" and value co "home"]', False),
        ('emails[type eq "home" and value co "home"]', True),
        ('emails[not (type eq "work")]', True),
        ("emails[primary eq true]", True),
        (f'{ENTERPRISE}:department eq "engines"', True),
        (f'{ENTERPRISE}:manager.value eq "m1"', True),
        (f'{ENTERPRISE}:manager eq "m1"', True),
        (f"{ENTERPRISE} pr", True),
        ('userName eq "x" or userName eq "ada"', True),
        ('userName eq "x" or userName eq "ada" and active eq false', False),
        ('(userName eq "x" or userName eq "ada") and active eq true', True),
        ('not (userName eq "ada")', False),
        (r'userName eq "a\"b"', False),
        (r'userName eq "\u0041da"', True),
    ],
)
def test_filters_mean_what_the_rfc_says(text, expected):
    assert matches(read_filter(text, USER), ADA) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "userName",
        "userName eq",
        'userName is "ada"',
        'eq "ada"',
        'nobody eq "ada"',
        'userName.x eq "ada"',
        'userName eq "ada',
        "userName eq ada",
        "userName eq 7",
        'userName eq "ada" and',
        'userName eq "ada" userName',
        '(userName eq "ada"',
        'emails[type eq "work"',
        'emails[nobody eq "x"]',
        "not userName pr",
        "active gt true",
        'meta.created gt "2026"',
        'urn:x:y:userName eq "ada"',
        'userName eq "ada"; DROP TABLE account',
        r'userName eq "\x"',
        f'userName eq "{"a" * 2000}"',
        " or ".join(['userName eq "a"'] * 33),
        "(" * 9 + "userName pr" + ")" * 9,
        "(" * 500,
        "\0",
    ],
)
def test_what_is_no_filter_or_too_large_a_one_is_refused(text):
    with pytest.raises(ScimRefused) as refused:
        matches(read_filter(text, USER), ADA)
    assert refused.value.code == "invalidFilter"


def test_as_many_terms_and_as_deep_as_is_promised_are_taken():
    assert matches(read_filter(" or ".join(['userName eq "ada"'] * 32), USER), ADA)
    assert matches(read_filter("(" * 8 + "userName pr" + ")" * 8, USER), ADA)


@pytest.mark.parametrize(
    "text",
    [
        *("", "nobody", "userName.x", "name.x", "emails[", 'userName[value eq "x"]', "a.b.c.d"),
        *('emails[type eq "work"].nobody', 'emails[type eq "work"] x', "urn:x:userName"),
    ],
)
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ScimRefused) as refused:
        read_place(text, USER)
    assert refused.value.code == "invalidPath"


def test_what_must_be_equal_is_known_and_nothing_else():
    text = 'userName eq "ada" and (active eq true and emails.value eq "x")'
    assert dict(equalities(read_filter(text, USER))) == {"userName": "ada", "active": True}
    for other in ('userName eq "a" or active eq true', 'not (userName eq "a")', 'userName ne "a"'):
        assert dict(equalities(read_filter(other, USER))) == {}
