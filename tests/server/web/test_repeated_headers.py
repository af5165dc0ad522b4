"""What could come twice in a request, at the service: of two, neither is taken."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import Person

BODY = b'{"username": "alice", "password": "%s"}' % PASSWORD.encode()
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
COOKIE = ("Carnet-Session", "cookie")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/sessions", [JSON], 201),
        ("POST", "/sessions", [JSON, JSON], 415),
        ("POST", "/sessions", [JSON, FORM], 415),
        ("POST", "/sessions", [FORM, JSON], 415),
        ("POST", "/token", [FORM, JSON], 415),
        ("POST", "/sessions", [JSON, COOKIE, ("Origin", "{own}")], 201),
        ("POST", "/sessions", [JSON, COOKIE, COOKIE, ("Origin", "{own}")], 400),
        ("POST", "/sessions", [JSON, COOKIE, ("Origin", "{own}"), ("Origin", "{own}")], 403),
        ("POST", "/sessions", [JSON, COOKIE, ("Origin", "https://e.example")], 403),
        ("POST", "/sessions", [JSON, ("DPoP", "x"), ("DPoP", "x")], 400),
        ("GET", "/sessions", [("Authorization", "Bearer x")], 401),
        ("GET", "/sessions", [("Authorization", "Bearer x"), ("Authorization", "Bearer y")], 400),
        ("POST", "/token", [FORM, ("Authorization", "Basic x"), ("Authorization", "Basic x")], 400),
    ],
)
def test_of_two_headers_neither_is_taken(server, method, path, headers, status):
    sent = [(name, value.format(own=server.url)) for name, value in headers]
    content = BODY if path == "/sessions" else b"grant_type=client_credentials"
    answer = server.client.request(
        method, path, headers=sent, content=content if method == "POST" else None
    )
    assert answer.status_code == status, answer.text


def test_of_two_cookies_neither_signs_a_browser_in(server):
    person = Person(server)
    assert person.go("/me/sessions").status_code == 200
    cookie = f"carnet={person.client.cookies['carnet']}"
    person.client.cookies.clear()

    def status(*cookies):
        headers = [("Cookie", value) for value in cookies]
        return person.client.get("/me/sessions", headers=headers).status_code

    assert status(cookie) == status("theme=dark", cookie) == 200
    for several in (
        [f"{cookie}; {cookie}"],
        [f"carnet=x; {cookie}"],
        [f"{cookie}; carnet="],
        [cookie, cookie],
        ["carnet=x", cookie],
    ):
        assert status(*several) == 303, several
