"""Pages that come up where mail is set up, or where a form was sent too late: for everybody."""

from __future__ import annotations

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.ports import free_ports
from tests.server.conftest import PASSWORD

MAIL = {
    "CARNET_SIGN_IN_BY_MAIL": "true",
    "CARNET_SMTP_HOST": "127.0.0.1",
    "CARNET_SMTP_SECURITY": "none",
    "CARNET_MAIL_FROM": "no-reply@example.com",
}


@pytest.fixture
def service(start, filled, tmp_path):
    """A server that would send mail, were there anybody to take it."""
    shutil.copytree(filled, tmp_path / "data")
    return start(env={**MAIL, "CARNET_SMTP_PORT": str(free_ports(1))})


def check(page, heading):
    page.get_by_role("heading", level=1, name=heading).wait_for()
    found = Axe().run(page)
    assert found.violations_count == 0, f"{heading}: {found.generate_report()}"
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, heading


def test_pages_that_are_seldom_seen_are_good_for_everybody_and_by_the_keyboard(visit):
    page = visit()
    for path in ("/forgot-password", "/sign-in/mail"):
        page.goto(path)
        check(page, page.locator("h1").inner_text())
        page.locator("input[name=username]").focus()
        page.keyboard.type("nobody")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        check(page, page.locator("h1").inner_text())
    page.goto("/link/reset?secret=x")
    check(page, "This link doesn't work")
    page.goto("/sign-in")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/me")
    page.goto("/me/emails/new")
    check(page, page.locator("h1").inner_text())
    # As after a session that has ended while somebody typed.
    page.goto("/admin/users/new")
    page.get_by_label("Username").fill("carol")
    page.context.clear_cookies()
    page.keyboard.press("Enter")
    check(page, "Your session has ended")
    assert page.get_by_label("Username").input_value() == "carol"
