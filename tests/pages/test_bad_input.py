"""What people, and others, send that no form expects."""

from __future__ import annotations

import pytest
from tests.server.conftest import PASSWORD

from carnet.server.pages.brand import check_brand
from carnet.server.pages.forms import local_path
from carnet.server.settings import Settings
from carnet.server.user_agents import device_name

SCRIPT = "\"'><script>alert(1)</script>{{7*7}}"
LONG = "n" * 10_000


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "me",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
        ),
        *("/\t/evil.example", "/\n/evil.example", " //evil.example", "///evil.example", "/ /x"),
        *("javascript:alert(1)", "http:evil.example", "/%0d%0a\r\nSet-Cookie: a=b", "/é", "//[x"),
    ],
)
def test_going_on_to_another_place_than_this_service_is_never_possible(text):
    assert local_path(text, "/me") == "/me"


@pytest.mark.parametrize("text", ["/me", "/authorize?client_id=a&redirect_uri=https%3A%2F%2Fb"])
def test_going_on_to_a_path_of_this_service_is(text):
    assert local_path(text, "/home") == text


@pytest.mark.parametrize("text", [SCRIPT, LONG, LONG[:60] + SCRIPT])
def test_script_and_length_in_every_field_are_told_and_kept(sign_in, visit, text):
    page = visit()
    page.goto("/sign-up")
    for path, button in (("/sign-in", "Sign in"), ("/sign-up", "Make the account")):
        page.goto(path)
        page.get_by_label("Username").fill(text)
        page.get_by_label("Password").fill(text)
        page.get_by_role("button", name=button).click()
        page.locator(".error").wait_for()
        assert page.get_by_label("Username").input_value() == text
        assert page.get_by_label("Password").input_value() == ""
    page = sign_in()
    page.goto("/admin/users/new")
    for label in ("Username", "Password", "Roles", "Custom claims"):
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Make the account").click()
    page.locator(".error").wait_for()
    for label in ("Username", "Roles", "Custom claims"):
        assert page.get_by_label(label).input_value() == text
    page.goto("/admin/audit")
    page.get_by_label("Account").fill(text)
    page.get_by_role("button", name="Filter").click()
    page.locator("#account-error").wait_for()
    page.goto("/admin/users")
    page.get_by_label("Part of a username or an address").fill(text)
    page.get_by_role("button", name="Search").click()
    page.get_by_text("No username or address has this in it.").wait_for()


def test_a_failed_sign_in_still_goes_on_to_where_it_should(visit, service):
    page = visit()
    page.goto("/sign-in?continue=/me/sessions&login_hint=bob")
    for password in ("wrong", PASSWORD):
        assert page.get_by_label("Username").input_value() == "bob"
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/me/sessions")
    page.goto("/sign-in?continue=//evil.example")
    page.get_by_role("link", name="Go on").click()
    page.wait_for_url(f"{service.url}/me")


def test_who_guesses_has_to_wait_on_the_page_as_elsewhere(service):
    form = {"username": "bob", "password": "wrong"}
    own = {"Origin": service.url}
    for _ in range(9):
        service.client.post("/sign-in", data=form, headers=own)
    answer = service.client.post("/sign-in", data=form, headers=own)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many failed attempts" in answer.text
    assert service.sign_in("bob").status_code == 429


def test_a_form_sent_twice_is_done_once(visit):
    page = visit()
    page.goto("/sign-up")
    page.get_by_label("Username").fill("carol")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").dblclick()
    # Not for the address: the second click stops the way there that the first has begun.
    page.get_by_role("heading", name="carol").wait_for()
    page.go_back()
    page.get_by_label("Username").fill("carol")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url("**/me")
    page.go_back()
    page.get_by_label("Username").fill("carol")
    page.get_by_label("Password").fill("another password")
    page.get_by_role("button", name="Make the account").click()
    assert "already" in page.locator("#username-error").inner_text()


def test_what_was_typed_outlives_the_session(sign_in):
    page = sign_in()
    page.goto("/admin/users/new")
    page.get_by_label("Username").fill("erin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Roles").fill("sales")
    page.context.clear_cookies()
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("heading", name="Your session has ended").wait_for()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in").click()
    other = opened.value
    other.get_by_label("Username").fill("alice")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/me")
    assert page.get_by_label("Username").input_value() == "erin"
    page.get_by_label("password").fill(PASSWORD)
    page.get_by_role("button", name="Send it again").click()
    page.get_by_text("The account is made.").wait_for()
    assert page.get_by_label("Roles").input_value() == "sales"


def test_forms_of_other_sites_are_not_taken(service):
    form = {"username": "alice", "password": PASSWORD}
    for headers in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": service.url},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ):
        headers["Accept"] = "text/html"
        answer = service.client.post("/sign-in", data=form, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert "This came from another site" in answer.text
    assert service.client.post("/sign-out").json()["error"] == "cross_site"


def test_programs_are_told_in_json_and_people_on_a_page(service):
    assert service.client.get("/nowhere").json()["error"] == "invalid_request"
    page = service.client.get("/nowhere", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    refused = service.client.post("/token", headers={"Accept": "text/html"})
    assert refused.json()["error"] == "invalid_request"


def test_a_brand_that_can_not_be_read_is_refused(tmp_path):
    from carnet.errors import ConfigurationError

    for wrong in (
        {"brand_ink_light": "#ffff00"},
        {"brand_ink_dark": "#000080"},
        {"brand_logo": str(tmp_path / "none.svg")},
        {"brand_logo": str(tmp_path)},
    ):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            check_brand(Settings(**wrong))


def test_devices_have_names_that_their_owners_know():
    mozilla = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    assert device_name(mozilla + "Chrome/140.0 Safari/537.36 Edg/140.0") == "Edge on Linux"
    assert device_name("curl/8.0") == "curl"
    assert device_name("Mozilla/5.0 (iPhone; CPU iPhone OS 18)") == "iPhone"
    assert device_name("") == "An unknown device"
