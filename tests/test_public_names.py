"""The public face: what is exported is what is named, sorted, documented, and cheap to import."""

import ast
import importlib
import re
import sys
from pathlib import Path

import django.conf
import pytest
from tests import processes

import carnet

ROOT = Path(__file__).parents[1]
SOURCE = Path(carnet.__file__).parent
PAGE = ROOT / "docs" / "reference" / "stability.md"
THIN = re.compile(r'"""The documented import path of :mod:`([a-z_.]+)`\."""\n')

# What adapters share with each other, and apps have no need of.
SHARED = {
    "carnet.verifier.asgi": {
        *("CLOSED", "MetadataEndpoint", "answer", "can_be_denied", "credentials"),
        *("given", "is_preflight", "pass_preflight"),
    },
    "carnet.verifier.bearer": {
        *("Need", "RETRY_SECONDS", "authenticate", "authenticate_async", "bearer_token"),
        *("described", "joined", "needs_acr", "needs_age", "needs_role", "needs_scope", "missing"),
        *(
            "not_installed",
            "options_of",
            "present",
            "refusal_of",
            "remembered",
            "scope_of",
            "typed",
        ),
        "with_advice",
    },
    "carnet.verifier.django": {"resource"},
    "carnet.verifier.dpop": {"Proofs"},
    "carnet.verifier.starlette": {"refused", "route_of"},
    "carnet.verifier.wsgi": {"authorization", "is_preflight", "presented"},
}


def listed():
    """Read the page's table: the public names of each public module."""
    rows = re.findall(r"^\| `(carnet[a-z_.]*)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    return {module: re.findall(r"`(\w+)`", names) for module, names in rows}


def thin_modules():
    """Give the modules that are documented import paths, and the module that each stands for."""
    found = {}
    for path in (SOURCE / "verifier").glob("*.py"):
        if match := THIN.match(path.read_text()):
            found[f"carnet.verifier.{path.stem}"] = match[1]
    return found


def shown():
    """Give the modules that the documentation has its readers import."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text()
        yield from re.findall(r"automodule:: (carnet[a-z_.]*)", text)
        for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("carnet"):
                    yield node.module


def load(name):
    if name == "carnet.verifier.rest_framework" and not django.conf.settings.configured:
        django.conf.settings.configure()
    return importlib.import_module(name)


def order(name):
    return not name.isupper(), name[0].islower(), name


def test_the_page_lists_every_module_with_a_public_face():
    packages = {"carnet", "carnet.jose", "carnet.jwt", "carnet.verifier"}
    assert set(listed()) == {*packages, *thin_modules(), *shown()}


@pytest.mark.parametrize("name", list(listed()))
def test_the_page_lists_every_public_name_and_each_says_what_it_does(name):
    module, names = load(name), listed()[name]
    assert names == sorted(names)
    assert set(names) == set(module.__all__) - SHARED.get(name, set())
    assert module.__all__ == sorted(set(module.__all__), key=order)
    for public in names:
        assert getattr(module, public).__doc__, f"{name}.{public} has no docstring"


@pytest.mark.parametrize("name", list(thin_modules()))
def test_a_documented_import_path_gives_all_that_its_module_offers(name):
    thin, target = load(name), load(thin_modules()[name])
    assert thin.__all__ == target.__all__
    assert all(getattr(thin, public) is getattr(target, public) for public in target.__all__)


def test_every_adapter_has_a_documented_import_path():
    adapters = {path.stem for path in (SOURCE / "verifier" / "adapters").glob("*.py")}
    targets = {name.rpartition(".")[2] for name in thin_modules().values()}
    assert adapters - {"__init__"} <= targets


def test_nothing_of_the_first_version_says_since_when_it_is_there():
    for path in SOURCE.rglob("*.py"):
        assert ".. versionadded:: 0.1.0" not in path.read_text(), path


def test_the_packages_of_the_library_are_attributes_of_it():
    code = "import carnet; print(carnet.errors.InvalidToken, carnet.jose.jws, carnet.jwt.Verifier)"
    processes.run([sys.executable, "-c", code], check=True)


def test_importing_the_library_loads_no_http_web_or_sql_package():
    code = "import carnet, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = processes.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(run.stdout.split())
    assert "carnet" in loaded
    assert not loaded & {"httpx", "starlette", "fastapi", "uvicorn", "apsw", "argon2", "click"}
