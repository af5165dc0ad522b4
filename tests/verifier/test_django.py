"""Django's own terms for who asks: users, permissions, CSRF, and the REST framework's classes."""

import importlib.util
import json
import sys

import django.conf
import pytest
from django.test import override_settings
from tests import processes

from carnet import ConfigurationError
from carnet.verifier.adapters import django as for_django

PROGRAM = [sys.executable, "-m", "tests.verifier.django_project"]


@pytest.fixture(scope="module")
def answers():
    return json.loads(processes.run(PROGRAM, capture_output=True, text=True, check=True).stdout)


def test_a_role_or_a_scope_gives_what_the_setting_says_and_nothing_else_does(answers):
    nothing = {
        **dict.fromkeys(("staff", "superuser", "view", "both", "module", "one"), False),
        "all": [],
    }
    expected = {
        "staff": {**nothing, "staff": True, "module": True, "all": ["shop.change_order"]},
        "reader": {**nothing, "view": True, "module": True, "all": ["shop.view_order"]},
        "root": {**dict.fromkeys(nothing, True), "staff": False, "all": []},
        "nobody": nothing,
    }
    assert {name: answers[name] for name in expected} == {
        name: [200, said] for name, said in expected.items()
    }


@pytest.mark.parametrize("name", ["auser", "auser in a loop"])
def test_auser_is_the_tokens_user_and_not_the_sessions(answers, name):
    said = {"for": "ada", "view": True, "both": True, "module": True}
    assert answers[name] == [200, said]


def test_djangos_own_decorator_asks_for_what_the_setting_gives(answers):
    assert [answers[name][0] for name in ("permission", "no permission")] == [200, 403]


@pytest.mark.parametrize("address", ["written", "protected", "needing", "drf/token"])
def test_a_request_with_a_good_token_needs_no_csrf_token(answers, address):
    assert answers[f"{address} with a token"] == [200, {"for": "ada"}]


@pytest.mark.parametrize(
    ("address", "by_cookie"),
    # The last ones ask for a token, which Django's check comes before.
    [("written", 403), ("protected", 403), ("needing", 403), ("drf/token", 401)],
)
def test_one_without_needs_it_as_before_whatever_else_it_brings(answers, address, by_cookie):
    for kind in ("with a cookie", "with another scheme"):
        assert answers[f"{address} {kind}"][0] == by_cookie
    assert answers[f"{address} with a bad token"][0] == 401


def test_the_rest_frameworks_own_permissions_and_ours_ask_for_what_they_name(answers):
    assert {name: answers[name][0] for name in answers if name in PERMISSIONS} == PERMISSIONS
    assert answers["one scope"][1]["code"] == "scope_missing"
    assert answers["no role"][1]["code"] == "role_missing"


PERMISSIONS = {
    "admin as staff": 200,
    "admin as another": 403,
    "both scopes": 200,
    "one scope": 403,
    "no scope, no token": 401,
    "role": 200,
    "no role": 403,
    "no scope is named": 500,
    "no role is named": 500,
    "proof in Django and its framework": 200,
}


@pytest.mark.skipif(
    importlib.util.find_spec("drf_spectacular") is None,
    reason="drf-spectacular is not installed: ITS DOCUMENT WAS NOT MADE",
)
def test_drf_spectacular_describes_the_scheme():
    run = processes.run([*PROGRAM, "spectacular"], capture_output=True, text=True, check=True)
    said = json.loads(run.stdout)
    assert said["scheme"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert {"Bearer": []} in said["security"]
    assert "could not resolve authenticator" not in run.stderr


def test_drf_spectacular_is_not_loaded_for_those_who_do_not_use_it():
    code = "import tests.verifier.django_project as one, sys; list(one.requests())"
    code += "; print(sorted(name for name in sys.modules if 'spectacular' in name))"
    run = processes.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    "given",
    [
        ["role:ADMIN"],
        {"ADMIN": ["is_staff"]},
        {"role:": ["is_staff"]},
        {"role:ADMIN": "is_staff"},
        {"role:ADMIN": ["staff"]},
        {"role:ADMIN": ["shop.*"]},
        {"role:ADMIN": [7]},
        {7: ["is_staff"]},
    ],
)
def test_a_wrong_setting_is_told_at_the_start(given):
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    for_django.verifier.cache_clear()
    settings = {"issuer": "https://auth.example.com", "audience": "orders"}
    with (
        override_settings(CARNET=settings, CARNET_PERMISSIONS=given),
        pytest.raises(ConfigurationError, match="CARNET_PERMISSIONS says"),
    ):
        for_django.verifier()


def test_a_single_name_is_no_list_of_permissions():
    with pytest.raises(ValueError, match="iterable"):
        for_django.DjangoUser(None).has_perms("shop.view_order")
