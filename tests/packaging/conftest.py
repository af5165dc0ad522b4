"""The wheel and the source archive, built once, and the wheel installed where nothing else of
Carnet is found first."""

from __future__ import annotations

import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import processes


@dataclass
class Built:
    """What `uv build` made."""

    sdist: Path
    wheel_of_sdist: Path
    wheel: Path


def run(*command, **more):
    """Run a command to its end; its output is the failure where it fails."""
    done = processes.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def uv():
    package = pytest.importorskip("uv", reason="uv is not installed: NOTHING WAS BUILT")
    return package.find_uv_bin()


@pytest.fixture(scope="session")
def built(root, uv, tmp_path_factory):
    """Build offline, with the hatchling that is installed here."""
    folder = tmp_path_factory.mktemp("built")
    build = [uv, "build", "--offline", "--no-build-isolation", "--python", sys.executable]
    run(*build, "--out-dir", folder / "both", root)
    run(*build, "--wheel", "--out-dir", folder / "wheel", root)
    (sdist,) = (folder / "both").glob("*.tar.gz")
    (wheel_of_sdist,) = (folder / "both").glob("*.whl")
    (wheel,) = (folder / "wheel").glob("*.whl")
    return Built(sdist, wheel_of_sdist, wheel)


@pytest.fixture(scope="session")
def names(built):
    """What is in the wheel."""
    with zipfile.ZipFile(built.wheel) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="session")
def installed(built, uv, tmp_path_factory):
    """The Python of a fresh environment: the wheel, and this environment's packages behind it.

    A .pth file within a folder that a .pth file names is not read: so the source tree, which is
    installed here by such a file, stays out.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(uv, "venv", "--offline", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, built.wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return python
