"""Passkeys in a real browser, with its own authenticator that is made for tests."""

import json
import shutil

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.ports import free_ports
from tests.server.conftest import PASSWORD
from tests.server.flows import hidden

ASK = """async ([options, more]) => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options));
  const made = await navigator.credentials.get({ publicKey: { ...publicKey, ...more } });
  return JSON.stringify(made.toJSON());
}"""


@pytest.fixture
def start_named(start, filled, tmp_path):
    """Start servers that have a name: browsers make no passkeys for an address."""

    def start_one(**env):
        port = free_ports(1)
        data = tmp_path / str(port)
        shutil.copytree(filled, data)
        server = start(
            *("--port", str(port), "--issuer", f"http://localhost:{port}"), data=data, env=env
        )
        server.url = f"http://localhost:{port}"
        return server

    return start_one


@pytest.fixture
def service(start_named):
    return start_named()


class Authenticator:
    """An authenticator of the browser's, on the device itself."""

    def __init__(self, page, **options):
        self.session = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        given = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            **options,
        }
        made = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": given})
        self.name = {"authenticatorId": made["authenticatorId"]}

    def credentials(self):
        return self.session.send("WebAuthn.getCredentials", self.name)["credentials"]

    def present(self, enabled):
        """Let the person touch it at once, or not at all."""
        values = {**self.name, "enabled": enabled}
        self.session.send("WebAuthn.setAutomaticPresenceSimulation", values)

    def verifies(self, enabled):
        values = {**self.name, "isUserVerified": enabled}
        self.session.send("WebAuthn.setUserVerified", values)

    def take(self, credential):
        values = {**self.name, "credentialId": credential["credentialId"]}
        self.session.send("WebAuthn.removeCredential", values)

    def put(self, credential):
        if any(one["credentialId"] == credential["credentialId"] for one in self.credentials()):
            self.take(credential)
        self.session.send("WebAuthn.addCredential", {**self.name, "credential": credential})


def check(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


def make_passkey(page, name="Laptop"):
    page.goto("/me/factors/passkey")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_text("It is added").wait_for()


def begin(service, path="/sign-in", **form):
    """Open a page that asks for a passkey, in a browser of one's own, and give what it holds."""
    client = httpx.Client(
        base_url=service.url,
        trust_env=False,
        timeout=60,
        # Nothing is left open for a test's end.
        limits=httpx.Limits(max_keepalive_connections=0),
        headers={"Accept": "text/html", "Origin": service.url},
    )
    if path != "/sign-in":
        client.post("/sign-in", data=form)
    page = client.get(path).text
    options = page.partition('data-options="')[2].partition('"')[0]
    return client, options.replace("&#34;", '"'), hidden(page)["state"]


def answered(client, state, answer, path="/sign-in/passkey"):
    """Send an answer, and tell whether it let somebody in."""
    form = {"state": state, "answer": answer, "continue": "/me"}
    response = client.post(path, data=form)
    said = response.status_code, client.get("/me").status_code
    assert said in ((303, 200), (401, 303)), response.text
    return said == (303, 200)


@pytest.fixture
def device(visit, service):
    """A browser with an authenticator in which alice has made a passkey."""
    page = visit()
    authenticator = Authenticator(page)
    sign_in_with_password(page)
    page.get_by_role("button", name="Not now").click()
    page.wait_for_url("**/me")
    make_passkey(page)
    return page, authenticator


def sign_in_with_password(page, username="alice"):
    page.goto("/sign-in")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.wait_for_function("document.querySelector('[name=passkeys]').value === '1'")
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page, authenticator):
    authenticator.present(False)
    page.goto("/me")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out").wait_for()


def test_a_passkey_is_made_listed_and_signs_in_by_the_button(device, service):
    page, authenticator = device
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_text("Laptop", exact=True).wait_for()
    check(page)
    page.goto("/me/factors/passkey")
    check(page)
    # The same device makes no second one.
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_text("has a passkey for the account already").wait_for()
    [credential] = authenticator.credentials()
    assert (credential["isResidentCredential"], credential["rpId"]) == (True, "localhost")
    sign_out(page, authenticator)
    check(page)
    authenticator.present(True)
    page.goto("/sign-in?continue=/me/factors")
    page.wait_for_url("**/me/factors")
    page.get_by_text("Last used").wait_for()


def test_a_passkey_is_offered_after_the_password_and_leads_on(visit, service):
    page = visit()
    authenticator = Authenticator(page)
    sign_in_with_password(page)
    page.get_by_role("heading", name="Sign in without a password?").wait_for()
    check(page)
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url("**/me")
    assert len(authenticator.credentials()) == 1


def test_the_button_signs_in_where_nothing_was_filled_in(device):
    page, authenticator = device
    sign_out(page, authenticator)
    page.get_by_role("button", name="Sign in with a passkey").wait_for()
    authenticator.present(True)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/me")


def test_a_passkey_is_the_second_factor_after_the_password(device, service):
    page, authenticator = device
    sign_out(page, authenticator)
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/sign-in/code?*")
    check(page)
    authenticator.present(True)
    page.get_by_role("button", name="Use your passkey").click()
    page.wait_for_url("**/me")
    assert service.sign_in("alice").json()["error"] == "second_factor_required"


