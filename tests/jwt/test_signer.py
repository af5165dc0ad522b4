"""Signing: what a Verifier would refuse is never made."""

import enum
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from carnet import Claims, InvalidToken, Key, KeySet, Signer, Verifier
from carnet.errors import ConfigurationError, InvalidKey
from carnet.jose.algorithms import ALGORITHMS
from carnet.jose.encoding import b64url_decode
from carnet.jwt import UNCHECKED
from carnet.jwt.policy import LATEST
from carnet.jwt.signer import prepared

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
NOW = 1_700_000_000
KEY = Key.generate("HS256", kid="k1")
SIGNATURES = [row.name for row in ALGORITHMS.values() if row.use == "sig"]


def signer(key=KEY, **options):
    return Signer(key, **{"issuer": ISSUER, "audience": AUDIENCE, "clock": lambda: NOW, **options})


def verifier(key=KEY, **options):
    return Verifier(
        key, **{"issuer": ISSUER, "audience": AUDIENCE, "clock": lambda: NOW, **options}
    )


def header_of(token):
    return json.loads(b64url_decode(token.split(".")[0]))


def claims_of(token):
    return json.loads(b64url_decode(token.split(".")[1]))


def refused(claims, code="claim_invalid", claim=None, **options):
    with pytest.raises(InvalidToken) as refusal:
        signer(**options).sign(claims)
    assert refusal.value.code == code
    if claim is not None:
        assert refusal.value.claim == claim
    return refusal.value


@pytest.mark.parametrize("alg", SIGNATURES)
def test_what_a_signer_makes_its_verifier_accepts(alg):
    key = Key.generate(alg, size=2048 if alg[:2] in ("RS", "PS") else None)
    token = signer(key).sign({"sub": "ada"})
    public = key if key.kty == "oct" else key.public
    assert verifier(public).verify(token).subject == "ada"
    head, body, signature = token.split(".")
    with pytest.raises(InvalidToken) as refusal:
        verifier(public).verify(f"{head}.{body}.{'A' * len(signature)}")
    assert refusal.value.code == "signature_invalid"


def test_a_token_says_who_made_it_for_whom_and_how_long_it_lasts():
    token = signer(lifetime=60).sign({"sub": "ada"})
    assert header_of(token) == {"alg": "HS256", "kid": "k1", "typ": "JWT"}
    assert claims_of(token) == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": NOW,
        "exp": NOW + 60,
        "sub": "ada",
    }


def test_a_token_lasts_five_minutes_unless_said_otherwise():
    assert claims_of(signer().sign({}))["exp"] == NOW + 300
    assert claims_of(signer(lifetime=timedelta(hours=1)).sign({}))["exp"] == NOW + 3600
    assert claims_of(signer().sign({}, lifetime=10))["exp"] == NOW + 10
    assert claims_of(signer().sign({}, lifetime=timedelta(minutes=1)))["exp"] == NOW + 60


def test_claims_that_are_given_are_not_overwritten():
    given = {"iss": "other", "aud": ["a", "b"], "iat": NOW - 5, "exp": NOW + 5.5, "jti": "mine"}
    assert claims_of(signer().sign(given)) == given


def test_the_claims_that_are_given_are_left_as_they_are():
    given = {"sub": "ada"}
    signer().sign(given)
    assert given == {"sub": "ada"}


def test_any_mapping_of_claims_is_taken():
    class Given(Mapping):
        def __getitem__(self, name):
            return {"sub": "ada"}[name]

        def __iter__(self):
            return iter(["sub"])

        def __len__(self):
            return 1

    assert claims_of(signer().sign(Given()))["sub"] == "ada"
    assert claims_of(signer().sign(Claims({"sub": "ada"})))["sub"] == "ada"


def test_an_audience_may_be_several_or_none():
    assert claims_of(signer(audience=["b", "a"]).sign({}))["aud"] == ["a", "b"]
    assert "aud" not in claims_of(signer(audience=UNCHECKED).sign({}))
    assert claims_of(signer(audience=UNCHECKED).sign({"aud": "a"}))["aud"] == "a"
    assert claims_of(signer(audience=None).sign({"aud": "a"}))["aud"] == "a"


