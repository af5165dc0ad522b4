"""Every page, main path first, in a real browser."""

from __future__ import annotations

import re

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.pages.conftest import ADMIN, wait_for_focus
from tests.server.conftest import PASSWORD

NEW = "four words not together"
OPEN = ["/", "/sign-in", "/sign-up", "/nowhere"]
OWN = [
    "/",
    "/me",
    "/me/sessions",
    "/me/applications",
    "/me/password",
    "/me/factors",
    "/me/factors/app",
]
ADMINS = [
    *("/admin", "/admin/users", "/admin/users?search=nobody", "/admin/users/new"),
    *("/admin/search", "/admin/search?q=a", "/admin/search?q=nobody"),
    *("/admin/clients", "/admin/clients/new", "/admin/clients/new-resource"),
    *("/admin/providers", "/admin/keys", "/admin/audit", "/admin/audit?since=never"),
]


def press(page, name):
    page.get_by_role("button", name=name).click()


def open_user(page, name):
    page.goto(f"/admin/users?search={name}")
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", level=1, name=name).wait_for()
    return page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_readable_by_everyone_and_as_wide_as_the_screen(sign_in, visit, scheme):
    page = visit(color_scheme=scheme)
    for path in OPEN:
        check(page, path)
    page = sign_in(color_scheme=scheme)
    bob = open_user(page, "bob")
    for path in [*OWN, *ADMINS, bob, f"{bob}/disable", f"{bob}/merge?into=alice"]:
        check(page, path)


def test_an_administrator_links_an_account_to_what_another_issuer_calls_it(sign_in):
    page = sign_in()
    bob = open_user(page, "bob")
    issuer = f"https://idp.example.com/realms/{'x' * 60}"
    page.fill("#issuer", issuer)
    page.fill("#subject", "U019488227")
    press(page, "Link")
    page.get_by_text("The account is linked").wait_for()
    assert issuer in page.content()
    check(page, bob)
    press(page, f"Unlink U019488227 of {issuer}")
    page.get_by_text("No other issuer's accounts").wait_for()


def check(page, path):
    page.goto(path)
    found = Axe().run(page)
    assert found.violations_count == 0, f"{path}: {found.generate_report()}"
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_the_first_sight_of_the_sign_in_page_is_small_and_needs_no_other_server(visit, service):
    page = visit()
    answers = []
    # Playwright marks the handler, which a builtin does not bear.
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108
    page.goto("/sign-in", wait_until="networkidle")
    assert {answer.url.startswith(service.url) for answer in answers} == {True}
    sizes = [sum(answer.request.sizes()[name] for name in SIZES) for answer in answers]
    assert sum(sizes) <= 50_000


SIZES = ("responseBodySize", "responseHeadersSize")


@pytest.mark.parametrize("script", [True, False])
def test_somebody_signs_up_sees_to_the_account_and_signs_out(visit, script):
    page = visit(java_script_enabled=script)
    page.goto("/me/sessions")
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("Username").fill("carol")
    page.get_by_label("Password").fill("password")
    press(page, "Make the account")
    field = page.get_by_label("Password")
    assert "too common" in page.locator("#new_password-error").inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert "new_password-error" in field.get_attribute("aria-describedby")
    assert page.get_by_label("Username").input_value() == "carol"
    field.fill(PASSWORD)
    press(page, "Make the account")
    # It goes on to where the visit had begun.
    page.wait_for_url("**/me/sessions")
    page.get_by_text("This browser").wait_for()
    page.get_by_role("link", name="Password").click()
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password").fill(NEW)
    press(page, "Change the password")
    assert "wrong" in page.locator("#current_password-error").inner_text()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW)
    press(page, "Change the password")
    page.get_by_text("Your password is changed").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out").wait_for()
    page.goto("/me")
    page.wait_for_url("**/sign-in?continue=%2Fme")


