"""pytest finds the fixtures by itself, and nothing else needs pytest."""

import os
import sys
import tomllib
from importlib import import_module

import pytest
from tests import processes

SERVICE = """
from carnet.verifier import AccessTokenVerifier
verifier = AccessTokenVerifier("https://auth.example.com", "orders")
before = verifier.issuers

def test_a(carnet_issuer, carnet_headers):
    carnet_issuer.override(verifier)
    assert verifier.issuers != before
    verifier.verify(carnet_headers(roles=["ADMIN"])["Authorization"].removeprefix("Bearer "))

def test_b():
    assert verifier.issuers == before
"""
SETTINGS = "[pytest]\ncarnet_issuer = https://auth.example.com\ncarnet_audience = orders\n"


def run(folder, settings):
    (folder / "pytest.ini").write_text(settings, "utf-8")
    (folder / "test_service.py").write_text(
        "from carnet.testing import TestIssuer\n" + SERVICE, "utf-8"
    )
    return processes.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "carnet.testing.pytest_plugin"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_what_a_test_overrides_is_put_back_after_it_and_the_class_is_not_collected(tmp_path):
    done = run(tmp_path, SETTINGS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert "warning" not in done.stdout


def test_without_its_settings_the_fixture_says_which_they_are(tmp_path):
    done = run(tmp_path, "[pytest]\n")
    assert done.returncode == 1
    assert "needs carnet_issuer and carnet_audience" in done.stdout


def test_the_package_names_the_plugin(root):
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    module = import_module(project["entry-points"]["pytest11"]["carnet"])
    assert {"carnet_issuer", "carnet_headers"} <= set(vars(module))


@pytest.mark.parametrize("package", ["pytest", "django", "fastapi", "carnet.server"])
def test_importing_the_issuer_needs_no_pytest_and_no_framework(package):
    code = "import sys, carnet.testing; print(sys.argv[1] in sys.modules)"
    done = processes.run([sys.executable, "-c", code, package], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
