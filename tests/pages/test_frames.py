"""A frame in a client's page can't collect codes behind the person's back (RFC 10017)."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


class Client(ThreadingHTTPServer):
    """A client's page with a frame in it, and what comes back to the client."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Page)
        self.page = ""
        self.answers = []
        self.answered = threading.Semaphore(0)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def next_answer(self):
        assert self.answered.acquire(timeout=60)
        return self.answers[-1]


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        body = b"<!doctype html><link rel=icon href=data:,><title>Back</title>"
        if parts.path == "/callback":
            self.server.answers.append({k: v[0] for k, v in parse_qs(parts.query).items()})
            self.server.answered.release()
        else:
            body += self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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


@pytest.mark.parametrize("tag", ["iframe", "embed"])
def test_who_is_signed_in_is_not_so_in_a_frame(sign_in, service, carnet, client, tag):
    arguments = ("--auth", "none", "--first-party", "--redirect-uri", f"{client.url}/callback")
    done = carnet("client", "add", "App", "--id", "app", *arguments, data=service.data)
    assert done.returncode == 0, done.stderr
    query = {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": f"{client.url}/callback",
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "prompt": "none",
    }
    asked = f"{service.url}/authorize?{urlencode(query)}"
    page = sign_in()
    client.page = f'<{tag} src="{asked.replace("&", "&amp;")}"></{tag}>'
    # The port makes no site of its own: the browser sends the cookie with what the frame asks.
    page.goto(client.url)
    assert client.next_answer()["error"] == "login_required"
    page.goto(asked)
    assert client.next_answer()["code"]