def test_sessions_are_ended_one_by_one_or_all_others_at_once(sign_in, service):
    for _ in range(3):
        token = service.sign_in("bob").json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    service.client.post("/token", data=form, headers={"X-Forwarded-For": "203.0.113.7"})
    page = sign_in("bob")
    page.goto("/me/sessions")
    # The place of the last use, not of the sign-in.
    page.get_by_text("from 203.0.113.7").wait_for()
    assert page.locator(".things > li").count() == 4
    page.get_by_role("button", name="End the session of A Python program").first.click()
    page.get_by_text("The session has ended.").wait_for()
    assert page.locator(".things > li").count() == 3
    press(page, "End all other sessions")
    page.get_by_text("All your other sessions have ended.").wait_for()
    assert page.locator(".things > li").count() == 1


@pytest.mark.parametrize("script", [True, False])
def test_an_administrator_sees_to_users(sign_in, service, script):
    page = sign_in(java_script_enabled=script)
    page.goto("/admin/users/new")
    page.get_by_label("Username").fill("dave")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Roles").fill("sales support")
    page.get_by_label("Custom claims").fill("not json")
    press(page, "Make the account")
    assert "JSON object" in page.locator("#claims-error").inner_text()
    assert page.get_by_label("Roles").input_value() == "sales support"
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Custom claims").fill('{"floor": 3}')
    press(page, "Make the account")
    page.get_by_text("The account is made.").wait_for()
    assert page.get_by_label("Custom claims").input_value() == '{\n  "floor": 3\n}'
    assert service.sign_in("dave").status_code == 201
    page.reload()
    page.get_by_label("Roles").fill("support")
    press(page, "Change the roles")
    page.get_by_text("The roles are changed").wait_for()
    page.get_by_role("link", name="Disable").click()
    press(page, "Disable the account")
    page.get_by_text("The account is disabled").wait_for()
    page.get_by_text("The account is not signed in anywhere.").wait_for()
    assert service.sign_in("dave").status_code == 401
    press(page, "Enable")
    page.get_by_text("may sign in again").wait_for()
    assert service.sign_in("dave").status_code == 201
    page.get_by_role("link", name="In the audit log").click()
    told = page.locator("tbody").inner_text()
    for event in ("account created", "roles changed", "account disabled", "account enabled"):
        assert event in told
    page.get_by_label("Event").select_option("account_disabled")
    press(page, "Filter")
    page.wait_for_url("**event=account_disabled**")
    assert page.locator("tbody tr").count() == 1


def test_an_administrator_sees_to_clients_and_resources(sign_in, service):
    page = sign_in()
    page.goto("/admin/clients/new-resource")
    page.get_by_label("Audience").fill("two words")
    press(page, "Make the resource")
    page.locator("#audience-error").wait_for()
    page.get_by_label("Audience").fill("stock")
    page.get_by_label("Scopes").fill("stock:read=sub")
    press(page, "Make the resource")
    page.get_by_text("the service itself sets these").wait_for()
    page.get_by_label("Scopes").fill("stock:read=department,cost_centre")
    page.get_by_label("Claims").fill("roles")
    press(page, "Make the resource")
    page.get_by_text("The resource is made.").wait_for()
    page.get_by_text("releases department, cost_centre").wait_for()
    page.get_by_text("Claims for first-party clients: roles").wait_for()
    page.get_by_role("link", name="New client").click()
    page.get_by_label("Name").fill("Nightly <job>")
    page.get_by_label("What it is").select_option("service")
    page.get_by_text("More settings").click()
    page.get_by_label("Scope").fill("stock:read")
    page.get_by_label("Resources").fill("nowhere")
    press(page, "Make the client")
    page.get_by_text("names nowhere, which is no audience").wait_for()
    assert page.get_by_label("What it is").input_value() == "service"
    page.get_by_label("Resources").fill("stock")
    press(page, "Make the client")
    secret = page.locator("#secret").inner_text()
    client_id = page.locator("dd code").first.inner_text()

    def ask(secret):
        form = {"grant_type": "client_credentials", "scope": "stock:read"}
        return service.client.post("/token", data=form, auth=(client_id, secret)).status_code

    assert ask(secret) == 200
    page.goto("/admin/clients")
    page.get_by_role("link", name="Nightly <job>").click()
    assert secret not in page.content()
    page.get_by_role("link", name="New secret").click()
    press(page, "Make a new secret")
    renewed = page.locator("#secret").inner_text()
    assert (ask(secret), ask(renewed)) == (401, 200)
    page.get_by_role("link", name="New secret").click()
    page.get_by_label("The current secret").select_option("works for another week")
    press(page, "Make a new secret")
    secret, renewed = renewed, page.locator("#secret").inner_text()
    assert (ask(secret), ask(renewed)) == (200, 200)
    page.get_by_role("link", name="Remove the previous secret").click()
    press(page, "Remove the previous secret")
    page.get_by_role("link", name="Remove the previous secret").wait_for(state="detached")
    assert (ask(secret), ask(renewed)) == (401, 200)
    page.get_by_role("link", name="Remove…", exact=True).click()
    press(page, "Remove the client")
    page.get_by_text("The client is removed").wait_for()
    assert ask(renewed) == 401
    page.get_by_role("link", name="Remove the resource stock").click()
    press(page, "Remove the resource")
    page.get_by_text("no more tokens").wait_for()
    page.get_by_text("There is no client yet.").wait_for()


