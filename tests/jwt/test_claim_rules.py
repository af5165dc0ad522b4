"""Claims that must have a value, and the functions of a service's own that they must pass."""

import json

import msgspec
import pytest

from carnet import Claims, ConfigurationError, InvalidKey, InvalidToken, Key, Verifier
from carnet.jose import jws
from carnet.jwt.claim_rules import exact, reader, steps

KEY = Key.generate("HS256")
NOW = 1_700_000_000
FULL = {"iss": "i", "aud": "a", "exp": NOW + 300, "token_use": "access"}


def verifier(**options):
    return Verifier(KEY, issuer="i", audience="a", clock=lambda: NOW, **options)


def signed(**claims):
    return jws.sign(json.dumps({**FULL, **claims}).encode(), KEY)


def refused(one, token, code="claim_mismatch"):
    for verify in (one.verify, one.verify_complete):
        with pytest.raises(InvalidToken) as refusal:
            verify(token)
        assert refusal.value.code == code
    return refusal.value


# Exact claims


@pytest.mark.parametrize("cache", [0, 100_000])
def test_a_claim_must_have_the_value_that_is_asked_for(cache):
    one = verifier(claims={"token_use": "access", "tier": [1, 2]}, cache=cache)
    for _ in range(2):
        assert one.verify(signed(tier=2))["tier"] == 2
        error = refused(one, signed(tier=2, token_use="id"))
        assert (error.claim, error.expected) == ("token_use", "access")
        assert refused(one, signed(), "claim_missing").expected == "1 or 2"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("1", 1),
        (1, True),
        (True, 1),
        (1, 1.0),
        ("x", ["x"]),
        ("x", {"x": 1}),
        ("x", "X"),
        ({"x", "y"}, "z"),
        ((1, 2), [1, 2]),
    ],
)
def test_a_value_is_compared_with_its_type(wanted, said):
    refused(verifier(claims={"c": wanted}), signed(c=said))


def test_the_other_checks_come_first():
    one = verifier(claims={"token_use": "access"})
    refused(one, signed(token_use="id", aud="b"), "audience_mismatch")
    refused(one, signed(token_use="id", exp=1), "expired")


def test_a_dot_leads_into_an_object_and_an_address_is_one_name():
    one = verifier(claims={"realm.name": "r", ("x.y", "z"): 1, "https://a.example/b.c": True})
    good = {"realm": {"name": "r"}, "x.y": {"z": 1}, "https://a.example/b.c": True}
    assert one.verify(signed(**good))["realm"] == {"name": "r"}
    for change in ({"realm": "r"}, {"realm": {"name": 1}}, {"x.y": 1}):
        with pytest.raises(InvalidToken):
            one.verify(signed(**{**good, **change}))


@pytest.mark.parametrize(
    "wrong", [7, "x", ["x"], {"x": None}, {"x": {}}, {"x": []}, {"x": [None]}, {"": 1}, {1: 1}]
)
def test_claims_are_values_by_their_places(wrong):
    with pytest.raises(ConfigurationError, match="claims"):
        verifier(claims=wrong)


def test_no_claims_ask_for_nothing():
    assert exact({}) == []
    assert verifier(claims={}).verify(signed()).issuer == "i"


def test_of_several_places_the_first_that_is_there_counts():
    read = reader(["azp", "app.id"], "client_id_claim")
    assert read({"azp": "x", "app": {"id": "y"}}) == "x"
    assert read({"app": {"id": "y"}}) == "y"
    assert read({"app": "y"}) is None
    assert reader(len, "x") is len
    with pytest.raises(ConfigurationError, match=r"^client_id_claim must name"):
        reader([], "client_id_claim")


@pytest.mark.parametrize("wrong", ["", "a..b", ".", (), ("a", ""), ("a", 1), None, 5, b"x"])
def test_a_place_is_a_path_of_names(wrong):
    with pytest.raises(ConfigurationError, match="the place of a claim"):
        steps(wrong, "x")


# Validators


class Order(msgspec.Struct):
    token_use: str


@pytest.mark.parametrize("options", [{}, {"cache": 100_000}])
def test_a_validator_sees_the_claims_at_every_call_and_decides(options):
    seen, allowed = [], [True]

    def decide(claims):
        seen.append(claims)
        return allowed[0]

    one, token = verifier(validators=[decide], **options), signed(sub="ada")
    for calls in (1, 2, 3):
        claims = one.verify(token)
        assert isinstance(claims, Claims)
        assert claims["sub"] == "ada"
        assert len(seen) == calls
    allowed[0] = False
    assert refused(one, token).expected


def test_a_validator_sees_claims_in_the_form_that_is_asked_for():
    one = verifier(claims_type=Order, validators=[lambda order: order.token_use == "access"])
    assert one.verify(signed()) == one.verify_complete(signed()).claims == Order("access")
    refused(one, signed(token_use="id"))


def test_every_validator_must_give_true():
    good, bad = (lambda _: True), (lambda _: False)
    assert verifier(validators=(good, good)).verify(signed())
    for order in ([good, bad], [bad, good]):
        refused(verifier(validators=order), signed())


@pytest.mark.parametrize("given", [None, 1, "yes", object(), [True]])
def test_what_is_only_like_true_refuses(given):
    refused(verifier(validators=[lambda _: given]), signed())


def test_a_validator_that_fails_refuses_and_its_error_is_kept():
    error = refused(verifier(validators=[lambda claims: claims["tenant"] == "t"]), signed())
    assert isinstance(error.__cause__, KeyError)


def test_an_error_of_ours_comes_through():
    def refuse(_claims):
        raise InvalidToken("no", code="own_code")

    def broken(_claims):
        raise InvalidKey("no")

    refused(verifier(validators=[refuse]), signed(), "own_code")
    with pytest.raises(InvalidKey):
        verifier(validators=[broken]).verify(signed())


def test_a_validator_is_not_asked_about_a_token_that_is_refused_anyway():
    asked = []
    one = verifier(validators=[lambda claims: asked.append(claims) or True])
    token = signed()
    refused(one, token[:-4] + "AAAA", "signature_invalid")
    refused(one, signed(exp=1), "expired")
    assert asked == []


@pytest.mark.parametrize("wrong", [None, 5, len, [1], "x", [None]])
def test_validators_are_a_list_of_functions(wrong):
    with pytest.raises(ConfigurationError, match=r"^validators "):
        verifier(validators=wrong)
