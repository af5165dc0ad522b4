"""Addresses, a forgotten password and "this was not me" in a real browser, by real mails."""

from __future__ import annotations

import email
import queue
import shutil
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from tests import processes
from tests.pages.conftest import wait_for_focus
from tests.pages.test_factors import check
from tests.ports import free_ports
from tests.server.conftest import PASSWORD
from tests.server.mail.inbox import link_of

NEW = "paper-boat-harbour"
BOB = "bob@example.com"


class Mailbox:
    """What has come, one after the other."""

    def __init__(self):
        self._mails = queue.Queue()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self._mails.put(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def next(self, subject):
        """Wait for the next mail with a subject; those before it are thrown away."""
        while True:
            mail = self._mails.get(timeout=processes.PATIENCE)
            if mail["Subject"].startswith(subject):
                return mail


@pytest.fixture
def mailbox():
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_ports(1))
    server.start()
    box.port = server.port
    yield box
    server.stop()


@pytest.fixture
def service(start, filled, tmp_path, mailbox):
    shutil.copytree(filled, tmp_path / "data")
    return start(
        env={
            "CARNET_SMTP_HOST": "127.0.0.1",
            "CARNET_SMTP_PORT": str(mailbox.port),
            "CARNET_SMTP_SECURITY": "none",
            "CARNET_MAIL_FROM": "Acme <no-reply@acme.example>",
        }
    )


def type_and_send(page, field, text):
    wait_for_focus(page, field)
    page.keyboard.type(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_address_is_proved_brings_a_password_back_and_takes_the_account_back(
    sign_in, visit, mailbox, scheme
):
    page = sign_in("bob", color_scheme=scheme)
    page.get_by_role("link", name="E-mail").click()
    check(page)
    page.get_by_role("link", name="Add an address").click()
    check(page)
    type_and_send(page, "email", BOB)
    page.get_by_text("A mail is on its way to the address").wait_for()
    check(page)
    page.get_by_label("Code that was sent to bob@example.com").fill("0000 0000")
    page.keyboard.press("Enter")
    page.get_by_text("This code doesn't work.").wait_for()
    wait_for_focus(page, "code")
    check(page)
    # The mail is opened where nobody is signed in.
    other = visit(color_scheme=scheme)
    other.goto(link_of(mailbox.next("Confirm your e-mail address")))
    check(other)
    other.get_by_role("button", name="Confirm the address").click()
    other.get_by_text("bob@example.com is an address of the account now.").wait_for()
    check(other)
    page.goto("/me/emails")
    page.get_by_text("Main address").wait_for()
    check(page)

    other.goto("/sign-in")
    check(other)
    other.get_by_role("link", name="Forgot your password?").click()
    check(other)
    type_and_send(other, "username", BOB)
    other.get_by_role("heading", name="Check your mail").wait_for()
    check(other)
    link = link_of(mailbox.next("Choose a new password"))
    other.goto(link)
    check(other)
    type_and_send(other, "new_password", "short")
    other.locator("#new_password-error").wait_for()
    check(other)
    type_and_send(other, "new_password", NEW)
    other.get_by_text("Your password is set. Sign in with it now.").wait_for()
    type_and_send(other, "password", NEW)
    other.wait_for_url("**/me")
    other.goto(link)
    other.get_by_role("heading", name="This link has already been used").wait_for()
    check(other)

    page = visit(color_scheme=scheme)
    page.goto(link_of(mailbox.next("New sign-in to your account")))
    check(page)
    page.get_by_role("button", name="End all sessions").click()
    page.get_by_role("heading", name="Choose a new password").wait_for()
    other.goto("/me")
    other.get_by_role("heading", name="Sign in").wait_for()


@pytest.mark.parametrize("java_script_enabled", [False])
def test_an_administrator_invites_somebody_and_hands_over_a_link(
    sign_in, visit, java_script_enabled
):
    page = sign_in(java_script_enabled=java_script_enabled)
    page.goto("/admin/users/new")
    page.get_by_label("Username").fill("carol")
    page.get_by_role("button", name="Make the account").click()
    invitation = page.locator("#link").inner_text()
    page.get_by_role("link", name="To the account").click()
    page.get_by_label("E-mail address").fill("carol@example.com")
    page.get_by_role("button", name="Add the address").click()
    page.get_by_text("The address is the account's.").wait_for()
    page.get_by_role("button", name="Reset the password").click()
    assert "/link/reset?secret=" in page.locator("#link").inner_text()

    other = visit(java_script_enabled=java_script_enabled)
    other.goto(invitation)
    other.get_by_label("New password").fill(NEW)
    other.get_by_role("button", name="Set the password").click()
    other.get_by_label("Username").fill("carol@example.com")
    other.get_by_label("Password").fill(NEW)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/me")


def test_the_administration_s_pages_of_links_are_good_for_everybody(sign_in):
    page = sign_in()
    page.goto("/admin/users/new")
    check(page)
    page.get_by_label("Username").fill("carol")
    page.get_by_role("button", name="Make the account").click()
    page.locator("#link").wait_for()
    check(page)
    page.get_by_role("link", name="To the account").click()
    check(page)
    page.goto("/admin")
    page.get_by_role("heading", name="Mail").wait_for()
    check(page)
    assert PASSWORD not in page.content()
