"""Pages of a real server in a real browser, which complain where one of them breaks a rule."""

from __future__ import annotations

import pytest
from tests.server import conftest
from tests.server.conftest import PASSWORD

ADMIN = "carnet:admin"

start, add_user = conftest.start, conftest.add_user


@pytest.fixture
def service(start, add_user):
    """A server where people may sign up, with alice, who is an administrator, and bob."""
    add_user("alice", roles=(ADMIN, "sales"))
    add_user("bob", roles=())
    return start(env={"CARNET_SIGN_UP": "true"})


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
