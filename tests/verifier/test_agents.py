"""What a program gets for a person from an authorization server that nobody configured it for."""

import asyncio
import json
import os
import signal
import socket
import stat
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest
from mcp.client.auth import OAuthFlowError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.verifier.test_mcp import served

from carnet.errors import ConfigurationError, ServerError
from carnet.verifier.agents import AuthorizationCodeAuth, FileStore
from carnet.verifier.redirect_listener import RedirectListener


def form_of(text):
    return {name: values[0] for name, values in parse_qs(text).items()}


class Place:
    """An API and its authorization server, at one address; what it is asked is written down."""

    def __init__(self, address):
        self.address = address
        self.url = f"{address}/api"
        self.asked = []
        self.needed = {"notes:read"}
        self.good = {}
        self.sessions = {}
        self.metadata = {}
        self.resource = {}
        self.challenge = f'Bearer resource_metadata="{address}/where"'
        self.answer = {}
        self.lifetime = 300
        routes = [
            Route("/api", self.api, methods=["GET", "POST"]),
            Route("/where", self.where),
            Route("/.well-known/oauth-authorization-server", self.describe),
            Route("/register", self.register, methods=["POST"]),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def count(self, name):
        return sum(one == name for one, _ in self.asked)

    async def api(self, request: Request):
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.asked.append(("api", token))
        if token not in self.good:
            return Response(status_code=401, headers={"WWW-Authenticate": self.challenge})
        if not self.needed <= self.good[token]:
            scope = " ".join(sorted(self.needed))
            challenge = f'{self.challenge}, error="insufficient_scope", scope="{scope}"'
            return Response(status_code=403, headers={"WWW-Authenticate": challenge})
        return JSONResponse({"body": (await request.body()).decode()})

    async def where(self, _request):
        servers = [self.address]
        document = {"resource": self.url, "authorization_servers": servers, **self.resource}
        return JSONResponse(document)

    async def describe(self, _request):
        said = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "registration_endpoint": f"{self.address}/register",
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["everything"],
            **self.metadata,
        }
        return JSONResponse({name: value for name, value in said.items() if value is not None})

    async def register(self, request):
        given = json.loads(await request.body())
        self.asked.append(("register", given))
        return JSONResponse({**given, "client_id": f"c{len(self.asked)}"}, 201)

    async def authorize(self, request):
        given = dict(request.query_params)
        self.asked.append(("authorize", given))
        self.sessions["code"] = set(given.get("scope", "").split())
        answer = {"code": "code", "state": given["state"], "iss": self.address, **self.answer}
        pairs = "&".join(f"{name}={value}" for name, value in answer.items() if value is not None)
        return RedirectResponse(f"{given['redirect_uri']}?{pairs}")

    async def token(self, request):
        given = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        self.asked.append((given["grant_type"], given))
        found = self.sessions.get(given.get("code") or given.get("refresh_token"))
        if found is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        access, refresh = f"access{len(self.asked)}", f"refresh{len(self.asked)}"
        self.good[access] = self.sessions[refresh] = found
        return JSONResponse(
            {
                "access_token": access,
                "refresh_token": refresh,
                "token_type": "Bearer",
                "expires_in": self.lifetime,
            }
        )


@pytest.fixture
def place(listener, address):
    place = Place(address)
    place.resource["scopes_supported"] = ["notes:read"]
    with served(place.app, listener):
        yield place


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def address(listener):
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "kept" / "tokens.json")


def agree(address):
    """Be the browser of a person who agrees."""
    with httpx.Client(trust_env=False, timeout=60) as browser:
        browser.get(browser.get(address).headers["location"])


def auth_of(place, store, **more):
    return AuthorizationCodeAuth(
        place.url, store=store, **{"open_browser": agree, "timeout": 60, **more}
    )


def by_httpx(auth, *urls, **request):
    with httpx.Client(auth=auth, trust_env=False, timeout=60) as client:
        return [client.post(url, **request) for url in urls]


def by_httpx_in_a_loop(auth, *urls, **request):
    async def run():
        async with httpx.AsyncClient(auth=auth, trust_env=False, timeout=60) as client:
            return [await client.post(url, **request) for url in urls]

    return asyncio.run(run())


def by_httpx2(auth, *urls, **request):
    with httpx2.Client(auth=auth, trust_env=False, timeout=60) as client:
        return [client.post(url, **request) for url in urls]


def by_httpx2_in_a_loop(auth, *urls, **request):
    async def run():
        async with httpx2.AsyncClient(auth=auth, trust_env=False, timeout=60) as client:
            return [await client.post(url, **request) for url in urls]

    return asyncio.run(run())