def test_a_token_without_an_audience_is_not_made_by_accident():
    refused({}, "claim_missing", "aud", audience=None)
    refused({"aud": None}, "claim_invalid", "aud")
    refused({"iss": None}, "claim_invalid", "iss")


# what has no exact JSON form


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        "text",
        '\u00e9\U0001f600\x00"\\',
        True,
        None,
        0,
        -(2**63),
        2**64 - 1,
        1.5,
        -0.0,
        [1, ["a", {"b": None}]],
        {"a": {"b": [True]}},
    ],
)
def test_a_value_comes_out_as_it_went_in(value):
    claims = verifier().verify(signer().sign({"value": value}))
    assert claims["value"] == value
    assert claims["value"].__class__ is value.__class__


def test_tuples_and_enumerated_texts_come_out_as_the_json_that_they_are():
    token = signer(type="at+jwt").sign(
        {"sub": Colour.RED, "client_id": "shop", "roles": (Colour.RED,), "aud": (AUDIENCE,)}
    )
    claims = verifier(type="at+jwt").verify(token)
    assert (claims.subject, claims.roles, claims.audience) == ("red", ("red",), (AUDIENCE,))
    token = signer(type="at+jwt").sign({"sub": "a", "client_id": "b", "roles": [Colour.RED]})
    assert verifier(type="at+jwt").verify(token).roles == ("red",)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        2**64,
        -(2**63) - 1,
        b"bytes",
        {1, 2},
        [datetime.now(UTC)],
        datetime.now(UTC).date(),
        Decimal("1.5"),
        object(),
        "\ud800",
        1j,
        Claims({}),
    ],
)
def test_a_value_without_an_exact_json_form_is_refused(value):
    refused({"value": value})
    refused({"value": [{"deep": (value,)}]})


@pytest.mark.parametrize("name", [1, None, True, b"sub", ("a",)])
def test_a_claim_name_that_is_no_text_is_refused(name):
    refused({name: "x"})
    refused({"deep": [{name: "x"}]})


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


def test_claims_may_be_nested_as_deep_as_a_verifier_reads_them():
    assert verifier().verify(signer().sign({"value": nested(31)}))["value"] == nested(31)
    refused({"value": nested(32)})


@pytest.mark.parametrize("depth", [400, 600, 5_000, 100_000])
def test_claims_nested_beyond_the_interpreters_own_limit_are_refused(depth):
    refused({"value": nested(depth)})


def test_claims_that_contain_themselves_are_refused():
    value = []
    value.append(value)
    refused({"value": value})


def test_many_flat_lists_are_not_deep():
    assert verifier().verify(signer().sign({"value": [[]] * 100}))["value"] == [[]] * 100


# dates


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [None, True, "1700000000", [], -1, LATEST + 1, float("nan")])
def test_a_date_that_a_verifier_would_refuse_is_refused(name, value):
    refused({name: value}, claim=name)


def test_a_token_that_has_expired_already_is_refused():
    refused({"exp": NOW}, "expired", "exp")
    with pytest.raises(InvalidToken, match="expired"):
        signer().sign({}, lifetime=0)


def test_a_token_that_ends_before_it_begins_is_refused():
    refused({"nbf": NOW + 300}, "expired", "exp")


def test_a_token_may_begin_later():
    token = signer().sign({"nbf": NOW + 100})
    with pytest.raises(InvalidToken, match="not valid yet"):
        verifier().verify(token)
    assert verifier(clock=lambda: NOW + 100).verify(token).not_before == NOW + 100


def test_a_token_from_the_future_is_refused():
    refused({"iat": NOW + 61}, "not_yet_valid", "iat")


def test_a_lifetime_beyond_the_year_9999_is_refused():
    refused({}, "claim_invalid", "exp", lifetime=LATEST)


@pytest.mark.parametrize(
    ("name", "value"), [("sub", 1), ("jti", 7), ("iss", ["a"]), ("aud", [1]), ("aud", [])]
)
def test_a_registered_claim_of_another_type_is_refused(name, value):
    refused({name: value}, claim=name)


