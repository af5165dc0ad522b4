"""Second factors in a real browser: with the keyboard, without a script, on a narrow screen."""

import re
from urllib.parse import urlencode

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.pages.conftest import wait_for_focus
from tests.server.conftest import PASSWORD
from tests.server.flows import Request, add_client

# An address where nothing answers stays in the address bar of a whole browser alone.
NEEDS_WINDOWS = True


def check(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


def app_of(page):
    """An authenticator app that has the secret of the page; the QR code says the same."""
    uri = page.get_by_role("link", name="open it on this device").get_attribute("href")
    app = pyotp.parse_uri(uri)
    assert page.locator(".secret").inner_text().replace(" ", "") == app.secret
    return app


def sign_in_with(page, code):
    """Type the password and then a code, with the keyboard alone."""
    page.goto("/sign-in")
    wait_for_focus(page, "username")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/code?*")
    wait_for_focus(page, "code")
    page.keyboard.type(code)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_app_is_added_used_and_removed_with_the_keyboard(sign_in, visit, service, scheme):
    page = sign_in(color_scheme=scheme)
    page.get_by_role("link", name="Sign-in", exact=True).click()
    check(page)
    page.get_by_role("link", name="Add an authenticator app").click()
    check(page)
    app = app_of(page)
    page.get_by_label("Code").fill("000000")
    page.keyboard.press("Enter")
    assert "not the code" in page.locator("#code-error").inner_text()
    assert app_of(page).secret == app.secret
    wait_for_focus(page, "code")
    page.keyboard.type(app.now())
    page.keyboard.press("Tab")
    page.keyboard.type("Phone")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    check(page)
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_text("Phone", exact=True).wait_for()
    check(page)

    other = visit(color_scheme=scheme)
    sign_in_with(other, "000000")
    other.locator("#code-error").wait_for()
    check(other)
    wait_for_focus(other, "code")
    other.keyboard.type(codes[0].lower())
    other.keyboard.press("Enter")
    other.wait_for_url("**/me")
    other.goto("/me/factors")
    other.get_by_text("You have 9 left").wait_for()

    other.get_by_role("link", name="Make new codes").click()
    check(other)
    other.get_by_role("button", name="Make new codes").click()
    other.get_by_role("heading", name="Your recovery codes").wait_for()
    other.goto("/me/factors")
    other.get_by_role("link", name="Remove Phone…").click()
    check(other)
    other.get_by_role("button", name="Remove it").click()
    other.get_by_text("It is removed").wait_for()
    # The first browser has lost its session with that.
    page.goto("/me")
    page.wait_for_url("**/sign-in?continue=%2Fme")


def test_an_app_is_added_without_a_script(sign_in, visit):
    page = sign_in("bob", java_script_enabled=False)
    page.goto("/me/factors/app")
    app = app_of(page)
    page.get_by_label("Code").fill(app.now())
    page.get_by_role("button", name="Add it").click()
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    other = visit(java_script_enabled=False)
    other.goto("/sign-in")
    other.get_by_label("Username").fill("bob")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.get_by_label("Code").fill(codes[3])
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/me")


def test_whom_another_site_has_sent_is_asked_for_the_second_factor_alone(
    sign_in, service, start, tmp_path
):
    add_client(service.data, "shop", required_acr="aal2", first_party=True)
    elsewhere = start(data=tmp_path / "elsewhere")
    page = sign_in("alice")
    page.goto("/me/factors/app")
    app = app_of(page)
    page.get_by_label("Code").fill(app.now())
    page.get_by_role("button", name="Add it").click()
    code = page.locator(".codes code").first.inner_text()
    # The session is older than the factor. Of another host, so that the cookies are strangers'.
    page.goto(f"{elsewhere.url.replace('127.0.0.1', 'localhost')}/debugger")
    asked = Request(client_id="shop", scope=None)
    address = f"{service.url}/authorize?{urlencode(asked.parameters)}"
    page.evaluate("address => { location.href = address }", address)
    page.wait_for_url("**/sign-in/code?*")
    page.get_by_label("Code").fill(code)
    page.route("https://app.example/**", lambda route: route.fulfill(body="the app"))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("https://app.example/callback.code="))


def test_an_administrator_sees_and_removes_the_factors_of_somebody(sign_in, service):
    page = sign_in("bob")
    page.goto("/me/factors/app")
    page.get_by_label("Code").fill(app_of(page).now())
    page.get_by_role("button", name="Add it").click()
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    admin = sign_in("alice")
    admin.goto("/admin/users?search=bob")
    admin.get_by_role("link", name="bob", exact=True).click()
    admin.get_by_text("10 recovery codes are left").wait_for()
    check(admin)
    admin.get_by_role("link", name="Remove all…").click()
    admin.get_by_role("button", name="Remove the second factors").click()
    admin.get_by_text("The second factors are removed").wait_for()
    assert service.sign_in("bob").status_code == 201
    page.goto("/me")
    page.wait_for_url(re.compile("/sign-in"))
