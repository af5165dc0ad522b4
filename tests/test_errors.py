"""The errors: one tree, stable codes, one line each, and they travel between processes."""

import ast
import copy
import pickle
import re
from pathlib import Path

import pytest

import carnet
from carnet import errors
from carnet.errors import ConfigurationError, InvalidKey, InvalidToken, IssuerBusy

CODES = {
    "CarnetError": "error",
    "ConfigurationError": "configuration",
    "GrantRefused": "grant_refused",
    "InvalidKey": "key_invalid",
    "InvalidToken": "token_invalid",
    "IssuerBusy": "issuer_unavailable",
    "IssuerUnavailable": "issuer_unavailable",
    "ServerError": "server_error",
}
KINDS = [getattr(errors, name) for name in errors.__all__]


def test_the_names_and_codes_of_the_errors_are_these():
    assert {kind.__name__: kind("text").code for kind in KINDS} == CODES


def drawn():
    """Read the tree at the top of the module: each error's name, and that of its parent."""
    parents, above = {}, []
    for line in errors.__doc__.splitlines():
        found = re.match(r"((?:[│ ]   )*(?:[├└]── )?)([A-Z][A-Za-z]+)(?:  |$)", line)
        if found:
            depth = len(found[1]) // 4
            del above[depth:]
            parents[found[2]] = above[-1] if above else "Exception"
            above.append(found[2])
    return parents


def test_the_tree_at_the_top_of_the_module_is_that_of_the_classes():
    assert drawn() == {kind.__name__: kind.__base__.__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_caught_as_its_parents_and_as_no_other_of_them(kind):
    caught, parents = [kind.__name__], drawn()
    while parents[caught[-1]] in parents:
        caught.append(parents[caught[-1]])
    assert [other.__name__ for other in KINDS if issubclass(kind, other)] == sorted(caught)
    assert caught[-1] == "CarnetError"


def test_every_error_of_the_tree_can_be_imported_from_where_users_import():
    assert {getattr(carnet, kind.__name__) for kind in KINDS} == set(KINDS)
    assert set(errors.__all__) <= set(carnet.__all__)


def test_no_error_outside_the_tree_leaves_anything_but_the_server():
    source = Path(carnet.__file__).parent
    for path in source.rglob("*.py"):
        if path.name == "errors.py" or path.is_relative_to(source / "server"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert not {ast.unparse(base) for base in node.bases} & set(errors.__all__)


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
        IssuerBusy("no", 7),
    ):
        copied = travel(error)
        assert copied.__class__ is error.__class__
        assert copied.args == error.args
        assert copied.code == error.code
        assert vars(copied) == vars(error)