def test_a_token_longer_than_a_verifier_takes_is_refused():
    refused({"value": "x" * 50_000}, "too_large")
    assert verifier().verify(signer().sign({"value": "x" * 48_000}))["value"] == "x" * 48_000


# access tokens (RFC 9068)


def test_an_access_token_carries_its_type_and_an_identifier_of_its_own():
    made = [signer(type="at+jwt").sign({"sub": "ada", "client_id": "shop"}) for _ in range(50)]
    assert {header_of(token)["typ"] for token in made} == {"at+jwt"}
    identifiers = {claims_of(token)["jti"] for token in made}
    assert len(identifiers) == 50
    assert min(len(identifier) for identifier in identifiers) >= 22
    assert verifier(type="at+jwt").verify(made[0]).client_id == "shop"


def test_a_forked_process_gives_identifiers_of_its_own():
    def draw(_=None):
        one = signer(type="at+jwt")
        made = [one.sign({"sub": "ada", "client_id": "shop"}) for _ in range(200)]
        return [claims_of(token)["jti"] for token in made]

    before = draw()
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(sending, " ".join(draw()).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as told:
        theirs = told.read().split()
    assert os.waitpid(child, 0)[1] == 0
    assert len({*before, *draw(), *theirs}) == 600


@pytest.mark.parametrize("missing", ["sub", "client_id", "aud"])
def test_an_access_token_without_a_claim_that_rfc_9068_requires_is_refused(missing):
    claims = {"sub": "ada", "client_id": "shop", "aud": "orders"}
    del claims[missing]
    refused(claims, "claim_missing", missing, type="at+jwt", audience=UNCHECKED)
    refused(claims, "claim_missing", missing, type="application/AT+JWT", audience=UNCHECKED)


@pytest.mark.parametrize(
    ("name", "value"),
    [("client_id", 1), ("scope", ["a"]), ("sid", 1), ("sub_ver", True), ("roles", "A"), ("jti", 1)],
)
def test_an_access_token_with_a_claim_of_another_type_is_refused(name, value):
    refused({"sub": "a", "client_id": "b", name: value}, claim=name, type="at+jwt")


# encrypted tokens


def test_a_token_may_be_encrypted_to_its_recipient_after_signing():
    for recipient in (Key.generate("ECDH-ES"), Key.generate("RSA-OAEP-256", size=2048)):
        token = signer(encrypt_to=recipient.public, enc="A128GCM").sign({"sub": "ada"})
        assert token.count(".") == 4
        outer = header_of(token)
        assert (outer["cty"], outer["typ"], outer["enc"]) == ("JWT", "JWT", "A128GCM")
        assert outer["kid"] == recipient.kid
        assert verifier(decryption=recipient).verify(token).subject == "ada"


def test_an_encrypted_token_longer_than_a_verifier_takes_is_refused():
    refused({"value": "x" * 48_000}, "too_large", encrypt_to=Key.generate("A256KW"))


# arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", ""),
        ("issuer", None),
        ("issuer", ["a"]),
        ("issuer", UNCHECKED),
        ("audience", ""),
        ("audience", 5),
        ("audience", []),
        ("lifetime", 0),
        ("lifetime", 0.5),
        ("lifetime", -1),
        ("lifetime", "300"),
        ("lifetime", True),
        ("lifetime", None),
        ("lifetime", timedelta(0)),
        ("type", ""),
        ("type", None),
        ("type", "x" * 257),
        ("clock", NOW),
        ("encrypt_to", "key"),
        ("encrypt_to", KeySet()),
    ],
)
def test_an_argument_that_is_not_of_its_kind_is_refused_with_its_name(name, value):
    with pytest.raises(ConfigurationError, match=name):
        signer(**{name: value})


@pytest.mark.parametrize("value", ["key", None, KeySet([KEY]), {"kty": "oct"}])
def test_only_a_key_can_be_signed_with(value):
    with pytest.raises(ConfigurationError, match="key"):
        signer(value)


