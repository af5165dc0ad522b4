"""The checks of a claim set: types first, then what each claim says."""

from datetime import timedelta
from math import inf

import pytest

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jwt.policy import ISSUED_AHEAD, LATEST, UNCHECKED, Policy

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
NOW = 1_700_000_000
FULL = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": NOW - 10, "exp": NOW + 60}

NO_NUMBERS = [None, True, False, "1700000000", "", [NOW], {}, float("nan"), float("inf"), -1, -0.5]
NO_DATES = [*NO_NUMBERS, LATEST + 1, 1e300, 10**400]


def policy(**options):
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "access_token": False, "leeway": 0}
    return Policy(**{**settings, "max_age": None, "required": (), **options})


def accepted(changes=(), *, now=NOW, without=(), **options):
    claims = {**FULL, **dict(changes)}
    for name in without:
        del claims[name]
    policy(**options).check(claims, now)


def refused(code, claim, changes=(), **options):
    with pytest.raises(InvalidToken) as refusal:
        accepted(changes, **options)
    assert (refusal.value.code, refusal.value.claim) == (code, claim)
    assert refusal.value.expected
    return refusal.value


def test_a_claim_set_that_says_what_is_expected_is_accepted():
    accepted()


# exp


def test_a_token_without_an_expiry_is_refused():
    refused("claim_missing", "exp", without=["exp"])


@pytest.mark.parametrize("value", NO_DATES)
def test_an_expiry_that_is_no_number_of_seconds_is_refused(value):
    refused("claim_invalid", "exp", {"exp": value})


def test_an_expiry_before_1970_is_refused_even_by_a_clock_that_is_there():
    refused("claim_invalid", "exp", {"exp": -1}, now=-100)


@pytest.mark.parametrize("value", [NOW + 1, NOW + 0.5, LATEST, float(LATEST)])
def test_a_token_is_accepted_until_the_moment_before_its_expiry(value):
    accepted({"exp": value})


@pytest.mark.parametrize("value", [NOW, NOW - 0.5, NOW - 1, 0])
def test_a_token_is_refused_from_the_moment_of_its_expiry(value):
    refused("expired", "exp", {"exp": value})


def test_leeway_prolongs_a_token_by_exactly_that_much():
    accepted({"exp": NOW - 29}, leeway=30)
    refused("expired", "exp", {"exp": NOW - 30}, leeway=30)


def test_leeway_may_be_a_timedelta():
    accepted({"exp": NOW - 59}, leeway=timedelta(minutes=1))
    refused("expired", "exp", {"exp": NOW - 60}, leeway=timedelta(minutes=1))


# nbf


@pytest.mark.parametrize("value", NO_DATES)
def test_a_beginning_that_is_no_number_of_seconds_is_refused(value):
    refused("claim_invalid", "nbf", {"nbf": value})


def test_a_token_is_accepted_from_the_moment_of_its_beginning():
    accepted({"nbf": NOW}, leeway={"nbf": 0})
    refused("not_yet_valid", "nbf", {"nbf": NOW + 1}, leeway={"nbf": 0})
    refused("not_yet_valid", "nbf", {"nbf": NOW + 0.001}, leeway={"nbf": 0})


def test_a_token_may_begin_only_as_far_ahead_as_clocks_differ():
    accepted({"nbf": NOW + ISSUED_AHEAD})
    refused("not_yet_valid", "nbf", {"nbf": NOW + ISSUED_AHEAD + 1})
    accepted({"nbf": NOW + 90}, leeway=90)
    refused("not_yet_valid", "nbf", {"nbf": NOW + 91}, leeway=90)


def test_each_date_may_have_a_leeway_of_its_own():
    own = {"exp": 5, "iat": timedelta(seconds=20), "nbf": 10}
    accepted({"nbf": NOW + 10, "iat": NOW + 20, "exp": NOW - 4}, leeway=own)
    refused("not_yet_valid", "nbf", {"nbf": NOW + 11}, leeway=own)
    refused("not_yet_valid", "iat", {"iat": NOW + 21}, leeway=own)
    refused("expired", "exp", {"exp": NOW - 5}, leeway=own)
    accepted({"iat": NOW - 79}, max_age=60, leeway=own)
    refused("too_old", "iat", {"iat": NOW - 80}, max_age=60, leeway=own)


