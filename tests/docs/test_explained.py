"""docs/explanations/json-web-tokens.md: its claims are held; the server has the same page."""

from __future__ import annotations

import ast
import importlib.util
import re

import pytest


@pytest.fixture(scope="module")
def explained(root):
    spec = importlib.util.spec_from_file_location("explained", root / "docs" / "explained.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(explained):
    return explained.PAGE.read_text("utf-8")


def test_every_claim_names_code_and_a_test_that_are_there(page, explained):
    rows = [line for line in page.splitlines() if line.startswith("| ") and "](../../" in line]
    assert len(rows) >= 20
    for row in rows:
        code, test = re.findall(r'\]\((\.\./\.\./[^ )]+)(?: "(\w+)")?\)', row)
        assert (explained.PAGE.parent / code[0]).is_file(), code
        source = (explained.PAGE.parent / test[0]).read_text("utf-8")
        functions = {
            node.name
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert test[1] in functions, test


def test_every_part_of_the_story_has_its_proof(page):
    told = page.split("\n## ")[2:-1]
    assert all("| Code | Test |" in part for part in told), [part[:30] for part in told]


def test_the_page_of_the_server_is_the_one_of_the_site(page, explained):
    assert explained.TEMPLATE.read_text("utf-8") == explained.render(page), (
        "run: python docs/explained.py"
    )
