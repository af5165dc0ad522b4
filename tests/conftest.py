"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def vectors() -> Path:
    folder = ROOT.parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("the RFC test data is not there: expected ../shared/vectors")
    return folder


@pytest.fixture(scope="session")
def carnet():
    """Run the command line to its end, in a process of its own."""

    def run(*arguments, data=None, stdin=None, env=None, timeout=60, program=("-m", "carnet")):
        variables = {**os.environ, **(env or {})}
        if data is not None:
            variables["CARNET_DATA"] = str(data)
        return subprocess.run(
            [sys.executable, *program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=variables,
            timeout=timeout,
        )

    return run
