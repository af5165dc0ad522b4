"""The page for devices, in a real browser: on a phone, with the keyboard, and without a script."""

from __future__ import annotations

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.pages.conftest import wait_for_focus
from tests.server.conftest import PASSWORD

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
AGENT = "shop-cli/2.4 (Linux; x86_64)"


@pytest.fixture
def service(start, filled, tmp_path, carnet):
    """A server with a client that devices use, behind a proxy that is believed."""
    shutil.copytree(filled, tmp_path / "data")
    added = carnet(
        *("client", "add", "Shop CLI", "--id", "cli", "--auth", "none"),
        *("--grant", "device_code", "--grant", "refresh_token", "--scope", "openid orders:read"),
        data=tmp_path / "data",
    )
    assert added.returncode == 0, added.stderr
    return start(env={"CARNET_TRUSTED_PROXIES": "127.0.0.1"})


def begin(service):
    headers = {"User-Agent": AGENT, "X-Forwarded-For": "203.0.113.7"}
    form = {"client_id": "cli"}
    return service.client.post("/device_authorization", data=form, headers=headers).json()


def told(service, codes):
    form = {
        "grant_type": DEVICE_CODE,
        "device_code": codes["device_code"],
        "client_id": "cli",
    }
    return service.client.post("/token", data=form).json()


def check(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_code_is_typed_and_allowed_with_the_keyboard_alone(visit, service, scheme):
    page, codes = visit(color_scheme=scheme), begin(service)
    page.goto(codes["verification_uri"])
    page.wait_for_url("**/sign-in?continue=%2Fdevice")
    wait_for_focus(page, "username")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/device")
    check(page)
    wait_for_focus(page, "user_code")
    page.keyboard.type("zzzz-zzz")
    page.keyboard.press("Enter")
    page.get_by_text("No device is waiting with this code.").wait_for()
    check(page)
    # What was wrong is still there, and has the focus.
    field = page.get_by_label("Code")
    assert field.input_value() == "zzzz-zzz"
    wait_for_focus(page, "user_code")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(codes["user_code"].lower().replace("-", ""))
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Allow Shop CLI to access your account?").wait_for()
    for text in (codes["user_code"], "203.0.113.7", AGENT, "orders:read"):
        page.get_by_text(text).first.wait_for()
    check(page)
    page.get_by_role("button", name="Allow", exact=True).press("Enter")
    page.get_by_text("You can close this page").wait_for()
    check(page)
    assert told(service, codes)["token_type"] == "Bearer"


@pytest.mark.parametrize("script", [True, False])
def test_an_address_with_the_code_in_it_asks_all_the_same(visit, service, script):
    page, codes = visit(java_script_enabled=script), begin(service)
    page.goto(codes["verification_uri_complete"])
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("did you begin this?").wait_for()
    assert told(service, codes)["error"] == "authorization_pending"
    page.get_by_role("button", name="t allow").click()
    page.get_by_text("Nothing was allowed").first.wait_for()
    page.get_by_text("You can close this page").wait_for()
    assert told(service, codes)["error"] == "access_denied"
