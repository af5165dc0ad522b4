"""Passwords that are shown, data taken along, and leaving, in a real browser."""

import json

from tests.pages.test_factors import check
from tests.server.conftest import PASSWORD


def test_what_is_typed_can_be_shown_and_a_new_password_is_judged_in_words(sign_in):
    page = sign_in()
    page.get_by_role("link", name="Password", exact=True).click()
    new = page.get_by_label("New password")
    for text, said in (
        ("short", "3 more characters to go."),
        ("alice-and-more", "username"),
        ("abcabcabc", "repeats"),
        ("abcdefghij", "simple sequence"),
        ("paper-boat", "It will do."),
        ("paper boat harbour lamp", "It is long"),
    ):
        new.fill(text)
        page.get_by_text(said).wait_for()
    assert new.get_attribute("type") == "password"
    page.get_by_role("button", name="Show").nth(1).click()
    assert new.get_attribute("type") == "text"
    check(page)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    page.wait_for_url("**/me?done=password")


def test_without_a_script_there_is_no_button_and_nothing_is_missing(sign_in):
    page = sign_in(java_script_enabled=False)
    page.goto("/me/password")
    assert page.get_by_role("button", name="Show").count() == 0
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("paper boat harbour lamp")
    page.get_by_role("button", name="Change the password").click()
    page.wait_for_url("**/me?done=password")


def test_somebody_takes_the_data_along_leaves_and_comes_back(sign_in):
    page = sign_in()
    check(page)
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download your data").click()
    data = json.loads(downloading.value.path().read_text("utf-8"))
    assert data["account"]["username"] == "alice"
    page.get_by_role("link", name="Delete your account…").click()
    check(page)
    page.get_by_role("button", name="Delete my account").click()
    page.get_by_role("heading", name="Goodbye").wait_for()
    check(page)
    page.get_by_role("link", name="Sign in and keep the account").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/me")
