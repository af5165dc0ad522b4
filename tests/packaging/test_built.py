"""The wheel and the source archive, used as they are built."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import zipfile

import httpx
import pytest
from tests import processes
from tests.packaging.conftest import run

from carnet import __version__


def test_the_installed_package_is_the_wheel_s_own(installed, tmp_path):
    code = "import carnet; print(carnet.__file__, carnet.__version__)"
    file, version = run(installed, "-c", code, cwd=tmp_path).stdout.split()
    assert file.startswith(str(installed.parents[1]))
    assert version == __version__


def test_importing_it_loads_cryptography_and_msgspec_only(installed, tmp_path):
    code = """
import sys
before = {*sys.modules}
from carnet import *
loaded = {name.partition(".")[0] for name in {*sys.modules} - before}
print(*sorted(loaded - sys.stdlib_module_names))
"""
    loaded = {*run(installed, "-c", code, cwd=tmp_path).stdout.split()}
    # The compiled parts of cryptography, and what it and msgspec take where it is there.
    theirs = {"_cffi_backend", "_openssl", "bcrypt", "typing_extensions"}
    assert loaded - theirs == {"carnet", "cryptography", "msgspec"}


@pytest.mark.parametrize("program", ["script", "module"])
def test_it_says_its_version(installed, tmp_path, program):
    command = [installed.parent / "carnet"] if program == "script" else [installed, "-m", "carnet"]
    done = run(*command, "--version", cwd=tmp_path)
    assert done.stdout == f"carnet, version {__version__}\n"


def test_the_wheel_has_every_file_of_the_package(names, root):
    source = root / "src"
    files = [path for path in (source / "carnet").rglob("*") if path.is_file()]
    wanted = {path.relative_to(source).as_posix() for path in files if path.suffix != ".pyc"}
    kinds = ("py.typed", "sign_in.html", "carnet.css", "0001_accounts_sessions_keys.sql")
    for kind in (*kinds, "common_passwords.txt"):
        assert any(name.endswith(f"/{kind}") for name in wanted), kind
    assert {name for name in names if ".dist-info/" not in name} == wanted


def test_the_wheel_says_what_it_is(built, names):
    with zipfile.ZipFile(built.wheel) as wheel:
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        text = wheel.read(metadata).decode()
    assert f"\nVersion: {__version__}\n" in text
    assert "\nRequires-Python: >=3.11\n" in text
    required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", text, re.MULTILINE)
    assert required == ["cryptography", "msgspec"]
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_source_archive_builds_the_same_wheel(built):
    assert built.wheel_of_sdist.read_bytes() == built.wheel.read_bytes()


def test_the_source_archive_has_what_the_tests_need_and_nothing_that_was_made(built):
    with tarfile.open(built.sdist) as archive:
        paths = [name.split("/", 1)[1] for name in archive.getnames()]
    folders = {path.partition("/")[0] for path in paths}
    assert folders == {
        *(".dockerignore", ".gitignore"),
        *("CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "SECURITY.md"),
        *("Makefile", "pyproject.toml", "requirements-dev.lock", "requirements.lock"),
        "requirements-ldap.lock",
        *("benchmarks", "deploy", "docs", "examples", "fuzz", "src", "tests"),
    }
    assert "tests/conftest.py" in paths
    assert not [path for path in paths if "__pycache__" in path or "node_modules" in path]


def test_the_service_starts_from_it_with_its_pages(installed, tmp_path):
    process = processes.start(
        [installed, "-m", "carnet", "serve", "--data", "data", "--port", "0"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("CARNET_")},
    )
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"carnet: serving \S+ on (http://\S+)\n", line)
        assert found, line
        with httpx.Client(base_url=found[1], timeout=60, trust_env=False) as client:
            page = client.get("/sign-in")
            assert page.status_code == 200
            linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
            assert linked
            for address in linked:
                assert client.get(address).status_code == 200, address
            # The migrations have run, and a key is there.
            assert client.get("/.well-known/jwks.json").json()["keys"]
    finally:
        process.terminate()
        process.communicate(timeout=processes.PATIENCE)
    assert process.returncode == 0
