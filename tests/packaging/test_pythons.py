"""The wheel on the newer Pythons that are here: CARNET_PYTHONS lists them, or PATH has them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from tests import processes
from tests.packaging.conftest import run

VERSIONS = ("3.12", "3.13")
LISTED = os.environ.get("CARNET_PYTHONS", "").split(os.pathsep)

SMOKE = """
import carnet
key = carnet.Key.generate("ES256")
token = carnet.Signer(key, issuer="https://a.example", audience="orders").sign({"sub": "ada"})
verifier = carnet.Verifier(key.public, issuer="https://a.example", audience="orders")
print(carnet.__file__, verifier.verify(token).subject)
"""


def version_of(python):
    """Ask a Python for its version."""
    try:
        done = processes.run(
            [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def candidates(version):
    """Name the Pythons that may be of a version, the listed ones first."""
    yield from filter(None, LISTED)
    if found := shutil.which(f"python{version}"):
        yield found
        if Path(found).parent.name == "shims":  # pyenv's, which run only what was chosen there
            versions = Path(found).parents[1] / "versions"
            yield from map(str, sorted(versions.glob(f"{version}.*/bin/python")))


@pytest.fixture(scope="module", params=VERSIONS)
def other(request):
    version = request.param
    for python in candidates(version):
        if version_of(python) == version:
            return python
    pytest.skip(
        f"there is no Python {version} (CARNET_PYTHONS may list some): IT WAS NOT TESTED ON IT"
    )


@pytest.mark.parametrize("place", ["src", "examples", "docs", "tests"])
def test_every_source_compiles(other, root, tmp_path, place):
    code = """
import sys, pathlib
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    if "node_modules" not in path.parts:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
"""
    run(other, "-I", "-W", "error", "-c", code, root / place)


def test_it_signs_and_verifies(other, built, uv, root, tmp_path):
    run(uv, "venv", "--offline", "--python", other, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    install = [uv, "pip", "install", "--offline", "--python", python, f"{built.wheel}[cli]"]
    versions = ["--constraint", root / "requirements.lock"]
    done = processes.run([*install, *versions], capture_output=True, text=True, timeout=300)
    if done.returncode:
        assert re.search("network.* disabled", done.stderr, re.IGNORECASE), done.stderr
        pytest.skip(f"uv's cache has no packages for {other}: IT WAS ONLY COMPILED")
    file, subject = run(python, "-I", "-c", SMOKE, cwd=tmp_path).stdout.split()
    assert file.startswith(str(tmp_path))
    assert subject == "ada"
    assert run(python, "-m", "carnet", "--version", cwd=tmp_path).stdout.startswith("carnet, ")
