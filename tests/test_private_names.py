"""What is private stays private: modules take from each other what ``__all__`` offers."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import carnet

SOURCE = Path(carnet.__file__).parent
PATHS = sorted(SOURCE.rglob("*.py"))
# Modules of statements only: a list of their names would be each of them a second time.
STATEMENTS = "carnet.server.store.statements"
# What namedtuple calls so lest it be taken for a field is public.
OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}


def _dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _is_module(name: str) -> bool:
    path = SOURCE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.joinpath("__init__.py").is_file()


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OF_NAMED_TUPLES


def _tree_of(name: str) -> ast.Module:
    path = SOURCE.parent.joinpath(*name.split("."))
    path = path.joinpath("__init__.py") if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text())


def _offered(name: str) -> set[str]:
    """Give what a module offers, without importing it: it may need what is not installed."""
    if name.startswith(STATEMENTS):
        return _statements(name)
    for node in _tree_of(name).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _statements(name: str) -> set[str]:
    """Give what a module of statements holds, with their rows; the package gives on all of them."""
    found = {"*"}
    for node in _tree_of(name).body:
        if isinstance(node, ast.AnnAssign):
            found.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            found.update(map(ast.unparse, node.targets))
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            found |= _statements(node.module)
    return {name for name in found if not _is_private(name)}


def _taken(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Give each name that a module takes from another: by import, or as a module's attribute."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "carnet":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if _is_module(whole):
                    modules[alias.asname or alias.name] = whole
                else:
                    yield node.module, alias.name
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        ):
            yield modules[node.value.id], node.attr


def _own_private_names(tree: ast.AST) -> set[str]:
    """Give the private attributes that the module's own classes have."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    names.add(inner.name)
                elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    names.add(inner.id)
                elif (
                    isinstance(inner, ast.Attribute)
                    and isinstance(inner.ctx, ast.Store)
                    and ast.unparse(inner.value) in ("self", "cls")
                ):
                    names.add(inner.attr)
    return names


@pytest.mark.parametrize("path", PATHS, ids=_dotted)
def test_a_module_takes_from_another_only_what_that_one_offers(path):
    taken = set(_taken(ast.parse(path.read_text())))
    assert not {
        f"{module}.{name}"
        for module, name in taken
        if name not in _offered(module) and not name.startswith("__")
    }


@pytest.mark.parametrize("path", PATHS, ids=_dotted)
def test_no_module_reaches_into_the_private_attributes_of_anothers_object(path):
    tree = ast.parse(path.read_text())
    own = _own_private_names(tree)
    assert not {
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and _is_private(node.attr)
        and ast.unparse(node.value) not in ("self", "cls", "super()")
        and node.attr not in own
    }


@pytest.mark.parametrize("path", PATHS, ids=_dotted)
def test_what_a_module_offers_is_there_sorted_and_once(path):
    tree = ast.parse(path.read_text())
    lists = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    defines = any(isinstance(node, ast.ClassDef | ast.FunctionDef) for node in tree.body)
    defines = defines and not _dotted(path).startswith(STATEMENTS)
    assert lists or not defines, "a module that defines something says what it offers"
    for offered in lists:
        assert offered == sorted(set(offered), key=_order)
        assert not [name for name in offered if _is_private(name)]
        module = importlib.import_module(_dotted(path))
        assert not [name for name in offered if not hasattr(module, name)]


def _order(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), name[0].islower(), name
