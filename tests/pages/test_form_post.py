"""Answers that the browser posts to the client, with scripts and without."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode

import pytest
from tests.pages.test_pages import check

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


class Client(ThreadingHTTPServer):
    """A client that keeps what is posted to it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Callback)
        self.posted = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/callback?own=1"


class Callback(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.posted.append((self.path, dict(self.headers), dict(parse_qsl(body))))
        page = b"<!doctype html><link rel=icon href=data:,><title>Back</title><h1>Back</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


@pytest.fixture
def client():
    with Client() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def asked(service, carnet, client):
    given = ("--auth", "none", "--first-party", "--redirect-uri", client.address, "--json")
    done = carnet("client", "add", "The App", *given, data=service.data)
    assert done.returncode == 0, done.stderr
    return {
        "response_type": "code",
        "response_mode": "form_post",
        "client_id": json.loads(done.stdout)["client_id"],
        "redirect_uri": client.address,
        "state": "<a> \"state\" & 'more'",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize("script", [True, False])
def test_the_answer_is_posted_by_itself_or_by_the_person(sign_in, service, client, asked, script):
    page = sign_in(java_script_enabled=script)
    page.goto(f"/authorize?{urlencode(asked)}")
    if not script:
        assert client.posted == []
        page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Back").wait_for()
    [(path, headers, told)] = client.posted
    assert path == "/callback?own=1"
    assert headers["Origin"] == service.url
    # Where it came from, and nothing of the request.
    assert headers.get("Referer", f"{service.url}/") == f"{service.url}/"
    assert "code=" not in page.url
    assert len(told.pop("code")) > 40
    assert told == {"state": asked["state"], "iss": service.url}


def test_the_page_is_readable_and_leads_back_after_an_error(sign_in, client, asked):
    page = sign_in()
    # The page stays, to be looked at.
    page.route(
        "**/form_post.js*", lambda route: route.fulfill(body="", content_type="text/javascript")
    )
    asked["max_age"] = "x"
    check(page, f"/authorize?{urlencode(asked)}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Back").wait_for()
    assert client.posted[0][2]["error"] == "invalid_request"


def test_an_administrator_is_told_what_it_means_to_do_without_pkce(sign_in):
    page = sign_in()
    page.goto("/admin/clients/new")
    page.get_by_label("Name").fill("Old portal")
    page.get_by_label("Redirect URIs").fill("https://portal.example.com/callback")
    page.get_by_label("What it is").select_option("app")
    page.get_by_text("More settings").click()
    page.get_by_label("It can\u2019t do PKCE").check()
    page.get_by_label("Its ID tokens are signed with").select_option("RS256")
    page.get_by_role("button", name="Make the client").click()
    page.get_by_text("whoever reads the code of a public client could use it").wait_for()
    assert page.get_by_label("It can\u2019t do PKCE").is_checked()
    assert page.get_by_label("Its ID tokens are signed with").input_value() == "RS256"
    page.get_by_label("What it is").select_option("web")
    page.get_by_role("button", name="Make the client").click()
    page.get_by_text("Not demanded. It sends a nonce instead").wait_for()
    page.get_by_text("Signed with RS256").wait_for()
