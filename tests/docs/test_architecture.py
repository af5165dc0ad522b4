"""docs/architecture.md: its tree is the real one, its files exist, its picture is current."""

from __future__ import annotations

import importlib.util
import re

import pytest


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "architecture.md").read_text("utf-8")


def folders_of(page):
    """Give the folders of the page's tree, each as a path below src/carnet."""
    [tree] = re.findall(r"```text\nsrc/carnet/\n(.*?)```", page, re.DOTALL)
    above, found = [], set()
    for line in tree.splitlines():
        indent, name = re.match(r"( +)(\w+)/ ", line).groups()
        depth = len(indent) // 2 - 1
        above = [*above[:depth], name]
        found.add("/".join(above))
    return found


def test_the_tree_names_every_folder_and_no_other(page, root):
    source = root / "src" / "carnet"
    there = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_dir() and path.name != "__pycache__" and any(path.iterdir())
    }
    assert folders_of(page) == there


def test_every_file_that_is_named_is_there(page, root):
    for name in re.findall(r"`([\w/]+\.py)`", page):
        places = (root / "src" / "carnet", root / "src", root)
        found = any((place / name).is_file() for place in places)
        beside = any((root / "src" / "carnet").rglob(name))
        assert found or beside, name


def test_the_picture_is_drawn_from_the_contracts_of_now(root):
    file = root / "docs" / "pictures" / "architecture.py"
    spec = importlib.util.spec_from_file_location("architecture", file)
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    assert file.with_suffix(".svg").read_text("utf-8") == drawing.draw(root)
