"""Pages of a real server in a real browser, which complain where one of them breaks a rule."""

from __future__ import annotations

import shutil

import pytest
from tests.server import conftest
from tests.server.conftest import PASSWORD

ADMIN = "carnet:admin"

start = conftest.start


@pytest.fixture(scope="session")
def filled(tmp_path_factory, carnet):
    """A data folder with alice, who is an administrator, and bob; every test gets a copy."""
    data = tmp_path_factory.mktemp("pages") / "data"
    for name, roles in (("alice", ("--role", ADMIN, "--role", "sales")), ("bob", ())):
        arguments = ("user", "add", name, "--password-file", "-", *roles)
        done = carnet(*arguments, data=data, stdin=PASSWORD + "\n")
        assert done.returncode == 0, done.stderr
    return data


@pytest.fixture
def service(start, filled, tmp_path):
    """A server where people may sign up, behind a proxy that is believed."""
    shutil.copytree(filled, tmp_path / "data")
    return start(env={"CARNET_SIGN_UP": "true", "CARNET_TRUSTED_PROXIES": "127.0.0.1"})


@pytest.fixture
def visit(browser, service):
    """Open the service in a clean browser; what breaks its own rules fails the test."""
    complaints = []
    contexts = []

    def opened(**options):
        context = browser.new_context(base_url=service.url, **options)
        contexts.append(context)
        if options.get("java_script_enabled", True):
            context.add_init_script(
                "addEventListener('securitypolicyviolation', e =>"
                " console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI))"
            )
        page = context.new_page()
        page.on("console", lambda said: _complain(complaints, said))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def wait_for_focus(page, name):
    """Wait until a field has the focus, which comes with the first frame, maybe after the load."""
    page.wait_for_function("name => document.activeElement.name === name", arg=name)


def _complain(complaints, said):
    # A refused form's status is told in the console too; it is meant.
    if said.type in ("error", "warning") and "Failed to load resource" not in said.text:
        complaints.append(said.text)


@pytest.fixture
def sign_in(visit):
    """Sign in through the page, as a person does."""

    def signed_in(username="alice", **options):
        page = visit(**options)
        page.goto("/sign-in")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/me")
        return page

    return signed_in
