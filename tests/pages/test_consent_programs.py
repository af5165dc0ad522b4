"""Who is asked for consent is told which programs can then act for them, and can stop them."""

import shutil
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.pages.test_device import check
from tests.server.conftest import PASSWORD
from tests.server.flows import Request

# An address where nothing answers stays in the address bar of a whole browser alone.
NEEDS_WINDOWS = True

LISTENING = "http://127.0.0.1:9/callback"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
LEDGER = "https://ledger.example.com/v2/books"
SHOP = "https://shop.example.com"
TERMS = f"https://{'terms-of-a-very-long-name.' * 4}example.com/terms"
LONG = "Ledger " + "of-one-very-long-word" * 4


@pytest.fixture
def secrets():
    return {}


@pytest.fixture
def service(start, filled, tmp_path, carnet, secrets):
    data = tmp_path / "data"
    shutil.copytree(filled, data)
    for name in ("orders", "billing", LEDGER):
        assert carnet("resource", "add", name, "--scope", "bills:read", data=data).returncode == 0
    acting = ("--grant", "token-exchange", "--scope", "bills:read")
    orders = ("--exchange-from", "orders", "--exchange-to", "billing")
    billing = ("--exchange-from", "billing", "--exchange-to", LEDGER)
    own = ("--client-uri", SHOP, "--policy-uri", f"{SHOP}/privacy", "--tos-uri", TERMS)
    for words in (
        ("Shop", "--id", "shop", "--auth", "none", "--redirect-uri", LISTENING, *own),
        ("Orders", "--id", "orders-service", *acting, *orders),
        (LONG, "--id", "billing-service", *acting, *billing),
    ):
        done = carnet("client", "add", *words, data=data)
        assert done.returncode == 0, done.stderr
        secrets[words[2]] = done.stdout.rpartition("client_secret")[2].split("\n")[0].strip()
    return start()


def ask(page, resource):
    """Ask for a token for a resource, and sign in."""
    asked = Request(client_id="shop", scope="bills:read", redirect_uri=LISTENING, resource=resource)
    page.goto(f"/authorize?{urlencode(asked.parameters)}")
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Allow Shop to access your account?").wait_for()
    return asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_names_those_who_can_act_and_each_can_be_stopped(visit, service, secrets, scheme):
    page, led = visit(color_scheme=scheme), []
    page.route(
        "http://127.0.0.1:9/**",
        lambda route: (led.append(route.request.url), route.fulfill(status=200, body="there")),
    )
    asked = ask(page, "orders")
    said = page.inner_text("main")
    for words in ("orders may have other programs work for you", "Orders at billing"):
        assert words in said
    assert f"{LONG} at {LEDGER}" in said
    assert "Privacy policy (shop.example.com)" in said
    check(page)

    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(f"{LISTENING}?**")
    code = parse_qs(urlsplit(led[0]).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "client_id": "shop",
        "code": code,
        "redirect_uri": LISTENING,
        "code_verifier": asked.verifier,
    }
    token = service.client.post("/token", data=form).json()["access_token"]
    exchange = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    auth = ("orders-service", secrets["orders-service"])
    assert service.client.post("/token", data=exchange, auth=auth).status_code == 200
    # Where the page has said that it is: among the applications.
    page.goto("/me/applications")
    page.get_by_role("button", name="Stop Orders at billing").click()
    page.get_by_text("The program is stopped").wait_for()


def test_where_nobody_can_act_the_page_says_nothing_of_it(visit, service):
    page = visit()
    ask(page, LEDGER)
    assert "other programs" not in page.inner_text("main")