def test_a_date_without_a_leeway_of_its_own_has_that_of_one_for_which_nothing_is_said():
    for own in ({}, {"nbf": 0}):
        accepted({"iat": NOW + ISSUED_AHEAD}, leeway=own)
        refused("not_yet_valid", "iat", {"iat": NOW + ISSUED_AHEAD + 1}, leeway=own)
        refused("expired", "exp", {"exp": NOW}, leeway=own)
        refused("too_old", "iat", {"iat": NOW - 60}, max_age=60, leeway=own)
    accepted({"nbf": NOW + ISSUED_AHEAD}, leeway={"exp": 0})


@pytest.mark.parametrize("own", [{"aud": 5}, {1: 5}, {"exp": None}, {"exp": -1}, {"nbf": "5"}])
def test_a_leeway_is_for_one_of_the_dates_and_a_duration(own):
    with pytest.raises(ConfigurationError, match="leeway"):
        policy(leeway=own)


# Checks that are given up in so many words


def test_an_expired_token_is_accepted_where_that_is_said_and_nothing_else_is_given_up():
    rules = {"accept_expired": True}
    for expired in (NOW - 1, NOW - 10**8, 0):
        accepted({"exp": expired}, **rules)
    accepted(**rules)
    refused("claim_missing", "exp", without=["exp"], **rules)
    for value in NO_DATES:
        refused("claim_invalid", "exp", {"exp": value}, **rules)
    for code, claim, changes in (
        ("issuer_mismatch", "iss", {"iss": "x"}),
        ("audience_mismatch", "aud", {"aud": "x"}),
        ("not_yet_valid", "nbf", {"nbf": NOW + 99}),
        ("not_yet_valid", "iat", {"iat": NOW + 99}),
    ):
        refused(code, claim, {"exp": NOW - 1, **changes}, **rules)
    refused("too_old", "iat", {"exp": NOW - 1}, max_age=5, **rules)
    refused("expired", "exp", now=float("nan"), **rules)


def test_a_token_without_an_expiry_is_accepted_where_that_is_said_and_nothing_else_is_given_up():
    rules = {"accept_no_expiry": True}
    accepted(without=["exp"], **rules)
    accepted(**rules)
    refused("expired", "exp", {"exp": NOW}, **rules)
    for value in NO_DATES:
        refused("claim_invalid", "exp", {"exp": value}, **rules)
    refused("audience_mismatch", "aud", {"aud": "x"}, without=["exp"], **rules)
    refused("too_old", "iat", without=["exp"], max_age=5, **rules)


def test_both_may_be_given_up_together():
    rules = {"accept_expired": True, "accept_no_expiry": True}
    accepted(without=["exp"], **rules)
    accepted({"exp": 1}, **rules)


# iat and max_age


@pytest.mark.parametrize("value", NO_DATES)
def test_a_time_of_issue_that_is_no_number_of_seconds_is_refused(value):
    refused("claim_invalid", "iat", {"iat": value})


def test_a_token_without_a_time_of_issue_is_accepted_where_no_age_is_asked_for():
    accepted(without=["iat"])


def test_a_token_may_be_issued_only_as_far_ahead_as_clocks_differ():
    accepted({"iat": NOW + ISSUED_AHEAD})
    refused("not_yet_valid", "iat", {"iat": NOW + ISSUED_AHEAD + 1})
    accepted({"iat": NOW + 90}, leeway=90)
    refused("not_yet_valid", "iat", {"iat": NOW + 91}, leeway=90)


def test_an_age_limit_needs_a_time_of_issue():
    refused("claim_missing", "iat", without=["iat"], max_age=60)


@pytest.mark.parametrize("limit", [60, 60.0, timedelta(minutes=1)])
def test_a_token_older_than_the_age_limit_is_refused_though_it_has_not_expired(limit):
    accepted({"iat": NOW - 59}, max_age=limit)
    error = refused("too_old", "iat", {"iat": NOW - 60}, max_age=limit)
    assert "60" in error.expected


def test_leeway_counts_for_the_age_limit_too():
    accepted({"iat": NOW - 69}, max_age=60, leeway=10)
    refused("too_old", "iat", {"iat": NOW - 70}, max_age=60, leeway=10)


# iss


def test_a_token_without_an_issuer_is_refused():
    refused("claim_missing", "iss", without=["iss"])