@pytest.mark.parametrize("key", [Key.generate("ES256").public, Key.generate("A256KW")])
def test_a_key_that_can_not_sign_is_refused_before_the_first_token(key):
    with pytest.raises(InvalidKey, match="can't sign"):
        signer(key)


def test_a_key_that_can_not_encrypt_is_refused_before_the_first_token():
    with pytest.raises(InvalidKey, match="encryption"):
        signer(encrypt_to=Key.generate("ES256").public)
    with pytest.raises(ConfigurationError, match="enc must be one of"):
        signer(encrypt_to=Key.generate("A256KW"), enc="A512GCM")


@pytest.mark.parametrize("claims", [None, "sub", [("sub", "ada")], 5, b"{}"])
def test_claims_that_are_no_mapping_are_refused(claims):
    with pytest.raises(ConfigurationError, match="claims"):
        signer().sign(claims)


@pytest.mark.parametrize("lifetime", ["60", True, -1, float("nan"), timedelta(seconds=-1)])
def test_the_lifetime_of_one_token_is_checked_like_that_of_all(lifetime):
    with pytest.raises(ConfigurationError, match="lifetime"):
        signer().sign({}, lifetime=lifetime)


# Dates


def test_a_datetime_with_a_time_zone_becomes_seconds_rounded_down():
    ends = datetime.fromtimestamp(NOW + 90.999, timezone(timedelta(hours=5, minutes=30)))
    begins = datetime.fromtimestamp(NOW - 5, UTC)
    token = signer().sign({"exp": ends, "nbf": begins, "auth_time": begins, "x": 1.5})
    said = claims_of(token)
    assert said["exp"] == NOW + 90
    assert said["nbf"] == said["auth_time"] == NOW - 5
    assert said["x"] == 1.5
    assert all(type(said[name]) is int for name in ("exp", "nbf", "auth_time"))
    assert verifier().verify(token)["exp"] == NOW + 90


def test_a_datetime_before_1970_is_rounded_down_too():
    born = datetime(1969, 12, 31, 23, 59, 58, 500_000, UTC)
    assert claims_of(signer().sign({"born": born}))["born"] == -2
    refused({"nbf": born}, claim="nbf")


def test_a_datetime_is_a_date_like_any_other():
    refused({"exp": datetime.fromtimestamp(NOW, UTC)}, code="expired", claim="exp")
    refused({"iat": datetime.fromtimestamp(NOW + 61, UTC)}, code="not_yet_valid", claim="iat")
    for name in ("iss", "aud", "sub", "jti"):
        refused({name: datetime.fromtimestamp(NOW, UTC)}, claim=name)


def test_a_datetime_without_a_time_zone_is_refused():
    error = refused({"exp": datetime.fromtimestamp(NOW + 90)}, claim="exp")  # noqa: DTZ006 - that is it
    assert "time zone" in error.expected


def test_the_claims_that_were_given_are_left_as_they_are():
    ends = datetime.fromtimestamp(NOW + 90, UTC)
    claims = {"exp": ends}
    signer().sign(claims)
    assert claims == {"exp": ends}


# The header


def test_more_header_parameters_stand_in_every_token():
    one = signer(header={"x5t#S256": "abc", "n": [1]})
    for _ in range(2):
        header = header_of(one.sign({}))
        assert header == {"alg": "HS256", "kid": "k1", "typ": "JWT", "x5t#S256": "abc", "n": [1]}


def test_a_token_may_have_header_parameters_of_its_own():
    one = signer(header={"a": 1})
    assert header_of(one.sign({}, header={"b": 2}))["b"] == 2
    assert header_of(one.sign({}, header={"b": 2}))["a"] == 1
    assert "b" not in header_of(one.sign({}))
    assert verifier().verify_complete(one.sign({}, header={"b": 2})).header["b"] == 2


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        ({"alg": "none"}, "alg"),
        ({"alg": "HS512"}, "alg"),
        ({"typ": "at+jwt"}, "typ"),
        ({"kid": "k2"}, "kid"),
        ({"kid": None}, "kid"),
        ({"b64": True}, "b64"),
        ({"b64": False, "crit": ["b64"]}, "b64"),
        ({"x": 1, "crit": ["x"]}, "crit"),
        ({"crit": []}, "crit"),
        ({"cty": 1}, "cty"),
        ({"x": object()}, None),
    ],
)
def test_a_header_that_no_verifier_would_accept_is_refused(header, claim):
    for work in (lambda: signer(header=header), lambda: signer().sign({}, header=header)):
        with pytest.raises(InvalidToken) as refusal:
            work()
        if claim is not None:
            assert refusal.value.claim == claim


