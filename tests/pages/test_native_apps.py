"""Answers to apps on the person's own device, at a scheme of the app's own (RFC 8252)."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
ADDRESSES = {
    "com.example.app:/callback": "com.example.app",
    "cursor://anysphere.cursor-mcp/oauth/callback": "cursor",
    "vscode://example.extension/callback?window=1": "vscode",
}


@pytest.fixture
def client_id(service, carnet):
    given = [part for address in ADDRESSES for part in ("--redirect-uri", address)]
    done = carnet("client", "add", "The App", "--auth", "none", "--json", *given, data=service.data)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["client_id"]


@pytest.mark.parametrize("decision", ["Allow", "Don\u2019t allow"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_the_browser_hands_the_answer_to_the_app(sign_in, service, client_id, address, decision):
    """No rule of the page stops the way from its form to the app's scheme."""
    page = sign_in()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": address,
        "state": "a state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    page.goto(f"/authorize?{urlencode(asked)}")
    told = page.get_by_text("You will go on to").inner_text()
    assert f"an app on this device ({ADDRESSES[address]})" in told
    own = f"{ADDRESSES[address]}:"
    # No such app is there, so Chromium gives the request up when it has left the browser's hands.
    with page.expect_event("requestfailed", lambda one: one.url.startswith(own)) as handed:
        page.get_by_role("button", name=decision, exact=True).click()
    request = handed.value
    assert request.failure == "net::ERR_ABORTED"
    assert request.redirected_from.url.endswith("/authorize/decision")
    assert request.url.startswith(address)
    answer = parse_qs(urlsplit(request.url).query)
    assert answer["state"] == ["a state"]
    assert answer["iss"] == [service.url]
    assert ("code" in answer) == (decision == "Allow")
