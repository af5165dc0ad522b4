"""Plays five tasks in a real browser, and counts the clicks and keys that each takes.

Run ``python docs/pictures/tasks.py`` after a change of the pages, and put what it prints into
``docs/explanations/pages.md``. What a version lacks is done in the longer way, so that it can be
run with an older one, too: ``PYTHONPATH=older/src python docs/pictures/tasks.py``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from pages import CALLBACK, DESKTOP, PASSWORD, page_of, run, serving, sign_in
from playwright.sync_api import Browser, Locator, Page, sync_playwright

PHONE_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1"


class Hand:
    """Somebody's hand, which counts what it does.

    Args:
        page: what it works on.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = self.keys = 0

    def click(self, target: Locator) -> None:
        """Click once."""
        target.click()
        self.clicks += 1

    def type(self, text: str) -> None:
        """Type where the focus is."""
        self.page.keyboard.type(text)
        self.keys += len(text)

    def press(self, key: str) -> None:
        """Press a key, or several together."""
        self.page.keyboard.press(key)
        self.keys += 1

    def copy(self, name: str, text: Locator) -> None:
        """Copy a text by its button, or else select it and copy it."""
        button = self.page.get_by_role("button", name=f"Copy: {name}")
        if button.count():
            self.click(button.first)
            return
        text.dblclick()
        self.clicks += 2
        self.press("Control+c")


def sign_in_to_an_app(hand: Hand, url: str) -> None:
    """Come from Shop, sign in and agree."""
    query = {"client_id": "shop", "redirect_uri": CALLBACK, "response_type": "code"}
    challenge = {"code_challenge": "x" * 43, "code_challenge_method": "S256", "scope": "openid"}
    hand.page.goto(f"{url}/authorize?{urlencode({**query, **challenge})}")
    hand.page.get_by_label("Username", exact=True).and_(hand.page.locator(":focus")).wait_for()
    hand.type("bob")
    hand.press("Tab")
    hand.type(PASSWORD)
    hand.press("Enter")
    hand.click(hand.page.get_by_role("button", name="Allow", exact=True))
    hand.page.wait_for_url(f"{CALLBACK}*")


def find_out_why(hand: Hand, url: str) -> None:
    """Have a token that a service refuses, and find out why."""
    body = json.dumps({"username": "bob", "password": PASSWORD, "expires_in": 1}).encode()
    asked = urllib.request.Request(f"{url}/sessions", body, {"Content-Type": "application/json"})  # noqa: S310 - http
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - http
        token = json.load(answer)["access_token"]
    hand.page.goto(url)
    hand.click(hand.page.get_by_role("link", name="debugger").first)
    field = hand.page.locator("textarea").first
    hand.click(field)
    field.fill(f"{token[:-3]}AAA")
    hand.keys += 1
    hand.page.locator(".stamp.refused").first.wait_for()


def end_a_lost_device(hand: Hand, url: str) -> None:
    """Be told by bob that his phone is lost, and end its session."""
    sign_in(hand.page, url)
    hand.click(hand.page.get_by_role("link", name="Admin"))
    everything = hand.page.get_by_label("Find a user, a client or a session")
    if everything.count():
        hand.click(everything)
    else:
        hand.click(hand.page.get_by_role("link", name="Users"))
        hand.click(hand.page.get_by_role("searchbox"))
    hand.type("bob")
    hand.press("Enter")
    hand.click(hand.page.get_by_role("link", name="bob", exact=True))
    hand.click(hand.page.get_by_role("button", name="End the session of Safari on iPhone").first)
    hand.page.get_by_text("The session has ended.").wait_for()


def add_grafana(hand: Hand, url: str) -> None:
    """Add a client for Grafana, and have what its settings need."""
    sign_in(hand.page, url)
    hand.click(hand.page.get_by_role("link", name="Admin"))
    hand.click(hand.page.get_by_role("link", name="Clients", exact=True))
    hand.click(hand.page.get_by_role("link", name="New client"))
    hand.page.locator("#client_name:focus").wait_for()
    hand.type("Grafana")
    hand.click(hand.page.get_by_label("Redirect URIs"))
    hand.type("https://grafana.example.com/login/generic_oauth")
    hand.click(hand.page.get_by_role("button", name="Make the client"))
    hand.copy("the secret", hand.page.locator("#secret"))
    settings = hand.page.locator("pre", has_text="auth.generic_oauth")
    if settings.count():
        hand.copy("Grafana", settings)
    else:
        # The settings are written with the help of the documentation; only the id is copied.
        hand.copy("client_id", hand.page.locator("dd code").first)


def rotate_the_keys(hand: Hand, url: str) -> None:
    """Make the next signing key."""
    sign_in(hand.page, url)
    hand.click(hand.page.get_by_role("link", name="Admin"))
    hand.click(hand.page.get_by_role("link", name="Keys", exact=True))
    hand.click(hand.page.get_by_role("button", name="Make the next"))
    hand.page.get_by_text("The next key is made").wait_for()


TASKS: dict[str, Callable[[Hand, str], None]] = {
    "sign in to an app": sign_in_to_an_app,
    "find out why a token is refused": find_out_why,
    "end the session of a lost device": end_a_lost_device,
    "add a client for Grafana": add_grafana,
    "rotate the signing keys": rotate_the_keys,
}


def play(browser: Browser, url: str) -> None:
    """Play the tasks, each by somebody new, and print a line for each."""
    for name, task in TASKS.items():
        page = page_of(browser, DESKTOP)
        page.route(f"{CALLBACK}*", lambda route: route.fulfill(body="Shop"))
        hand = Hand(page)
        task(hand, url)
        sys.stdout.write(f"| {name} | {hand.clicks} | {hand.keys} |\n")
        page.context.close()


def main() -> None:
    """Make a server with two accounts and a client, and play."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        for name, roles in (("alice", ("--role", "carnet:admin")), ("bob", ())):
            run("user", "add", name, "--password-file", "-", *roles, data=data, given=PASSWORD)
        shop = ("client", "add", "Shop", "--id", "shop", "--redirect-uri", CALLBACK)
        run(*shop, "--auth", "none", data=data)
        with serving(data) as url, sync_playwright() as playwright:
            body = json.dumps({"username": "bob", "password": PASSWORD}).encode()
            headers = {"Content-Type": "application/json", "User-Agent": PHONE_AGENT}
            urllib.request.urlopen(  # noqa: S310 - http
                urllib.request.Request(f"{url}/sessions", body, headers)  # noqa: S310 - http
            ).close()
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            play(browser, url)
            browser.close()


if __name__ == "__main__":
    main()