def test_a_client_whose_form_is_sent_twice_is_made_once(sign_in):
    page = sign_in()
    page.goto("/admin/clients/new")
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Redirect URIs").fill("https://shop.example/callback")
    press(page, "Make the client")
    page.locator("#secret").wait_for()
    page.go_back()
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Redirect URIs").fill("https://shop.example/callback")
    form = page.locator("form[action$=new]")
    form.wait_for()
    press(page, "Make the client")
    page.get_by_role("heading", name="Shop").wait_for()


def test_an_administrator_can_not_lock_herself_out(sign_in):
    page = sign_in()
    alice = open_user(page, "alice")
    page.get_by_label("Roles").fill("sales")
    press(page, "Change the roles")
    assert ADMIN in page.locator("#roles-error").inner_text()
    page.goto(f"{alice}/disable")
    press(page, "Disable the account")
    page.get_by_role("alert").wait_for()


def test_keys_are_rotated_once_and_retired_after_a_question(sign_in, service):
    page = sign_in()
    page.goto("/admin/keys")
    [before] = service.client.get("/.well-known/jwks.json").json()["keys"]
    # Twice the same form: a second key would be one too many.
    form = page.locator("form[action$=rotate]")
    assert form.count() == 1
    page.get_by_role("button", name="Make the next").dblclick()
    page.get_by_text("The next key is made").wait_for()
    page.goto("/admin/keys")
    assert page.locator(".things > li").count() == 2
    page.get_by_role("link", name=f"Retire the key {before['kid']}").click()
    press(page, "Retire the key")
    page.get_by_text("no longer in use").wait_for()
    keys = service.client.get("/.well-known/jwks.json").json()["keys"]
    assert before["kid"] not in {key["kid"] for key in keys}


def test_revocations_appear_while_the_page_is_open(sign_in, service):
    page = sign_in()
    page.goto("/admin")
    page.get_by_text("Live.").wait_for()
    tokens = service.sign_in("bob").json()
    service.sign_out(tokens["access_token"])
    page.locator("code", has_text=tokens["session_id"]).wait_for()
    page.get_by_role("img", name=re.compile("Sign-ins by hour")).wait_for()


def test_the_admin_pages_are_for_administrators(sign_in, service):
    page = sign_in("bob")
    assert page.get_by_role("link", name="Admin").count() == 0
    for path in ["/admin/revocations", *ADMINS]:
        assert page.goto(path).status == 403
    assert service.client.get("/admin/revocations").status_code == 401
    assert service.client.post("/admin/keys/rotate", data={"alg": "ES256"}).status_code == 403


