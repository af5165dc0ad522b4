"""What a provider's claims come to: pure data."""

import pytest

from carnet.server.provider_settings import ClaimRule, ProviderSettings, RoleRules
from carnet.server.upstream.kinds import KINDS
from carnet.server.upstream.mapping import is_let_in, map_claims, username_of

ADMIN = "carnet:admin"


def settings(**more):
    return ProviderSettings(client_id="x", **more)


def mapped(said, kind="openid", /, **more):
    return map_claims(settings(**more), KINDS[kind], said, ADMIN)


@pytest.mark.parametrize(
    ("rules", "said", "roles"),
    [
        ({"values": {"Press": "press"}}, ["Press", "Other"], ("press",)),
        ({"values": {"Press": "press"}}, "Press", ("press",)),
        ({"values": {"Press": "press"}}, ["press", 7, None, {}], ()),
        ({"prefix": "app-"}, ["app-b", "app-a", "app-a", "other"], ("a", "b")),
        ({"prefix": "app-"}, ["app-", "app-two words", "app-\u202ex"], ()),
        # Whoever names groups at the provider makes no administrators here.
        ({"prefix": "app-"}, [f"app-{ADMIN}"], ()),
        ({"prefix": "carnet:"}, [ADMIN], ("admin",)),
        ({"values": {"Bosses": ADMIN}}, ["Bosses"], (ADMIN,)),
        ({"values": {"app-x": "y"}, "prefix": "app-"}, ["app-x"], ("y",)),
        ({"default": ("guest",)}, ["Press"], ("guest",)),
        ({"values": {"Press": "press"}, "default": ("guest",)}, ["Press"], ("press",)),
        ({}, ["Press", ADMIN], ()),
    ],
)
def test_roles_come_by_values_prefixes_and_defaults_and_by_nothing_else(rules, said, roles):
    assert mapped({"groups": said}, roles=RoleRules(**rules)).roles == roles


def test_no_more_roles_come_than_a_token_can_carry():
    many = [f"app-{number}" for number in range(5000)]
    assert len(mapped({"groups": many}, roles=RoleRules(prefix="app-")).roles) == 100


def test_a_claim_is_found_in_an_object_or_by_the_name_of_a_url():
    rules = RoleRules(claim="realm_access.roles", prefix="x-")
    assert mapped({"realm_access": {"roles": ["x-a"]}}, roles=rules).roles == ("a",)
    rules = RoleRules(claim="https://acme.example/roles", prefix="x-")
    assert mapped({"https://acme.example/roles": ["x-a"]}, roles=rules).roles == ("a",)


def test_claims_come_by_name_with_other_values_and_defaults():
    claims = {
        "department": ClaimRule(claim="dept", values={"PR": "press"}, default="none"),
        "office": "address.city",
        "missing": "nothing",
    }
    said = {"dept": "PR", "address": {"city": "Oslo"}}
    assert mapped(said, claims=claims).claims == {"department": "press", "office": "Oslo"}
    assert mapped({"dept": "X"}, claims=claims).claims == {"department": "X"}
    assert mapped({}, claims=claims).claims == {"department": "none"}


@pytest.mark.parametrize(
    ("kind", "verified", "more", "told"),
    [
        ("google", True, {}, True),
        ("apple", "true", {}, True),
        ("google", False, {}, False),
        ("google", "false", {}, False),
        ("google", 1, {}, False),
        ("google", None, {}, False),
        ("microsoft", True, {}, False),
        ("microsoft", None, {"trust_addresses": True}, True),
    ],
)
def test_an_address_comes_only_where_its_owner_has_proved_it(kind, verified, more, told):
    for claims in ({"email": "email"}, {"mail": "email"}, {"email": ClaimRule(claim="upn")}):
        said = {"email": "a@example.com", "upn": "a@example.com", "email_verified": verified}
        found = mapped(said, kind, claims=claims, **more).claims
        [name] = claims
        assert (name in found) == told
        assert found.get("email_verified", False) == (told and name == "email")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Alice", "alice"),
        ("Alice Smith", "alice-smith"),
        ("alice@example.com", "alice"),
        ("@example.com", ""),
        ("\u202ealice", ""),
        ("\u0430lice", ""),  # a Cyrillic letter
        ("x" * 200, ""),
        ("", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_a_username_is_made_of_what_can_be_one(said, name):
    assert username_of(KINDS["openid"], {"preferred_username": said}) == name


def test_of_nobody_who_has_no_name_there_is_a_username():
    assert username_of(KINDS["apple"], {"email": "a@example.com"}) == ""
    assert username_of(KINDS["google"], {"email": "a@example.com"}) == "a"


@pytest.mark.parametrize(
    ("required", "said", "good"),
    [
        ({}, {}, True),
        ({"hd": "example.com"}, {"hd": "example.com"}, True),
        ({"hd": "example.com"}, {"hd": ["x", "example.com"]}, True),
        ({"hd": "example.com"}, {"hd": "example.com.evil"}, False),
        ({"hd": "example.com"}, {"hd": "EXAMPLE.COM"}, False),
        ({"groups": ("a", "b")}, {"groups": ["b"]}, True),
        ({"groups": ("a", "b"), "hd": "x"}, {"groups": ["b"]}, False),
        ({"groups": ()}, {"groups": ["b"]}, False),
    ],
)
def test_whoever_is_let_in_says_all_that_is_required(required, said, good):
    assert is_let_in(settings(required=required), said) == good
