"""Each extra brings what its modules import, and a module without its extra names it.

A folder of links holds the wheel's package and the packages of one extra's closure, and nothing
else is on the path: what an extra forgets to require is missing there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import (
    PackageNotFoundError,
    PathDistribution,
    distribution,
    packages_distributions,
)
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests import processes

from carnet.cli.main import EXTRAS as COMMAND_EXTRAS

DISTRIBUTIONS = packages_distributions()

# The frameworks' modules of the verifier and what else needs an extra of its own.
MODULES = {
    "starlette": ["carnet.verifier.starlette"],
    "fastapi": ["carnet.verifier.fastapi"],
    "litestar": ["carnet.verifier.litestar"],
    "django": ["carnet.verifier.django"],
    "flask": ["carnet.verifier.flask"],
    "grpc": ["carnet.verifier.grpc"],
    "mcp": [
        "carnet.verifier.mcp",
        "carnet.verifier.agents",
        *("carnet.verifier.bound_flow", "carnet.verifier.browser_visit"),
        "carnet.verifier.httpx_bridge",
        "carnet.verifier.identity_assertion",
        "carnet.verifier.kept_authorization",
        "carnet.verifier.program_auth",
        "carnet.verifier.tool_calls",
        *(f"carnet.mcp_proxy.{name}" for name in ("asgi", "forwarding", "proxy", "session_ids")),
        *("carnet.mcp_proxy", "carnet.mcp_proxy.stdio"),
    ],
    "fastmcp": ["carnet.verifier.fastmcp"],
    "gate": ["carnet.verifier.gate", "carnet.cli.gate"],
    "postgres": [
        "carnet.server.store.postgres",
        "carnet.server.store.postgres_connections",
        "carnet.server.store.postgres_failures",
    ],
    "otel": ["carnet.server.tracing"],
    "bcrypt": ["carnet.server.accounts.passwords"],
    "ldap": [
        "carnet.server.upstream.directory_entries",
        "carnet.server.upstream.ldap_directory",
    ],
    "testing": ["carnet.testing", "carnet.testing.issuer"],
}
# Who has the extra django has Django REST framework if they use it: no extra brings it.
NOT_OURS = {"carnet.verifier.rest_framework"}
# Commands that work on the service's data need the service, and its feed is read with HTTP.
WITH_SERVER = (
    *(
        "serve",
        "user",
        "client",
        "client_options",
        "resource",
        "session",
        "keys",
        "audit",
        "migrate",
    ),
    *("apply", "backup", "registration_token", "mcp", "processes", "serving"),
    *("client_options", "members", "running", "options", "passwords", "revocations"),
    *("account_files", "new_password", "provider", "scim", "user_recovery", "user_transfer"),
)


def closure(carnet, extras):
    """Name every distribution that `carnet[extras]` brings into this environment."""
    found, waiting = {}, [(carnet, frozenset(extras))]
    while waiting:
        package, wanted = waiting.pop()
        name = canonicalize_name(package.metadata["Name"])
        known, had = found.get(name, (package, frozenset()))
        if name in found and wanted <= had:
            continue
        found[name] = known, had | wanted
        for text in package.requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                continue
            if canonicalize_name(requirement.name) == "carnet":
                waiting.append((carnet, frozenset(requirement.extras)))
                continue
            try:
                waiting.append((distribution(requirement.name), frozenset(requirement.extras)))
            except PackageNotFoundError:
                pytest.skip(f"{requirement.name} is not installed: {extras} WERE NOT TESTED")
    del found["carnet"]
    return [package for package, _ in found.values()]


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(folder)
    return folder


@pytest.fixture
def python(unpacked, tmp_path):
    """Run Python with the wheel and the closure of some extras, and nothing else."""

    def run(*arguments, extras):
        (information,) = unpacked.glob("*.dist-info")
        folder = tmp_path / "packages"
        folder.mkdir()
        for item in unpacked.iterdir():
            (folder / item.name).symlink_to(item)
        for package in closure(PathDistribution(information), extras):
            for top in {Path(str(file)).parts[0] for file in package.files or ()} - {".."}:
                if top != "__pycache__" and not (folder / top).exists():
                    (folder / top).symlink_to(package.locate_file(top))
        return processes.run(
            [sys.executable, "-S", "-s", "-P", *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            env={
                **os.environ,
                "PYTHONPATH": str(folder),
                "DEMO_ISSUER": "http://127.0.0.1:8400",  # the demo's services take it from there
            },
        )

    return run


def modules_of(names, extra):
    """Name the modules of the wheel that work with an extra."""
    if extra in MODULES:
        return MODULES[extra]
    taken = {module for modules in MODULES.values() for module in modules} | NOT_OURS
    # The documented path of an adapter, and the module behind it.
    taken |= {name.replace("carnet.verifier.", "carnet.verifier.adapters.") for name in taken}
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in names
        if name.endswith(".py")
    }
    with_server = tuple(f"carnet.cli.{name}" for name in WITH_SERVER)
    parts = {
        "verifier": lambda name: name.startswith(
            ("carnet.verifier", "carnet.login", "carnet.conform")
        ),
        # The connections that the service and the gate share are uvicorn's.
        "server": lambda name: name.startswith(("carnet.server", "carnet.http_connections")),
        "demo": lambda name: name.startswith(("carnet.cli.demo", *with_server)),
        "cli": lambda name: (
            name.startswith("carnet.cli") and not name.startswith(("carnet.cli.demo", *with_server))
        ),
        "": lambda name: (
            not name.startswith(
                (
                    *("carnet.verifier", "carnet.server", "carnet.cli", "carnet.testing"),
                    *("carnet.login", "carnet.conform"),
                    "carnet.http_connections",
                )
            )
        ),
    }
    return sorted(
        name for name in modules - taken if parts[extra](name) and not name.endswith("__main__")
    )


EXTRAS = ("", "verifier", *MODULES, "server", "cli", "demo")


def test_every_extra_is_tested(unpacked):
    (information,) = unpacked.glob("*.dist-info")
    named = PathDistribution(information).metadata.get_all("Provides-Extra")
    assert {*named} == {*EXTRAS, "all"} - {""}


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_modules_of_an_extra_need_nothing_else(names, python, extra):
    modules = modules_of(names, extra)
    assert modules
    code = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = python("-c", code, *modules, extras=[extra] if extra else [])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "extra",
    [
        extra
        for extra in MODULES
        if extra not in ("postgres", "otel", "bcrypt", "ldap", "gate", "testing")
    ],
)
def test_an_adapter_without_its_framework_names_the_extra(python, extra):
    done = python("-c", f"import {MODULES[extra][0]}", extras=[])
    assert done.stderr.splitlines()[-1].endswith(f"pip install 'carnet[{extra}]'")


def test_the_command_line_knows_the_extra_of_whatever_may_be_missing(unpacked):
    (information,) = unpacked.glob("*.dist-info")
    needed = {
        canonicalize_name(Requirement(text).name)
        for text in PathDistribution(information).requires
        if re.search(r"extra == '(cli|verifier|server|postgres)'", text)
    }
    known = {canonicalize_name(name) for module in COMMAND_EXTRAS for name in DISTRIBUTIONS[module]}
    assert "apsw" in needed
    assert needed - {"carnet", "uvloop", "httptools"} <= known  # uvicorn does without these two


# What is there (the extras) when a command is called, by the extra that it then asks for.
WITHOUT = {
    "cli": (["--version"], []),
    "server": (["serve"], ["cli"]),
    "demo": (["demo"], ["cli"]),
    "gate": (["gate", "--issuer", "https://auth.example.com", "--audience", "orders"], ["cli"]),
    "verifier": (["verify", "x", "--issuer", "https://a.example", "--audience", "orders"], ["cli"]),
    "postgres": (["user", "list", "--database", "postgresql:///x"], ["cli", "server"]),
}


@pytest.mark.parametrize("extra", WITHOUT)
def test_a_command_without_its_extra_names_it(python, extra):
    arguments, extras = WITHOUT[extra]
    done = python("-m", "carnet", *arguments, extras=extras)
    assert f"carnet[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
