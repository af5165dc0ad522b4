"""Calls to other services with fresh tokens: a real issuer, and a service that refuses."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from tests.proxy import issuer_behind_proxy, proxy  # noqa: F401 - fixtures
from tests.server.conftest import PASSWORD, add_user, start  # noqa: F401 - fixtures

from carnet import Key, KeySet, Signer, inspect
from carnet.errors import ConfigurationError, GrantRefused, IssuerUnavailable
from carnet.verifier.httpx_auth import ClientCredentialsAuth, SessionAuth

STALE = 'Bearer error="invalid_token", error_description="the token is older than its account"'


class Service:
    """A service that takes note of the tokens it is sent, and refuses those that it is told to."""

    def __init__(self):
        self.seen = []
        self.refused = set()
        self.redirect = None
        handler = type("Handler", (_Handler,), {"service": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    service: Service

    def do_GET(self):
        service = self.service
        token = self.headers.get("Authorization", "").partition(" ")[2]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        service.seen.append(token)
        refused = token in service.refused or not token
        self.send_response(307 if service.redirect else 401 if refused else 200)
        if service.redirect:
            self.send_header("Location", service.redirect)
        if refused:
            self.send_header("WWW-Authenticate", STALE if token else "Bearer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the name that it calls

    def log_message(self, *_):
        pass


@pytest.fixture
def issuer(issuer_behind_proxy):  # noqa: F811
    return issuer_behind_proxy


@pytest.fixture
def services():
    both = Service(), Service()
    yield both
    for service in both:
        service.close()


@pytest.fixture
def service(services):
    return services[0]


@pytest.fixture
def session(issuer):
    """A session of alice's: its refresh token."""
    answer = httpx.post(
        f"{issuer.target}/sessions",
        json={"username": "alice", "password": PASSWORD},
        trust_env=False,
    )
    return answer.json()["refresh_token"]


def client_of(auth, **options):
    return httpx.Client(auth=auth, trust_env=False, timeout=60, **options)


def test_a_session_is_carried_on_and_each_new_refresh_token_handed_over(issuer, service, session):
    kept = []
    auth = SessionAuth(
        issuer.url,
        refresh_token=session,
        for_origins=[service.url],
        on_rotated=kept.append,
        resource="billing",
    )
    with client_of(auth) as client:
        assert [client.get(service.url).status_code for _ in range(3)] == [200] * 3
    assert len(set(service.seen)) == 1
    assert inspect(service.seen[0]).claims["aud"] == "billing"
    assert issuer.asked("POST /token") == 1
    assert len(kept) == 1
    assert kept[0] != session


def test_a_token_is_replaced_shortly_before_its_end_and_kept_while_the_issuer_is_down(
    issuer, service, session
):
    now = [1000.0]
    auth = SessionAuth(
        issuer.url, refresh_token=session, for_origins=[service.url], clock=lambda: now[0]
    )
    with client_of(auth) as client:
        client.get(service.url)
        now[0] += 265
        client.get(service.url)
        assert issuer.asked("POST /token") == 1
        now[0] += 10
        issuer.down = True
        assert client.get(service.url).status_code == 200
        assert len(set(service.seen)) == 1
        issuer.down = False
        client.get(service.url)
        assert len(set(service.seen)) == 2
        now[0] += 301
        issuer.down = True
        with pytest.raises(IssuerUnavailable):
            client.get(service.url)


@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_a_stale_token_is_replaced_once_for_all_who_are_told(issuer, service, session, kind):
    auth = SessionAuth(issuer.url, refresh_token=session, for_origins=[service.url])
    with client_of(auth) as client:
        client.get(service.url)
        service.refused.add(service.seen[0])
        if kind == "threads":
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: client.post(service.url, content=b"x"), range(8)))
        else:

            async def ask_all():
                async with httpx.AsyncClient(auth=auth, trust_env=False, timeout=60) as several:
                    asked = (several.post(service.url, content=b"x") for _ in range(8))
                    return await asyncio.gather(*asked)

            answers = asyncio.run(ask_all())
    assert [answer.status_code for answer in answers] == [200] * 8
    assert issuer.asked("POST /token") == 2


def test_a_service_that_refuses_every_token_is_asked_twice_and_no_more(issuer, service, session):
    auth = SessionAuth(issuer.url, refresh_token=session, for_origins=[service.url])

    class All(set):
        def __contains__(self, _):
            return True

    service.refused = All()
    with client_of(auth) as client:
        assert client.get(service.url).status_code == 401
    assert len(service.seen) == 2


def test_a_task_that_is_cancelled_takes_no_successor_with_it(issuer, service, session):
    kept = []
    auth = SessionAuth(
        issuer.url, refresh_token=session, for_origins=[service.url], on_rotated=kept.append
    )

    issuer.open.clear()

    async def give_up():
        async with httpx.AsyncClient(auth=auth, trust_env=False, timeout=60) as client:
            task = asyncio.create_task(client.get(service.url))
            assert await asyncio.to_thread(issuer.held.wait, 20)
            task.cancel()
            await asyncio.wait([task])
            issuer.open.set()

    asyncio.run(give_up())
    with client_of(auth) as client:
        assert client.get(service.url).status_code == 200
    assert len(kept) == issuer.asked("POST /token") == 1


