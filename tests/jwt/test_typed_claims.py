"""Claims decoded into a type of the service's own."""

import json
from dataclasses import dataclass, field
from typing import TypedDict

import msgspec
import pytest

from carnet import InvalidToken, Key, Signer, Verifier
from carnet.errors import ConfigurationError

KEY = Key.generate("HS256")
SETTINGS = {"issuer": "i", "audience": "a", "clock": lambda: 1000}
SIGNER = Signer(KEY, **SETTINGS)


class Order(msgspec.Struct):
    sub: str
    exp: int
    roles: list[str] = []
    limit: float | None = None


@dataclass
class OrderData:
    sub: str
    exp: int
    roles: list[str] = field(default_factory=list)


class OrderDict(TypedDict):
    sub: str
    exp: int
    roles: list[str]


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    sub: str


class Positive(msgspec.Struct):
    limit: int

    def __post_init__(self):
        if self.limit < 0:
            raise ValueError("a-secret-limit")


def verifier(claims_type, **options):
    return Verifier(KEY, claims_type=claims_type, **SETTINGS, **options)


@pytest.mark.parametrize("cache", [0, 100_000])
@pytest.mark.parametrize("kind", [Order, OrderData])
def test_claims_come_as_an_object_of_the_type(kind, cache):
    one, token = verifier(kind, cache=cache), SIGNER.sign({"sub": "ada", "roles": ["ADMIN"]})
    for _ in range(2):
        found = one.verify(token)
        assert found.__class__ is kind
        assert (found.sub, found.exp, found.roles) == ("ada", 1300, ["ADMIN"])


@pytest.mark.parametrize("cache", [0, 100_000])
def test_claims_come_as_a_typed_dictionary_of_its_names_only(cache):
    one, token = verifier(OrderDict, cache=cache), SIGNER.sign({"sub": "ada", "roles": []})
    for _ in range(2):
        assert one.verify(token) == {"sub": "ada", "exp": 1300, "roles": []}


@pytest.mark.parametrize("cache", [0, 100_000])
def test_changing_an_object_changes_no_later_one(cache):
    one, token = verifier(Order, cache=cache), SIGNER.sign({"sub": "ada", "roles": ["ADMIN"]})
    one.verify(token).roles.append("ROOT")
    one.verify(token).sub = "eve"
    assert one.verify(token) == Order("ada", 1300, ["ADMIN"])


@pytest.mark.parametrize(
    ("kind", "claims"),
    [
        (Order, {}),
        (Order, {"sub": "a-secret-name", "roles": "a-secret-role"}),
        (Order, {"sub": "a-secret-name", "limit": "a-secret-limit"}),
        (Order, {"sub": "a-secret-name", "limit": True}),
        (OrderData, {"sub": "a-secret-name", "roles": [1]}),
        (OrderDict, {"sub": "a-secret-name"}),
        (Closed, {"sub": "a-secret-name"}),
        (Positive, {"limit": -1}),
    ],
)
def test_claims_that_do_not_fit_the_type_are_refused_without_telling_them(kind, claims):
    with pytest.raises(InvalidToken) as refusal:
        verifier(kind).verify(SIGNER.sign(claims))
    assert refusal.value.code == "claim_invalid"
    assert refusal.value.__suppress_context__
    assert "a-secret" not in str(refusal.value)


def test_the_type_adds_to_the_policy_and_replaces_nothing():
    token = Signer(KEY, issuer="i", audience="other", clock=lambda: 1000).sign({"sub": "ada"})
    with pytest.raises(InvalidToken, match="audience"):
        verifier(Order).verify(token)
    late = Verifier(KEY, issuer="i", audience="a", clock=lambda: 1300, claims_type=Order)
    with pytest.raises(InvalidToken, match="expired"):
        late.verify(SIGNER.sign({"sub": "ada"}))


def test_a_name_twice_is_refused_before_the_type_sees_it():
    from carnet.jose import jws

    claims = {"iss": "i", "aud": "a", "exp": 1300}
    twice = f'{{"sub":"ada","sub":"eve",{json.dumps(claims)[1:]}'
    with pytest.raises(InvalidToken, match="strict form"):
        verifier(Order).verify(jws.sign(twice.encode(), KEY))


@pytest.mark.parametrize("kind", [5, "Order", {"sub": str}, object()])
def test_what_is_no_type_is_refused(kind):
    with pytest.raises(ConfigurationError, match="claims_type"):
        verifier(kind)
