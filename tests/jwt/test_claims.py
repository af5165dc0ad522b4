"""Claims: a read-only mapping whose properties check the type of what they give."""

import pytest

from carnet import Claims, ConfigurationError, InvalidToken
from carnet.jwt.claims import members_of

FULL = {
    "iss": "https://auth.example.com",
    "sub": "ada",
    "aud": ["orders", "billing"],
    "exp": 2000,
    "iat": 1000.5,
    "nbf": 900,
    "jti": "t1",
    "sid": "s1",
    "client_id": "shop",
    "scope": "read  write read",
    "roles": ["ADMIN", "CLERK"],
    "nested": {"list": [1]},
}


def test_claims_are_a_mapping_of_what_the_token_says():
    claims = Claims(dict(FULL))
    assert dict(claims) == FULL
    assert claims == FULL
    assert len(claims) == len(FULL)
    assert "sub" in claims
    assert "absent" not in claims
    assert claims.get("absent") is None
    with pytest.raises(KeyError):
        claims["absent"]


def test_claims_can_not_be_written_to():
    claims = Claims({"sub": "ada"})
    with pytest.raises(TypeError):
        claims["sub"] = "eve"
    with pytest.raises(TypeError):
        del claims["sub"]
    with pytest.raises(AttributeError):
        claims.subject = "eve"
    with pytest.raises(AttributeError):
        claims.anything = 1


def test_changing_a_list_or_object_taken_from_claims_changes_no_claims():
    claims = Claims(dict(FULL))
    claims["roles"].append("ROOT")
    claims["nested"]["list"].append(2)
    claims.get("aud").clear()
    for value in claims.values():
        if isinstance(value, list | dict):
            value.clear()
    assert claims.roles == ("ADMIN", "CLERK")
    assert claims["nested"] == {"list": [1]}
    assert claims.audience == ("orders", "billing")


def test_the_properties_give_the_registered_claims():
    claims = Claims(dict(FULL))
    assert claims.issuer == "https://auth.example.com"
    assert claims.subject == "ada"
    assert claims.audience == ("orders", "billing")
    assert claims.expires_at == 2000
    assert claims.issued_at == 1000.5
    assert claims.not_before == 900
    assert claims.token_id == "t1"
    assert claims.session_id == "s1"
    assert claims.client_id == "shop"
    assert claims.scopes == frozenset({"read", "write"})
    assert claims.roles == ("ADMIN", "CLERK")
    assert Claims({"acr": "urn:mfa"}).acr == "urn:mfa"


def test_the_age_of_a_sign_in_is_told_by_the_clock_of_the_claims():
    assert Claims({"auth_time": 700}, lambda: 1000).authenticated_at == 700
    assert Claims({"auth_time": 700}, lambda: 1000).authentication_age == 300
    assert Claims({"auth_time": 10**400}, lambda: 1000).authentication_age < 0
    assert Claims({}).authentication_age is Claims({}).authenticated_at is Claims({}).acr is None


def test_a_missing_claim_gives_none_or_an_empty_collection():
    claims = Claims({})
    assert claims.issuer is claims.subject is claims.expires_at is claims.issued_at is None
    assert claims.not_before is claims.token_id is claims.session_id is claims.client_id is None
    assert claims.audience == claims.roles == ()
    assert claims.scopes == frozenset()


def test_an_audience_that_is_one_text_is_given_as_a_tuple_of_one():
    assert Claims({"aud": "orders"}).audience == ("orders",)


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("iss", "issuer", 1),
        ("sub", "subject", ["ada"]),
        ("aud", "audience", 1),
        ("aud", "audience", ["orders", 1]),
        ("exp", "expires_at", "2000"),
        ("exp", "expires_at", True),
        ("iat", "issued_at", [1]),
        ("nbf", "not_before", False),
        ("acr", "acr", ["urn:mfa"]),
        ("auth_time", "authenticated_at", "2000"),
        ("auth_time", "authentication_age", True),
        ("jti", "token_id", 7),
        ("sid", "session_id", {}),
        ("client_id", "client_id", 1.5),
        ("scope", "scopes", ["read"]),
        ("roles", "roles", "ADMIN"),
        ("roles", "roles", ["ADMIN", None]),
    ],
)
def test_a_property_refuses_a_claim_of_another_type(name, attribute, value):
    with pytest.raises(InvalidToken) as refusal:
        getattr(Claims({name: value}), attribute)
    assert refusal.value.code == "claim_invalid"
    assert refusal.value.claim == name
    assert str(refusal.value) == f"the claim '{name}' is not {refusal.value.expected}"


def test_the_text_form_of_claims_names_them_without_their_values():
    shown = repr(Claims({"sub": "ada", "email": "ada@example.com"}))
    assert shown == "<Claims sub, email>"


def test_the_members_are_given_without_a_copy():
    claims = Claims(dict(FULL))
    assert members_of(claims) == FULL
    assert members_of(claims) is members_of(claims)


@pytest.mark.parametrize("clock", [5, "now", None])
def test_a_clock_is_a_function(clock):
    with pytest.raises(ConfigurationError, match="clock"):
        Claims({}, clock)


@pytest.mark.parametrize("now", ["5", None, 1j])
def test_a_clock_gives_a_number(now):
    with pytest.raises(ConfigurationError, match="clock"):
        _ = Claims({"auth_time": 5}, lambda: now).authentication_age


def test_the_actors_are_named_from_the_one_at_hand_to_the_first():
    chain = {"sub": "c", "act": {"sub": "b", "iss": "x", "act": {"sub": "a"}}}
    assert Claims({"act": chain}).actors == ("c", "b", "a")
    assert Claims({}).actors == ()


@pytest.mark.parametrize(
    "act", ["a", ["a"], {}, {"sub": 1}, {"iss": "a"}, {"sub": "b", "act": "a"}, 7]
)
def test_an_actor_that_is_none_is_refused_by_its_name(act):
    with pytest.raises(InvalidToken) as refused:
        _ = Claims({"act": act}).actors
    assert (refused.value.code, refused.value.claim) == ("claim_invalid", "act")