def test_a_lost_answer_of_the_issuer_ends_nothing(issuer, service, session):
    auth = SessionAuth(issuer.url, refresh_token=session, for_origins=[service.url])
    issuer.lose = 1
    with client_of(auth) as client:
        assert client.get(service.url).status_code == 200
    assert issuer.asked("POST /token") == 2


def test_an_ended_session_is_told_by_our_error_and_no_secret_is_in_it(issuer, service, session):
    httpx.post(f"{issuer.target}/revocation", data={"token": session}, trust_env=False, timeout=60)
    auth = SessionAuth(issuer.url, refresh_token=session, for_origins=[service.url])
    with client_of(auth) as client, pytest.raises(GrantRefused) as caught:
        client.get(service.url)
    assert caught.value.code == "invalid_grant"
    assert session not in str(caught.value) + repr(auth) + repr(vars(auth)["_endpoint"])
    assert service.seen == []


def test_the_token_goes_nowhere_but_where_it_is_for(issuer, services, session):
    service, other = services
    auth = SessionAuth(issuer.url, refresh_token=session, for_origins=[service.url])
    with client_of(auth, follow_redirects=True) as client:
        assert client.get(other.url).status_code == 401
        assert other.seen == [""]
        assert issuer.asked("POST /token") == 0
        service.redirect = other.url
        assert client.get(service.url).status_code == 401
    assert other.seen == ["", ""]
    assert service.seen[0]
    assert len(service.seen) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"for_origins": "https://a.example"}, "a list of the origins"),
        ({"for_origins": []}, "a list of the origins"),
        ({"for_origins": ["http://a.example"]}, "https://"),
        ({"issuer": "http://auth.example"}, "https://"),
        ({"refresh_token": ""}, "refresh_token"),
    ],
)
def test_wrong_arguments_are_told_at_once(options, said):
    given = {
        "issuer": "https://i.example",
        "refresh_token": "r",
        "for_origins": ["https://a.example"],
    }
    with pytest.raises(ConfigurationError, match=said):
        SessionAuth(**{**given, **options})


@pytest.mark.parametrize(
    "secrets",
    [
        {},
        {"client_secret": "s", "key": Key.generate("ES256")},
        {"client_secret": "s", "assertion": lambda: "a"},
        {"key": Key.generate("ES256"), "assertion": lambda: "a"},
    ],
)
def test_a_program_proves_itself_in_exactly_one_way(secrets):
    with pytest.raises(ConfigurationError, match="exactly one of"):
        ClientCredentialsAuth(
            "https://i.example", "c", for_origins=["https://a.example"], **secrets
        )


def test_the_token_of_another_issuer_is_given_by_a_function():
    with pytest.raises(ConfigurationError, match="assertion must be a function"):
        ClientCredentialsAuth(
            "https://i.example", "c", for_origins=["https://a.example"], assertion="a.b.c"
        )


@pytest.mark.parametrize("way", ["secret", "key", "federated", "bound"])
def test_a_program_gets_tokens_of_its_own(way, service, proxy, start, carnet, tmp_path):  # noqa: F811
    key = Key.generate("ES256")
    flags = []
    if way == "key":
        keys = tmp_path / "keys.json"
        keys.write_text(json.dumps(KeySet([key.public]).to_jwks()), "utf-8")
        flags = ["--auth", "key", "--jwks", str(keys)]
    if way == "federated":
        jwks = KeySet([key.public]).to_jwks()
        given = {"issuer": "https://ci.example", "claims": {"sub": "job"}, "jwks": jwks}
        flags = ["--auth", "federated", "--federated-credential", json.dumps(given)]
    if way == "bound":
        flags = ["--dpop"]
    done = carnet(
        *("client", "add", "Nightly job", "--resource", "orders", "--json", *flags),
        data=tmp_path / "data",
        env={"CARNET_AUDIENCES": "orders"},
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    issuer = proxy
    issuer.target = start("--issuer", issuer.url).url

    def token_by(key):
        signer = Signer(key, issuer="https://ci.example", audience=issuer.url, lifetime=300)
        return lambda: signer.sign({"sub": "job"}) + "\n"

    proof, wrong = {
        "secret": lambda: ({"client_secret": made["client_secret"]}, {"client_secret": "wrong"}),
        "key": lambda: ({"key": key}, {"key": Key.generate("ES256")}),
        "federated": lambda: (
            {"assertion": token_by(key)},
            {"assertion": token_by(Key.generate("ES256"))},
        ),
        "bound": lambda: (
            {"client_secret": made["client_secret"], "dpop_key": key},
            {"client_secret": "wrong", "dpop_key": key},
        ),
    }[way]()
    auth = ClientCredentialsAuth(
        issuer.url, made["client_id"], for_origins=[service.url], resource="orders", **proof
    )
    with client_of(auth) as client:
        assert [client.get(service.url).status_code for _ in range(2)] == [200, 200]
    claims = inspect(service.seen[0]).claims
    assert (claims["sub"], claims["aud"]) == (made["client_id"], "orders")
    # Who has its tokens bound is told the issuer's nonce first.
    assert issuer.asked("POST /token") == (2 if way == "bound" else 1)
    assert claims.get("cnf") == ({"jkt": key.thumbprint()} if way == "bound" else None)
    auth = ClientCredentialsAuth(issuer.url, made["client_id"], for_origins=[service.url], **wrong)
    with client_of(auth) as client, pytest.raises(GrantRefused) as caught:
        client.get(service.url)
    assert caught.value.code == "invalid_client"
