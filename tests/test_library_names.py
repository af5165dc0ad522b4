"""The library's modules take from each other what is offered: names of ``__all__``."""

import ast
import importlib
from pathlib import Path

import pytest

import carnet

SOURCE = Path(carnet.__file__).parent
MODULES = sorted((SOURCE / "jose").glob("*.py")) + sorted((SOURCE / "jwt").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_module_of_the_library_imports_offered_names_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("carnet"):
            continue
        module = importlib.import_module(node.module)
        if hasattr(module, "__path__"):
            continue
        for name in node.names:
            assert name.name in module.__all__, f"{node.module} does not offer {name.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_module_offers_is_there(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    name = ".".join(("carnet", *parts)).removesuffix(".__init__")
    module = importlib.import_module(name)
    assert all(hasattr(module, offered) for offered in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