def test_what_a_passkey_signs_is_taken_once(device, service):
    page, _ = device
    client, options, state = begin(service)
    answer = page.evaluate(ASK, [options, {}])
    assert answered(client, state, answer)
    other, _, _ = begin(service)
    assert not answered(other, state, answer)
    # Nor with the challenge of another page.
    third, _, fresh = begin(service)
    assert not answered(third, fresh, answer)


def test_a_page_at_another_origin_of_the_same_host_gets_nobody_in(device, service, start_named):
    page, _ = device
    elsewhere = start_named()
    client, options, state = begin(service)
    page.goto(f"{elsewhere.url}/debugger")
    assert not answered(client, state, page.evaluate(ASK, [options, {}]))


def test_without_a_finger_or_a_pin_a_passkey_alone_lets_nobody_in(device, service):
    page, authenticator = device
    authenticator.verifies(False)
    client, options, state = begin(service)
    answer = page.evaluate(ASK, [options, {"userVerification": "discouraged"}])
    assert not answered(client, state, answer)


def test_a_copied_passkey_is_noticed_by_its_counter(device, service, carnet):
    page, authenticator = device
    [before] = authenticator.credentials()
    client, options, state = begin(service)
    assert answered(client, state, page.evaluate(ASK, [options, {}]))
    # The copy has not signed as often as the one that it was made of.
    authenticator.put({**before, "signCount": before["signCount"] - 1})
    client, options, state = begin(service)
    assert not answered(client, state, page.evaluate(ASK, [options, {}]))
    told = carnet("audit", "--json", data=service.data).stdout
    assert "wrong_passkey" in told


def test_nobody_gets_in_with_the_passkey_of_another_account(device, service, visit):
    page, authenticator = device
    [hers] = authenticator.credentials()
    other = visit()
    his = Authenticator(other)
    sign_in_with_password(other, "bob")
    other.get_by_role("button", name="Not now").click()
    other.wait_for_url("**/me")
    make_passkey(other, "Phone")
    path = "/sign-in/code?continue=/me"
    client, options, state = begin(service, path, username="bob", password=PASSWORD)
    # His password, and her passkey.
    allowed = {**json.loads(options), "allowCredentials": []}
    answer = page.evaluate(ASK, [json.dumps(allowed), {}])
    assert not answered(client, state, answer, "/sign-in/code/passkey")
    # Her key under his name: the user that the authenticator says is another one.
    [mine] = his.credentials()
    client, options, state = begin(service)
    authenticator.put({**hers, "userHandle": mine["userHandle"]})
    assert not answered(client, state, page.evaluate(ASK, [options, {}]))
    # What was asked for a second factor is no sign-in alone.
    client, options, state = begin(service, path, username="bob", password=PASSWORD)
    answer = other.evaluate(ASK, [options, {}])
    assert not answered(client, state, answer, "/sign-in/passkey")
    assert answered(client, state, answer, "/sign-in/code/passkey")


def test_a_passkey_that_was_removed_vanishes_from_its_provider_and_lets_nobody_in(device, service):
    page, authenticator = device
    [kept] = authenticator.credentials()
    page.goto("/me/factors")
    page.get_by_role("link", name="Remove Laptop…").click()
    page.get_by_text("your password alone lets you in").wait_for()
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("It is removed").wait_for()
    # The page tells the browser which ones there are, and the browser tells the provider.
    for _ in range(100):
        if not authenticator.credentials():
            break
        page.wait_for_timeout(50)
    assert authenticator.credentials() == []
    authenticator.put(kept)
    client, options, state = begin(service)
    assert not answered(client, state, page.evaluate(ASK, [options, {}]))


def test_whoever_has_removed_a_passkey_at_its_provider_comes_in_by_the_other_ways(device):
    page, authenticator = device
    codes = page.locator("li code").all_inner_texts()
    sign_out(page, authenticator)
    [gone] = authenticator.credentials()
    authenticator.take(gone)
    authenticator.present(True)
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/sign-in/code?*")
    page.get_by_label("Code").fill(codes[0])
    page.keyboard.press("Enter")
    page.wait_for_url("**/me")


def test_a_page_asks_for_no_passkey_of_another_host(device, service):
    page, _ = device
    _, options, _ = begin(service)
    for host in ("example.com", "elsewhere.localhost"):
        other = json.dumps({**json.loads(options), "rpId": host})
        with pytest.raises(Exception, match="SecurityError"):
            page.evaluate(ASK, [other, {}])


@pytest.mark.parametrize(
    "answer", ["", "{", "[]", "{}", '{"id": "AA", "rawId": "AA", "response": {}}', "x" * 20_000]
)
def test_what_is_no_answer_is_refused_in_words(service, answer):
    client, _, state = begin(service)
    assert not answered(client, state, answer)
    assert not answered(client, state[:-1], answer)


def test_a_service_that_has_only_an_address_offers_none(start, filled, tmp_path, browser):
    shutil.copytree(filled, tmp_path / "data")
    server = start()
    page = httpx.get(f"{server.url}/sign-in", trust_env=False).text
    assert "data-passkey" not in page