def test_what_key_and_type_say_already_may_be_said_again():
    header = {"alg": "HS256", "kid": "k1", "typ": "JWT"}
    assert header_of(signer(header=header).sign({})) == header


def test_a_parameter_of_all_tokens_is_not_changed_for_one():
    with pytest.raises(InvalidToken) as refusal:
        signer(header={"a": 1}).sign({}, header={"a": 2})
    assert refusal.value.code == "header_invalid"


@pytest.mark.parametrize("wrong", [5, "x", [("a", 1)], {1: 2}])
def test_a_header_is_a_mapping_of_names(wrong):
    for work in (lambda: signer(header=wrong), lambda: signer().sign({}, header=wrong)):
        with pytest.raises(ConfigurationError, match=r"^header "):
            work()


def test_an_extension_that_the_verifiers_handle_may_be_critical():
    one = signer(header={"x": 1, "crit": ["x"]}, extensions=["x"])
    token = one.sign({"sub": "ada"})
    assert verifier(extensions={"x": lambda value: value == 1}).verify(token).subject == "ada"
    with pytest.raises(InvalidToken) as refusal:
        verifier().verify(token)
    assert refusal.value.code == "crit_unsupported"


def test_the_inner_header_of_an_encrypted_token_has_the_parameters():
    key = Key.generate("A128KW")
    token = signer(header={"a": 1}, encrypt_to=key).sign({})
    assert verifier(decryption=key).verify_complete(token).header["a"] == 1


@pytest.mark.parametrize(
    ("claims", "options"),
    [
        ({"sub": "job", "client_id": "job"}, {}),
        ({"sub": "job", "client_id": "job", "cnf": {"jkt": "é"}, "nbf": NOW}, {}),
        ({"sub": "job", "client_id": "job", "since": datetime.fromtimestamp(NOW, UTC)}, {}),
        ({"sub": "job", "client_id": "job", "exp": NOW + 5, "jti": "given"}, {}),
        ({"sub": "job"}, {"type": "JWT"}),
    ],
)
def test_prepared_tokens_say_what_signed_ones_do(claims, options):
    moment = [NOW]
    made = signer(**{"type": "at+jwt", "clock": lambda: moment[0], **options})
    make = prepared(made, claims, 60)
    moment[0] += 2
    expected = claims_of(made.sign(claims, lifetime=60))
    found = [claims_of(make()) for _ in range(3)]
    if "jti" not in claims and "jti" in expected:
        assert len({each.pop("jti") for each in (expected, *found)}) == 4
    assert found == [expected] * 3
    assert header_of(make()) == header_of(made.sign(claims))
    verifier(type=UNCHECKED, clock=lambda: moment[0]).verify(make())


def test_what_no_verifier_would_take_is_not_prepared():
    with pytest.raises(InvalidToken):
        prepared(signer(type="at+jwt"), {"sub": "job"}, 60)
    with pytest.raises(InvalidToken):
        prepared(signer(type="at+jwt"), {"sub": "job", "client_id": "a", "x": float("inf")}, 60)
    moment = [NOW]
    make = prepared(
        signer(type="at+jwt", clock=lambda: moment[0]), {"sub": "job", "client_id": "job"}, 60
    )
    for wrong in (-1, LATEST - 59):
        moment[0] = wrong
        with pytest.raises(ConfigurationError):
            make()


def test_prepared_tokens_are_encrypted_where_signed_ones_are():
    recipient = Key.generate("ECDH-ES")
    make = prepared(
        signer(type="at+jwt", encrypt_to=recipient.public), {"sub": "job", "client_id": "job"}, 60
    )
    assert make().count(".") == 4
    verifier(type="at+jwt", decryption=recipient).verify(make())