@pytest.mark.parametrize("send", [by_httpx, by_httpx_in_a_loop, by_httpx2, by_httpx2_in_a_loop])
def test_each_client_asks_the_person_once_and_sends_its_request_again(place, store, send):
    answers = send(auth_of(place, store), place.url, place.url, json={"a": 1})
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [json.loads(answer.json()["body"]) for answer in answers] == [{"a": 1}] * 2
    assert [name for name, _ in place.asked] == [
        "api",
        "register",
        "authorize",
        "authorization_code",
        "api",
        "api",
    ]
    asked = dict(place.asked)
    assert asked["authorize"]["resource"] == asked["authorization_code"]["resource"] == place.url
    assert asked["authorize"]["code_challenge_method"] == "S256"
    assert asked["register"]["token_endpoint_auth_method"] == "none"


def test_what_was_got_outlives_the_program_and_only_its_owner_may_read_it(place, store, tmp_path):
    by_httpx(auth_of(place, store), place.url)
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    assert place.count("authorize") == 1
    file = tmp_path / "kept" / "tokens.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [one.name for one in file.parent.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize("send", [by_httpx, by_httpx2_in_a_loop])
def test_a_token_that_is_refused_is_refreshed_before_anyone_is_asked(place, store, send):
    send(auth_of(place, store), place.url)
    place.good.clear()
    assert send(auth_of(place, store), place.url)[0].status_code == 200
    assert (place.count("authorize"), place.count("refresh_token")) == (1, 1)
    assert dict(place.asked)["refresh_token"]["resource"] == place.url


def test_an_expired_token_is_refreshed_at_its_own_issuer_after_a_restart(place, store):
    place.lifetime = -1
    by_httpx(auth_of(place, store), place.url)
    place.lifetime = 300
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    assert (place.count("authorize"), place.count("refresh_token")) == (1, 1)


def test_the_person_is_asked_again_when_the_session_is_over(place, store):
    by_httpx(auth_of(place, store), place.url)
    place.good.clear()
    place.sessions.clear()
    assert by_httpx(auth_of(place, store), place.url)[0].status_code == 200
    assert place.count("authorize") == 2


def test_a_missing_scope_is_asked_for_together_with_those_that_were_there(place, store):
    auth = auth_of(place, store, scope="mine")
    by_httpx(auth, place.url)
    place.needed = {"notes:write"}
    assert by_httpx(auth, place.url)[0].status_code == 200
    asked = [given["scope"] for name, given in place.asked if name == "authorize"]
    assert asked == ["notes:read mine", "notes:read mine notes:write"]


def test_a_scope_that_is_asked_for_in_vain_is_not_asked_for_over_and_over(place, store):
    auth = auth_of(place, store)
    by_httpx(auth, place.url)
    place.needed = {"notes:write"}
    place.sessions = _Forgetful()
    answers = by_httpx(auth, *[place.url] * 4)
    assert [answer.status_code for answer in answers] == [403] * 4
    assert place.count("authorize") == 1 + 2


class _Forgetful(dict):
    """Grants nothing of what is asked for."""

    def __setitem__(self, key, value):
        super().__setitem__(key, set())


def test_the_scopes_of_the_server_are_not_asked_for_where_the_resource_names_none(place, store):
    del place.resource["scopes_supported"]
    place.needed = set()
    by_httpx(auth_of(place, store), place.url)
    assert "scope" not in dict(place.asked)["authorize"]
    assert "scope" not in dict(place.asked)["register"]


@pytest.mark.parametrize("send", [by_httpx, by_httpx2])
def test_no_other_origin_is_sent_the_token_or_can_begin_anything(place, store, send):
    auth = auth_of(place, store)
    send(auth, place.url)
    other = place.url.replace("127.0.0.1", "localhost")
    assert send(auth, other)[0].status_code == 401
    assert place.asked[-1] == ("api", "")
    assert place.count("authorize") == 1


@pytest.mark.parametrize(
    ("member", "named"),
    [
        ("authorization_endpoint", "http://auth.example.com/authorize"),
        ("token_endpoint", "http://auth.example.com/token"),
        ("registration_endpoint", "http://10.0.0.1/register"),
    ],
)
def test_an_address_without_tls_is_not_asked(place, store, member, named):
    place.metadata[member] = named
    with pytest.raises(OAuthFlowError, match="not https"):
        by_httpx(auth_of(place, store), place.url)


def test_a_server_elsewhere_cannot_send_a_program_to_addresses_of_this_machine():
    auth = AuthorizationCodeAuth("https://api.example.com/notes", store=_Nothing())

    def api(request):
        if request.url.host == "api.example.com":
            challenge = 'Bearer resource_metadata="http://127.0.0.1:9/admin"'
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        raise AssertionError(request.url)

    with (
        httpx.Client(auth=auth, transport=httpx.MockTransport(api)) as client,
        pytest.raises(OAuthFlowError, match="on this machine"),
    ):
        client.get("https://api.example.com/notes")


class _Nothing:
    def load(self):
        return None

    def save(self, text):
        raise AssertionError(text)


@pytest.mark.parametrize("methods", [None, [], ["plain"]])
def test_a_server_without_s256_is_refused(place, store, methods):
    place.metadata["code_challenge_methods_supported"] = methods
    with pytest.raises(OAuthFlowError, match="PKCE"):
        by_httpx(auth_of(place, store), place.url)
    assert place.count("authorize") == 0


