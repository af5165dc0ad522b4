"""docs/troubleshooting.md: every error code of the sources is explained, and no other."""

from __future__ import annotations

import importlib.util
import re
import tomllib

import pytest


@pytest.fixture(scope="module")
def error_codes(root):
    spec = importlib.util.spec_from_file_location("error_codes", root / "docs" / "error_codes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_code_is_explained_and_no_other(error_codes):
    groups = tomllib.loads(error_codes.TEXTS.read_text("utf-8"))
    del groups["introduction"]
    explained = [code for codes in groups.values() for code in codes]
    assert len(explained) == len(set(explained))
    assert set(explained) == set(error_codes.codes_of())


def test_every_code_that_the_sources_ask_for_is_explained(error_codes):
    known, asked = set(error_codes.codes_of()), set()
    for path in error_codes.SOURCES.rglob("*.py"):
        text = path.read_text("utf-8")
        asked |= set(re.findall(r'\.code (?:==|!=) "(\w+)"', text))
        for several in re.findall(r"\.code (?:not )?in \(([^)]*)\)", text):
            asked |= set(re.findall(r'"(\w+)"', several))
    assert len(asked) >= 20
    assert asked <= known


def test_every_way_of_giving_a_code_is_seen(error_codes, tmp_path):
    (tmp_path / "raising.py").write_text(
        "class Refused(Exception):\n"
        "    code = 'of_a_class'\n"
        "    def __init__(self, text, code='x'): ...\n"
        "class Answer:\n"
        "    text: str\n"
        "    code: str\n"
        "def refuse(code: str): ...\n"
        "def challenge(error: str, code: str | None): ...\n"
        "answer = {'code': 'of_a_dict'}\n"
        "code = 'one' if refuse else 'other'\n"
        "Refused('text', code='by_name'); refuse('by_place'); Answer('a', 'of_a_field')\n"
        "challenge('of_oauth', 'of_ours')\n"
    )
    found = set(error_codes.codes_of(tmp_path))
    told = "of_a_class one other by_name by_place of_a_field of_oauth of_ours of_a_dict"
    assert found == set(told.split())


def test_the_page_is_made_of_the_codes_of_now(error_codes):
    assert error_codes.PAGE.read_text("utf-8") == error_codes.render(), (
        "run: python docs/error_codes.py"
    )