@pytest.mark.parametrize("value", [None, True, 1, [ISSUER], {"name": ISSUER}])
def test_an_issuer_that_is_no_text_is_refused(value):
    refused("claim_invalid", "iss", {"iss": value})
    refused("claim_invalid", "iss", {"iss": value}, issuer=UNCHECKED)
    refused("claim_invalid", "iss", {"iss": value}, issuer=[ISSUER, "other"])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "https://auth",
        ISSUER[:-1],
        ISSUER + "/",
        ISSUER.upper(),
        f" {ISSUER}",
        "e",
        "\uff48ttps",
    ],
)
def test_the_issuer_is_compared_exactly(value):
    error = refused("issuer_mismatch", "iss", {"iss": value})
    assert error.expected == ISSUER


def test_each_of_several_issuers_is_accepted_and_no_other():
    accepted({"iss": "a"}, issuer=["a", "b"])
    accepted({"iss": "b"}, issuer={"a", "b"})
    error = refused("issuer_mismatch", "iss", {"iss": "ab"}, issuer=("b", "a"))
    assert error.expected == "a or b"
    refused("claim_missing", "iss", without=["iss"], issuer=["a", "b"])


def test_any_issuer_and_none_is_accepted_where_that_is_said_in_so_many_words():
    accepted({"iss": "anybody"}, issuer=UNCHECKED)
    accepted(without=["iss"], issuer=UNCHECKED)


# aud


def test_a_token_without_an_audience_is_refused():
    refused("claim_missing", "aud", without=["aud"])


@pytest.mark.parametrize(
    "value", [None, True, 1, [], {}, {AUDIENCE: 1}, [AUDIENCE, 1], [AUDIENCE, None], [[AUDIENCE]]]
)
def test_an_audience_that_is_no_text_and_no_list_of_texts_is_refused(value):
    refused("claim_invalid", "aud", {"aud": value})
    refused("claim_invalid", "aud", {"aud": value}, audience=UNCHECKED)
    refused("claim_invalid", "aud", {"aud": value}, audience=[AUDIENCE, "billing"])


@pytest.mark.parametrize("value", ["", "order", "orders2", "ORDERS", "orders ", ["order", "s"]])
def test_the_audience_is_compared_exactly(value):
    error = refused("audience_mismatch", "aud", {"aud": value})
    assert error.expected == AUDIENCE


def test_one_of_the_audiences_of_a_token_is_enough():
    accepted({"aud": ["billing", AUDIENCE]})
    accepted({"aud": [AUDIENCE]})


def test_each_of_several_audiences_is_accepted_and_no_other():
    accepted({"aud": "a"}, audience=["a", "b"])
    accepted({"aud": ["c", "b"]}, audience=("a", "b"))
    error = refused("audience_mismatch", "aud", {"aud": ["c", "ab"]}, audience=["b", "a"])
    assert error.expected == "a or b"


def test_any_audience_and_none_is_accepted_where_that_is_said_in_so_many_words():
    accepted({"aud": "anything"}, audience=UNCHECKED)
    accepted({"aud": ["anything"]}, audience=UNCHECKED)
    accepted(without=["aud"], audience=UNCHECKED)
    assert repr(UNCHECKED) == "UNCHECKED"


# sub, jti and required claims


@pytest.mark.parametrize("name", ["sub", "jti"])
@pytest.mark.parametrize("value", [None, True, 1, ["ada"], {}])
def test_a_subject_and_a_token_identifier_are_texts(name, value):
    refused("claim_invalid", name, {name: value})


@pytest.mark.parametrize("name", ["sub", "jti"])
def test_a_subject_and_a_token_identifier_may_be_missing(name):
    claims = {key: value for key, value in FULL.items() if key != name}
    policy().check(claims, NOW)


def test_a_required_claim_must_be_there_and_not_null():
    accepted({"tenant": "t1"}, required=["tenant", "sub"])
    accepted({"tenant": False}, required=["tenant"])
    refused("claim_missing", "tenant", required=["tenant"])
    refused("claim_missing", "tenant", {"tenant": None}, required=["tenant"])


# access tokens


@pytest.mark.parametrize("name", ["client_id", "scope", "sid"])
@pytest.mark.parametrize("value", [None, True, 1, ["read"]])
def test_the_texts_of_an_access_token_are_texts(name, value):
    refused("claim_invalid", name, {name: value}, access_token=True)
    accepted({name: value})