def test_a_server_that_registers_nobody_says_what_to_do(place, store):
    place.metadata["registration_endpoint"] = None
    with pytest.raises(OAuthFlowError, match="give its client_id and issuer"):
        by_httpx(auth_of(place, store), place.url)
    assert place.count("register") == 0


def test_a_registered_client_is_told_to_its_own_issuer_alone(place, store):
    known = {"client_id": "notes-agent", "client_secret": "hidden"}
    auth = auth_of(place, store, issuer=place.address, **known)
    assert by_httpx(auth, place.url)[0].status_code == 200
    assert dict(place.asked)["authorize"]["client_id"] == "notes-agent"
    assert place.count("register") == 0
    assert "hidden" not in store.load()
    other = auth_of(place, _Nothing(), issuer="https://auth.example.com", **known)
    with pytest.raises(OAuthFlowError, match="was expected"):
        by_httpx(other, place.url)
    assert place.count("authorize") == 1


def test_a_document_is_the_programs_name_where_the_server_reads_such(place, store):
    place.metadata["client_id_metadata_document_supported"] = True
    document = "https://agent.example.com/client.json"
    by_httpx(auth_of(place, store, client_metadata_url=document), place.url)
    assert dict(place.asked)["authorize"]["client_id"] == document
    assert place.count("register") == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"iss": "https://evil.example.com"}, "iss mismatch"),
        ({"code": None, "error": "access_denied"}, "the person did not agree"),
        ({"code": None, "error": "access_denied", "iss": "https://evil.example.com"}, "mismatch"),
    ],
)
def test_an_answer_that_is_none_is_told(place, store, answer, said):
    place.answer = answer
    with pytest.raises(OAuthFlowError, match=said):
        by_httpx(auth_of(place, store), place.url)
    assert place.count("authorization_code") == 0


def test_only_the_redirect_with_the_right_state_counts(place, store):
    def attacked(address):
        given = form_of(urlsplit(address).query)
        back = given["redirect_uri"]
        with httpx.Client(trust_env=False, timeout=60) as anyone:
            for query in (
                "?code=evil",
                "?code=evil&state=guess",
                f"?code=evil&code=other&state={given['state']}",
                f"/other?code=evil&state={given['state']}",
            ):
                assert anyone.get(f"{back}{query}").status_code == 400
        agree(address)

    assert by_httpx(auth_of(place, store, open_browser=attacked), place.url)[0].status_code == 200


def test_a_person_who_does_not_answer_is_not_waited_for_for_ever(place, store):
    auth = auth_of(place, store, open_browser=lambda address: None, timeout=0.01)
    with pytest.raises(OAuthFlowError, match="nobody has answered"):
        by_httpx(auth, place.url)


def test_a_program_that_is_interrupted_waits_for_nobody(place, store):
    def interrupt(_address):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        by_httpx(auth_of(place, store, open_browser=interrupt, timeout=3600), place.url)


def test_a_machine_without_a_browser_says_so(place, store):
    with pytest.raises(OAuthFlowError, match="give open_browser"):
        by_httpx(auth_of(place, store, open_browser=lambda address: False), place.url)


def test_a_port_that_is_taken_is_told(place, store):
    listener = RedirectListener()
    port = urlsplit(listener.url).port
    try:
        with pytest.raises(ServerError, match="taken"):
            by_httpx(auth_of(place, store, redirect_port=port), place.url)
    finally:
        listener.close()


def test_a_store_that_holds_something_else_is_told(place, store):
    store.save("not ours")
    with pytest.raises(OAuthFlowError, match="remove it"):
        by_httpx(auth_of(place, store), place.url)


def test_what_was_streamed_is_not_sent_twice(place, store):
    def parts():
        yield b"a"

    assert by_httpx(auth_of(place, store), place.url, content=parts())[0].status_code == 401
    assert place.count("authorize") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"resource": "http://api.example.com"}, "resource must be the address"),
        ({"resource": "https://api.example.com", "client_id": "a"}, "name the issuer"),
        ({"resource": "https://api.example.com", "client_secret": "a"}, "goes with a client_id"),
        (
            {"resource": "https://api.example.com", "client_metadata_url": "https://a.example"},
            "client_metadata_url must be",
        ),
    ],
)
def test_wrong_arguments_are_told(arguments, said):
    with pytest.raises(ConfigurationError, match=said):
        AuthorizationCodeAuth(**arguments)


def test_the_file_is_in_the_persons_own_folder_unless_given(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    FileStore.for_resource("https://api.example.com").save("kept")
    (file,) = (tmp_path / "carnet" / "tokens").iterdir()
    assert file.read_text() == "kept"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    FileStore.for_resource("https://api.example.com").save("kept")
    assert list((tmp_path / ".local" / "state" / "carnet" / "tokens").iterdir())
