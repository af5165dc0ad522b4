"""A client that publishes itself what it is, in a real browser, from the sign-in to the code."""

from __future__ import annotations

import re
import shutil
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import Request
from tests.server.strangers import stranger

# An address where nothing answers stays in the address bar of a whole browser alone.
NEEDS_WINDOWS = True

LISTENING = "http://127.0.0.1:9/callback"


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def service(start, filled, tmp_path, there, carnet, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(filled, data)
    opened = ("resource", "add", "tools", "--scope", "tools:call", "--unregistered-clients")
    assert carnet(*opened, data=data).returncode == 0
    return start(env={"CARNET_PRIVATE_HOSTS": "localhost"})


@pytest.mark.parametrize("width", [360, 1280])
def test_the_host_comes_first_and_the_answer_goes_to_the_client(visit, there, width):
    name = "A name of one very long word " + "n" * 200
    client_id = there.publish(redirect_uris=[LISTENING], client_name=name)
    page = visit(viewport={"width": width, "height": 800})
    led = []

    def answer(route):
        led.append(route.request.url)
        route.fulfill(status=200, body="the client")

    page.route("http://127.0.0.1:9/**", answer)
    asked = Request(client_id=client_id, scope="tools:call", redirect_uri=LISTENING)
    page.goto(f"/authorize?{urlencode(asked.parameters)}")
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name=re.compile(f"localhost:{there.port}")).wait_for()
    assert "Any program on this device may claim to be this one" in page.inner_text("main")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(f"{LISTENING}?**")
    [address] = led
    assert "code" in parse_qs(urlsplit(address).query)