@pytest.mark.parametrize("value", [None, "", 0, False, {}, "ADMIN", ["ADMIN", 1], {"ADMIN": 1}])
def test_the_roles_of_an_access_token_are_a_list_of_texts(value):
    refused("claim_invalid", "roles", {"roles": value}, access_token=True)
    accepted({"roles": value})


@pytest.mark.parametrize("value", [None, True, 1.0, "1"])
def test_the_subject_version_of_an_access_token_is_an_integer(value):
    refused("claim_invalid", "sub_ver", {"sub_ver": value}, access_token=True)
    accepted({"sub_ver": value})


def test_an_access_token_with_claims_of_the_right_types_is_accepted():
    more = {"client_id": "shop", "scope": "read", "sid": "s1", "sub_ver": 3, "roles": ["ADMIN"]}
    accepted(more, access_token=True)
    accepted({"roles": []}, access_token=True)
    accepted(access_token=True)


# period


def test_the_period_of_a_claim_set_is_when_it_is_accepted():
    cases = [
        ({}, {}),
        ({"nbf": NOW - 5}, {}),
        ({"nbf": NOW - 5}, {"leeway": 3}),
        ({"nbf": NOW + 5}, {"leeway": {"nbf": 3}}),
        ({"nbf": NOW + 90, "iat": NOW}, {}),
        ({"iat": NOW + 40}, {"leeway": {"iat": 7, "exp": 11}}),
        ({"iat": NOW - 50}, {"max_age": 60, "leeway": {"iat": 7}}),
        ({"exp": NOW - 900, "iat": NOW - 50}, {"max_age": 60, "accept_expired": True}),
        ({"iat": NOW + 20, "nbf": NOW}, {"leeway": 90}),
        ({}, {"max_age": 30}),
        ({"iat": NOW - 29.5}, {"max_age": 30, "leeway": 7}),
        ({"iat": NOW - 10, "exp": NOW + 5}, {"max_age": 600}),
    ]
    for changes, options in cases:
        claims, rules = {**FULL, **changes}, policy(**options)
        since, until = rules.period(claims)
        rules.check(claims, since)
        rules.check(claims, until - 0.25)
        with pytest.raises(InvalidToken):
            rules.check(claims, until)
        if since > 0:
            with pytest.raises(InvalidToken):
                rules.check(claims, since - 0.25)


def test_what_does_not_end_is_accepted_for_ever():
    without = {name: value for name, value in FULL.items() if name not in ("exp", "iat")}
    assert policy(accept_no_expiry=True).period(without) == (0, inf)
    assert policy(accept_expired=True).period({**without, "exp": NOW - 5}) == (0, inf)
    assert policy(accept_no_expiry=True).period({**without, "exp": NOW}) == (0, NOW)


def test_a_claim_set_without_dates_of_beginning_is_accepted_since_ever():
    claims = {name: value for name, value in FULL.items() if name != "iat"}
    assert policy().period(claims) == (0, NOW + 60)


# arguments


@pytest.mark.parametrize("value", [*NO_NUMBERS, timedelta(seconds=-1), LATEST + 1])
def test_a_duration_is_a_number_of_seconds_or_a_timedelta_and_not_negative(value):
    if value != {}:
        with pytest.raises(ConfigurationError, match="leeway"):
            policy(leeway=value)
    if value is not None:
        with pytest.raises(ConfigurationError, match="max_age"):
            policy(max_age=value)


@pytest.mark.parametrize("name", ["issuer", "audience"])
@pytest.mark.parametrize(
    "value", [None, "", [], (), [""], ["a", 1], b"orders", [b"orders"], {"orders": 1}, 7, iter("a")]
)
def test_who_is_expected_is_a_text_or_a_list_of_texts(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} must .*UNCHECKED"):
        policy(**{name: value})


@pytest.mark.parametrize("value", ["sub", [1], [None]])
def test_required_claims_are_a_list_of_names(value):
    with pytest.raises(ConfigurationError, match="required"):
        policy(required=value)


@pytest.mark.parametrize("value", [None, 7])
def test_required_claims_that_are_no_list_are_refused(value):
    with pytest.raises(ConfigurationError, match="required"):
        policy(required=value)
