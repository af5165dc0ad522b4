"""The public face: what is exported is what is named, sorted, documented, and cheap to import."""

import importlib
import sys

import pytest
from tests import processes

MODULES = [
    "carnet",
    "carnet.errors",
    "carnet.jose.jws",
    "carnet.jose.jwe",
    "carnet.testing",
    "carnet.verifier",
]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_exists_and_says_what_it_does(name):
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), name))
    for public in module.__all__:
        assert getattr(module, public).__doc__, f"{name}.{public} has no docstring"


def test_importing_the_library_loads_no_http_web_or_sql_package():
    code = "import carnet, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = processes.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(run.stdout.split())
    assert "carnet" in loaded
    assert not loaded & {"httpx", "starlette", "fastapi", "uvicorn", "apsw", "argon2", "click"}
