"""The errors: one tree, stable codes, one line each, and they travel between processes."""

import copy
import pickle

import pytest

from carnet import errors
from carnet.errors import CarnetError, ConfigurationError, InvalidKey, InvalidToken

CODES = {
    "CarnetError": "error",
    "ConfigurationError": "configuration",
    "GrantRefused": "grant_refused",
    "InvalidKey": "key_invalid",
    "InvalidToken": "token_invalid",
    "IssuerUnavailable": "issuer_unavailable",
    "ServerError": "server_error",
}
KINDS = [getattr(errors, name) for name in errors.__all__]


def test_the_names_and_codes_of_the_errors_are_these():
    assert {kind.__name__: kind("text").code for kind in KINDS} == CODES


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_caught_as_a_carnet_error_and_as_no_other_of_them(kind):
    assert issubclass(kind, CarnetError)
    assert [other for other in KINDS if issubclass(kind, other)] == (
        [CarnetError] if kind is CarnetError else [CarnetError, kind]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_at_the_top_of_the_module_shows_every_error(kind):
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_may_have_a_code_of_its_own_and_leaves_that_of_its_class_alone(kind):
    error = kind("the port is taken", code="port_taken")
    assert (str(error), error.code) == ("the port is taken", "port_taken")
    assert kind("other").code == CODES[kind.__name__]


def test_a_refused_token_says_which_claim_and_what_was_expected():
    error = InvalidToken("no", code="expired", claim="exp", expected="later")
    assert (error.code, error.claim, error.expected) == ("expired", "exp", "later")
    assert InvalidToken("no").claim is InvalidToken("no").expected is None


@pytest.mark.parametrize(
    "travel", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_an_error_keeps_what_it_says_in_another_process(travel):
    for error in (
        InvalidToken("no", code="expired", claim="exp", expected="later"),
        ConfigurationError("no"),
        InvalidKey("no", code="other"),
    ):
        copied = travel(error)
        assert copied.__class__ is error.__class__
        assert copied.args == error.args
        assert copied.code == error.code
        assert vars(copied) == vars(error)
