"""Takes the pictures of the pages in README and docs from a server that runs: ``*.png`` here.

Run ``python docs/pictures/pages.py`` after a change of the pages; Chromium has to be installed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
PASSWORD = "paper-boat-harbour"
CALLBACK = "https://shop.example.com/callback"
PHONE, DESKTOP = {"width": 390, "height": 720}, {"width": 1120, "height": 720}
PATIENCE = 30


def run(*arguments: str, data: Path, given: str = "") -> str:
    """Run a command of ours on the server's data; give what it says."""
    command = [sys.executable, "-m", "carnet", *arguments, "--data", str(data)]
    done = subprocess.run(  # noqa: S603 - our own program
        command, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@contextlib.contextmanager
def serving(data: Path) -> Iterator[str]:
    """Serve until the end of the block; give the address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "carnet", "serve", "--audience", "orders"]
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*command, "--port", str(port), "--data", str(data)], stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{url}/readyz").close()  # noqa: S310 - http
                break
            except (urllib.error.URLError, ConnectionError):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def page_of(browser: Browser, size: Any, scheme: Any = "light") -> Page:
    """Give an empty page of a new visit."""
    return browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB").new_page()


def sign_in(page: Page, url: str) -> None:
    """Sign alice in, and be at her account."""
    page.goto(f"{url}/me")
    page.get_by_label("Username", exact=True).fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{url}/me*")


def picture(page: Page, name: str) -> None:
    """Keep what is seen of a page."""
    page.screenshot(path=HERE / f"{name}.png")


def take(browser: Browser, data: Path, url: str) -> None:
    """Take all pictures."""
    given = ["client", "add", "Shop", "--redirect-uri", CALLBACK, "--json"]
    client = json.loads(run(*given, data=data))["client_id"]
    asked = {
        "client_id": client,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    phone = page_of(browser, PHONE)
    phone.goto(f"{url}/authorize?{urlencode(asked)}")
    picture(phone, "sign-in")

    # Other devices of hers, so that there is something to see.
    sign_in(page_of(browser, PHONE), url)
    page = page_of(browser, DESKTOP)
    sign_in(page, url)
    page.goto(f"{url}/me/sessions")
    picture(page, "account")

    page = page_of(browser, DESKTOP, "dark")
    sign_in(page, url)
    page.goto(f"{url}/admin")
    picture(page, "administration")

    body = json.dumps({"username": "alice", "password": PASSWORD}).encode()
    request = urllib.request.Request(  # noqa: S310 - http
        f"{url}/sessions", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        token = json.load(answer)["access_token"]
    page = page_of(browser, DESKTOP)
    page.goto(f"{url}/debugger")
    page.get_by_role("textbox", name="Token", exact=True).fill(token)
    page.wait_for_timeout(500)
    picture(page, "debugger")


def main() -> None:
    """Take the pictures of a server that is there for it alone."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no browser: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        role = ("--role", "ADMIN", "--role", "carnet:admin")
        run("user", "add", "alice", *role, "--password-file", "-", data=data, given=PASSWORD)
        with serving(data) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            take(browser, data, url)
            browser.close()


if __name__ == "__main__":
    main()
