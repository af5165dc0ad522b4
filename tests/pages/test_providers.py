"""Signing in with a provider in a real browser: four buttons on a narrow screen, and back."""

import shutil
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.server.conftest import PASSWORD
from tests.server.upstream.imitation import imitation

LABELS = ("Google", "Microsoft", "GitHub", "Example Ltd")


def check(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


@pytest.fixture
def provider(tmp_path, monkeypatch):
    with imitation(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def more():
    """Further lines of the settings of the provider that is there."""
    return ""


@pytest.fixture
def service(start, filled, tmp_path, provider, carnet, more):
    """A server with four providers, the last of which is there; alice has an address."""
    provider.clock = lambda: time.time_ns() // 1000
    shutil.copytree(filled, tmp_path / "data")
    given = ("user", "email", "add", "alice", "alice@example.com")
    assert carnet(*given, data=tmp_path / "data").returncode == 0
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    file = tmp_path / "carnet.toml"
    file.write_text(
        f"""
        private_hosts = ["localhost"]
        [providers.google]
        client_id = "x"
        [providers.microsoft]
        client_id = "x"
        tenant = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
        [providers.github]
        client_id = "x"
        client_secret_file = "{secret}"
        [providers.example]
        client_id = "carnet-at-the-provider"
        client_secret_file = "{secret}"
        issuer = "{provider.url}"
        label = "Example Ltd"
        {more}
        """
    )
    return start("--config", str(file))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_provider_is_connected_used_and_disconnected(visit, service, provider, scheme, tmp_path):
    trusting = {"color_scheme": scheme, "ignore_https_errors": True}
    page = visit(**trusting)
    page.goto("/sign-in")
    check(page)
    page.screenshot(path=tmp_path / f"sign-in-{scheme}.png", full_page=True)
    for label in LABELS:
        page.get_by_role("button", name=f"Continue with {label}").wait_for()
    provider.visitor = {"name": "Al at Example"}
    page.get_by_role("button", name="Continue with Example Ltd").press("Enter")
    page.get_by_role(
        "heading", name="No account here is connected to this Example Ltd account"
    ).wait_for()
    check(page)
    page.get_by_role("link", name="To the sign-in").click()
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/me")
    page.get_by_role("link", name="Sign-in", exact=True).click()
    check(page)
    page.get_by_role("button", name="Connect Example Ltd").click()
    page.get_by_text("It is connected").wait_for()
    page.get_by_text("Al at Example").wait_for()
    check(page)
    page.screenshot(path=tmp_path / f"factors-{scheme}.png", full_page=True)

    other = visit(java_script_enabled=False, **trusting)
    other.goto("/sign-in")
    other.get_by_role("button", name="Continue with Example Ltd").click()
    other.wait_for_url("**/me")
    page.get_by_role("link", name="Disconnect Example Ltd…").click()
    check(page)
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_text("It is disconnected").wait_for()
    other.goto("/me")
    other.wait_for_url("**/sign-in?continue=%2Fme")


@pytest.mark.parametrize(
    "more",
    ['domains = ["example.com"]\nlink = "verified-address"\nprovision = "create"'],
    ids=["one story"],
)
def test_an_address_leads_to_its_provider_and_that_to_the_account_that_is_there(
    visit, service, provider, tmp_path
):
    page = visit(ignore_https_errors=True)
    page.goto("/sign-in")
    check(page)
    page.screenshot(path=tmp_path / "name-first.png", full_page=True)
    provider.visitor = {"email": "alice@example.com", "email_verified": True, "name": "Al"}
    page.get_by_label("Username or e-mail address").fill("alice@example.com")
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_role("heading", name="You may have an account here already").wait_for()
    check(page)
    page.screenshot(path=tmp_path / "existing.png", full_page=True)
    page.get_by_role("link", name="Sign in to the account").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Connect Example Ltd with your account?").wait_for()
    check(page)
    page.screenshot(path=tmp_path / "connect.png", full_page=True)
    page.get_by_role("button", name="Connect Example Ltd").click()
    page.wait_for_url("**/me")
    other = visit(java_script_enabled=False, ignore_https_errors=True)
    other.goto("/sign-in")
    other.get_by_label("Username or e-mail address").fill("alice@example.com")
    other.get_by_role("button", name="Continue", exact=True).click()
    other.wait_for_url("**/me")

    page.goto("/admin/providers")
    check(page)
    page.get_by_role("link", name="Look at Example Ltd").click()
    page.get_by_label("Rules").fill('[providers.example.roles]\nvalues = { Press = "press" }')
    page.get_by_label("Sample").fill('{"groups": ["Press"]}')
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("This person may sign in.").wait_for()
    page.get_by_text("These rules are not in force.").wait_for()
    check(page)
    page.screenshot(path=tmp_path / "try.png", full_page=True)