def test_everything_can_be_done_with_the_keyboard_alone(visit):
    page = visit()
    page.goto("/sign-in?continue=/admin/users")
    wait_for_focus(page, "username")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Users").wait_for()
    places = {
        "New user": "New user",
        "Account": "alice",
        "Sessions": "Where you are signed in",
        "Sign out": "Sign in",
    }
    for place, heading in places.items():
        for _ in range(30):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.textContent.trim()")
            if focused == place:
                break
        assert focused == place
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")
        page.get_by_role("heading", level=1, name=heading).wait_for()
    page.get_by_text("You are signed out").wait_for()


def test_the_brand_is_the_operators_own(start, visit, tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    other = start(
        env={
            "CARNET_BRAND_NAME": "Acme <b>",
            "CARNET_BRAND_LOGO": str(logo),
            "CARNET_BRAND_INK_LIGHT": "#7a0019",
        },
        data=tmp_path / "other",
    )
    page = visit()
    page.goto(f"{other.url}/sign-in")
    assert page.title() == "Sign in · Acme <b>"
    colour = "getComputedStyle(document.querySelector('button.wide')).backgroundColor"
    assert page.evaluate(colour) == "rgb(122, 0, 25)"
    assert page.evaluate("document.querySelector('img.mark').naturalWidth") > 0


def test_static_files_are_kept_for_good_under_a_name_that_changes_with_them(service):
    text = service.client.get("/sign-in").text
    path = re.search(r'href="(/static/carnet\.css\?v=\w+)"', text)[1]
    kept = service.client.get(path)
    assert "immutable" in kept.headers["cache-control"]
    again = service.client.get(
        "/static/carnet.css", headers={"If-None-Match": kept.headers["etag"]}
    )
    assert (again.status_code, again.headers["cache-control"]) == (304, "public, no-cache")
    assert httpx.get(f"{service.url}/static/..%2fbrand.py").status_code == 404


def test_an_administrator_finds_a_session_copies_settings_and_reads_local_times(sign_in, service):
    page = sign_in(timezone_id="Asia/Tokyo", permissions=["clipboard-read", "clipboard-write"])
    session_id = service.sign_in("bob").json()["session_id"]
    page.goto("/admin")
    page.get_by_label("Find a user, a client or a session").focus()
    page.keyboard.type(session_id[:8])
    page.keyboard.press("Enter")
    page.locator("code", has_text=session_id).wait_for()
    time = page.locator("main time").first
    assert time.inner_text() == "now"
    assert "UTC" in time.get_attribute("title")
    press(page, f"End the session of bob, A Python program, {session_id}")
    page.get_by_text("The session has ended.").wait_for()
    page.goto("/admin/audit?account=bob&event=session_ended")
    page.get_by_text("Event: session ended").wait_for()
    # Exact, and of the visitor's zone: the machine's clock is nine hours behind it.
    time = page.locator("tbody time")
    written = page.evaluate(
        "moment => new Intl.DateTimeFormat('en', {dateStyle: 'medium', timeStyle: 'medium',"
        " timeZone: 'Asia/Tokyo'}).format(new Date(moment))",
        time.get_attribute("datetime"),
    )
    assert time.inner_text() == written
    page.goto("/admin/clients/new")
    page.get_by_label("Name").fill("Grafana")
    assert not page.get_by_label("Scope").is_visible()
    page.get_by_label("Redirect URIs").fill("https://grafana.example.com/login/generic_oauth")
    press(page, "Make the client")
    press(page, "Copy: the secret")
    secret = page.evaluate("navigator.clipboard.readText()")
    assert secret == page.locator("#secret").inner_text()
    press(page, "Copy: Grafana")
    settings = page.evaluate("navigator.clipboard.readText()")
    assert f"auth_url = {service.url}/authorize" in settings
    assert secret not in settings
    page.goto("/admin/clients")
    page.get_by_role("link", name="Grafana").click()
    page.get_by_role("heading", name="Settings to paste").wait_for()
    for path in (page.url, "/admin?range=days"):
        check(page, path)
