"""Find the sources' error codes and write docs/troubleshooting.md: ``python docs/error_codes.py``.

A code is a text given as a parameter named ``code`` or ``error``, a member ``code`` of a dict, or a
class's own ``code``. What each means stands in error_codes.toml.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["PAGE", "TEXTS", "codes_of", "render"]

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "carnet"
PAGE = ROOT / "docs" / "troubleshooting.md"
TEXTS = ROOT / "docs" / "error_codes.toml"
SHOWN = 2
# Codes that are put together, or stand in a table, and where.
ELSEWHERE = {
    "unknown_resource": "server/clients/records.py",
    "unsupported_response_type": "server/oauth/parameter_checks.py",
}
NAMES = ("code", "error")
FORM = re.compile(r"[a-z]+(_[a-z]+)*")


@cache
def codes_of(folder: Path = SOURCES) -> dict[str, set[str]]:
    """Give each error code of the sources, with the files that raise it."""
    trees = {
        path.relative_to(folder).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }
    public = [place for tree in trees.values() for place in _places(tree) if place.name[0] != "_"]
    found: dict[str, set[str]] = defaultdict(set)
    for file, tree in trees.items():
        private = [place for place in _places(tree) if place.name[0] == "_"]
        places: dict[tuple[str, bool], set[int]] = defaultdict(set)
        for place in (*public, *private):
            places[place.name, place.is_method].add(place.at)
        for code in _codes(tree, places):
            found[code].add(file)
    if folder == SOURCES:
        for code, file in ELSEWHERE.items():
            found[code].add(file)
    return dict(found)


class Place(NamedTuple):
    """A class, function or method that takes a code, and at which place."""

    name: str
    is_method: bool
    at: int


def _places(tree: ast.AST) -> Iterator[Place]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_method = bool(node.args.args) and node.args.args[0].arg in ("self", "cls")
            yield from _place_in(node, node.name, is_method)
        elif isinstance(node, ast.ClassDef):
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                    yield from _place_in(one, node.name, False)
            fields = [
                getattr(one.target, "id", "") for one in node.body if isinstance(one, ast.AnnAssign)
            ]
            if "code" in fields:
                yield Place(node.name, False, fields.index("code"))


def _place_in(
    function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, is_method: bool
) -> Iterator[Place]:
    names = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")]
    texts = {
        argument.arg
        for argument in function.args.args
        if argument.annotation and "str" in ast.unparse(argument.annotation)
    }
    for said in NAMES:
        if said in names and said in texts:
            yield Place(name, is_method, names.index(said))


def _codes(tree: ast.AST, places: dict[tuple[str, bool], set[int]]) -> Iterator[str]:
    for node in ast.walk(tree):
        given: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            is_method = isinstance(node.func, ast.Attribute)
            name = getattr(node.func, "attr" if is_method else "id", "")
            given = [word.value for word in node.keywords if word.arg == "code"]
            at = places.get((name, is_method), ())
            given += [value for place, value in enumerate(node.args) if place in at]
        elif isinstance(node, ast.Dict):
            named = zip(node.keys, node.values, strict=True)
            given = [value for key, value in named if getattr(key, "value", "") == "code"]
        elif isinstance(node, ast.Assign):
            names = [getattr(target, "id", "") for target in node.targets]
            given = [node.value] if "code" in names else []
        elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "code":
            given = [node.value]
        for value in given:
            yield from _texts(value)


def _texts(value: ast.expr | None) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)
    elif isinstance(value, ast.Constant) and FORM.fullmatch(str(value.value)):
        yield str(value.value)


def render() -> str:
    """Make the page, of error_codes.toml and of where the sources raise each code."""
    explained = tomllib.loads(TEXTS.read_text("utf-8"))
    found = codes_of()
    lines = [explained.pop("introduction")]
    for title, codes in explained.items():
        lines += [f"## {title}", "", "| code | what it means | what to do | raised in |"]
        lines.append("|---|---|---|---|")
        for code, (meaning, remedy) in sorted(codes.items()):
            files = sorted(found.get(code, ()))
            places = ", ".join(f"`{file}`" for file in files[:SHOWN])
            more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
            lines.append(f"| `{code}` | {meaning} | {remedy} | {places}{more} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
