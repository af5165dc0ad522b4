"""A browser asks without a token whether a page may send a request: that passes, and nothing else.

Fetch, section 4.8: OPTIONS with Origin and Access-Control-Request-Method, and no credentials.
"""

import asyncio

import httpx
import pytest
from flask import Flask

from carnet.verifier import flask as for_flask
from carnet.verifier.gate import Gate
from carnet.verifier.wsgi import BearerMiddleware

ASKED = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "DELETE"}
ALLOWED = {"Access-Control-Allow-Origin": "https://app.example.com"}

# What looks like it and is not, and so needs a token.
OTHERS = {
    "another method": ("DELETE", ASKED),
    "a plain OPTIONS": ("OPTIONS", {}),
    "no origin": ("OPTIONS", {"Access-Control-Request-Method": "DELETE"}),
    "no method asked for": ("OPTIONS", {"Origin": "https://app.example.com"}),
    "a token": ("OPTIONS", {**ASKED, "Authorization": "Bearer e30.e30.AA"}),
    "a method that overrides": ("OPTIONS", {**ASKED, "X-HTTP-Method-Override": "DELETE"}),
    "another that does": ("OPTIONS", {**ASKED, "X-Method": "DELETE"}),
}
OPTIONS = {"issuer": "https://auth.example.com", "audience": "orders", "revocations": "off"}


class Closing:
    """An app's answer, which is to be closed."""

    def __init__(self, begin):
        self.closed = False
        self._begin = begin

    def __iter__(self):
        self._begin()
        yield b"all that is kept"

    def close(self):
        self.closed = True


def without_a_look_at_the_method(environ, start_response):
    """An app that answers every method alike, and begins late."""
    headers = [("Content-Length", "16"), ("Set-Cookie", "a=b"), ("X-Total", "7"), *ALLOWED.items()]
    environ["test.answers"].append(Closing(lambda: start_response("200 OK", headers)))
    return environ["test.answers"][-1]


def ask(app, method, headers, answers):
    def wsgi(environ, start_response):
        environ["test.answers"] = answers
        return app(environ, start_response)

    with httpx.Client(transport=httpx.WSGITransport(wsgi), base_url="http://orders") as client:
        return client.request(method, "/orders", headers=headers)


def in_flask():
    app = Flask("shop")
    app.config["CARNET"] = OPTIONS
    for_flask.Bearer(app, exempt=["health"])
    app.add_url_rule("/health", "health", lambda: "ok")
    kept = ("all that is kept", {"Set-Cookie": "a=b", "X-Total": "7"})
    app.add_url_rule("/orders", "orders", lambda: kept, methods=["GET", "DELETE", "OPTIONS"])
    app.after_request(lambda answer: answer.headers.update(ALLOWED) or answer)
    return app


def in_wsgi():
    return BearerMiddleware(without_a_look_at_the_method, **OPTIONS)


@pytest.mark.parametrize("make", [in_wsgi, in_flask])
def test_a_preflight_gets_the_apps_headers_and_nothing_that_is_kept(make):
    answers = []
    answer = ask(make(), "OPTIONS", ASKED, answers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert answer.headers["content-length"] == "0"
    assert answer.content == b""
    assert not {"set-cookie", "x-total"} & answer.headers.keys()
    assert all(one.closed for one in answers)


def test_an_answer_without_content_has_no_length():
    def app(_environ, start_response):
        start_response("204 No Content", list(ALLOWED.items()))(b"not sent")
        return []

    answer = ask(BearerMiddleware(app, **OPTIONS), "OPTIONS", ASKED, [])
    assert (answer.status_code, "content-length" in answer.headers) == (204, False)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("make", [in_wsgi, in_flask])
def test_everything_else_needs_a_token(make, name):
    answers = []
    answer = ask(make(), *OTHERS[name], answers)
    assert answer.status_code in (401, 503)
    assert not answers


def ask_gate(method, headers, **options):
    async def run():
        transport = httpx.ASGITransport(Gate(**{"preflight": True, **OPTIONS, **options}).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
            return await client.request(method, "/verify", headers=headers)

    return asyncio.run(run())


@pytest.mark.parametrize("proxys", ["X-Original-Method", "X-Forwarded-Method", None])
def test_a_gate_that_is_told_to_lets_a_preflight_pass_with_nobody_in_the_headers(proxys):
    method, named = ("GET", {proxys: "OPTIONS"}) if proxys else ("OPTIONS", {})
    answer = ask_gate(method, {**ASKED, **named, "Authorization": ""}, passed_claims=["group"])
    assert answer.status_code == 200
    told = {name: value for name, value in answer.headers.items() if name.startswith("x-auth-")}
    assert len(told) == 6
    assert set(told.values()) == {""}
    assert ask_gate(method, {**ASKED, **named}, preflight=False).status_code == 401


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("proxys", ["X-Original-Method", "X-Forwarded-Method", None])
def test_everything_else_needs_a_token_at_the_gate(proxys, name):
    method, headers = OTHERS[name]
    named = {proxys: method} if proxys else {}
    answer = ask_gate("GET" if proxys else method, {**headers, **named})
    assert answer.status_code in (401, 503)


@pytest.mark.parametrize(
    "named",
    [
        [("X-Original-Method", "OPTIONS"), ("X-Forwarded-Method", "DELETE")],
        [("X-Original-Method", "DELETE"), ("X-Forwarded-Method", "OPTIONS")],
        [("X-Forwarded-Method", "OPTIONS"), ("X-Forwarded-Method", "DELETE")],
    ],
)
def test_of_two_names_of_the_method_a_client_can_not_choose(named):
    assert ask_gate("GET", [*ASKED.items(), *named]).status_code == 401


def test_a_preflight_can_bring_no_header_that_a_service_takes_for_the_gates():
    headers = {**ASKED, "X_Auth_Subject": "root"}
    assert ask_gate("OPTIONS", headers).json()["code"] == "header_ambiguous"


def test_a_question_of_two_origins_is_no_browsers():
    assert ask_gate("OPTIONS", [*ASKED.items()]).status_code == 200
    twice = [*ASKED.items(), ("Origin", "https://other.example.com")]
    assert ask_gate("OPTIONS", twice).status_code == 401
