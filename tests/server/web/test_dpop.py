"""DPoP at the server: proofs, nonces and tokens that are bound to a key."""

import time

import apsw
import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Person, Request
from tests.server.inside import Inside, register
from tests.server.oauth_clients import Prover

from carnet import Key, inspect
from carnet.jose import jws
from carnet.jose.encoding import json_encode

FORM = {"grant_type": "client_credentials"}


def refused(answer):
    return (answer.status_code, answer.json()["error"])


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "PS256"])
def test_a_token_is_bound_to_the_key_that_was_proved(oauth, alg):
    prover = Prover(alg)
    answer = prover.ask(oauth.server, FORM, auth=oauth.job)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["token_type"] == "DPoP"
    assert answer.headers["dpop-nonce"]
    assert inspect(body["access_token"]).claims["cnf"] == {"jkt": prover.thumbprint}


def test_a_proof_is_for_one_request_of_this_moment(oauth):
    prover, url = Prover(), f"{oauth.server.url}/token"

    def send(*proofs):
        headers = [("DPoP", proof) for proof in proofs]
        return oauth.server.client.post("/token", data=FORM, headers=headers, auth=oauth.job)

    nonce = send(prover.proof(url)).headers["dpop-nonce"]
    good = prover.proof(url, nonce=nonce)
    assert send(good).status_code == 200
    now = int(time.time())
    secret = Key.from_secret(b"x" * 32, "HS256")
    symmetric = jws.sign(
        json_encode({"htm": "POST", "htu": url, "iat": now, "jti": "1", "nonce": nonce}),
        secret,
        {"typ": "dpop+jwt", "jwk": secret.to_jwk(private=True)},
    )
    other = Prover()
    for name, proofs in {
        "replayed": [good],
        "two": [prover.proof(url, nonce=nonce), prover.proof(url, nonce=nonce)],
        "another method": [prover.proof(url, "GET", nonce=nonce)],
        "another address": [prover.proof(f"{oauth.server.url}/revocation", nonce=nonce)],
        "another host": [prover.proof("https://evil.example/token", nonce=nonce)],
        "too old": [prover.proof(url, nonce=nonce, iat=now - 3600)],
        "from the future": [prover.proof(url, nonce=nonce, iat=now + 3600)],
        "no iat": [prover.proof(url, nonce=nonce, iat=None)],
        "no jti": [prover.proof(url, nonce=nonce, jti=None)],
        "another type": [prover.proof(url, nonce=nonce, header={"typ": "JWT"})],
        "another's key": [
            prover.proof(url, nonce=nonce, header={"jwk": other.key.public.to_jwk()})
        ],
        "a private key": [
            prover.proof(url, nonce=nonce, header={"jwk": prover.key.to_jwk(private=True)})
        ],
        "a secret": [symmetric],
        "nonsense": ["a.b.c"],
    }.items():
        assert refused(send(*proofs)) == (400, "invalid_dpop_proof"), name
    for made_up in ("x", "A" * 32, nonce[:-1] + ("A" if nonce[-1] != "A" else "B"), ""):
        answer = send(prover.proof(url, nonce=made_up))
        assert refused(answer) == (400, "use_dpop_nonce")
        assert answer.headers["dpop-nonce"]
    # What may differ: the case of the host, query and fragment (RFC 9449 section 4.3).
    assert send(
        prover.proof(url.upper().replace("TOKEN", "token") + "?a=b#c", nonce=nonce)
    ).is_success


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, 200), (300, 200), (360, 400), (86400, 400), (-60, 200), (-120, 400)]
)
def test_a_nonce_is_good_for_some_minutes(play, seconds, status):
    """Some, so that no proof is made ahead of time (RFC 9449 section 8)."""
    prover = Prover()

    async def scene(service, clock):
        await service.accounts.create("alice", PASSWORD)
        secret = await register(
            service,
            grant_types=("client_credentials",),
            token_endpoint_auth_method="client_secret_basic",
        )
        program, auth = Inside(service), ("app", secret)

        async def ask(**claims):
            moment = service.clock() // 1_000_000
            proof = prover.proof(f"{program.origin}/token", iat=moment, **claims)
            return await program.token(auth, {"DPoP": proof}, **FORM)

        nonce = (await ask()).headers["dpop-nonce"]
        clock.advance(seconds)
        return (await ask(nonce=nonce)).status_code

    assert play(scene) == status


def test_a_client_that_wants_bound_tokens_gets_no_others(oauth):
    answer = oauth.machine(oauth.bound)
    assert refused(answer) == (400, "invalid_dpop_proof")
    assert Prover().ask(oauth.server, FORM, auth=oauth.bound).json()["token_type"] == "DPoP"


def test_a_public_clients_refresh_token_is_no_use_without_its_key(oauth):
    form = {
        "grant_type": "refresh_token",
        "refresh_token": oauth.app_token,
        "client_id": oauth.app[0],
    }
    assert refused(oauth.ask(None, **form)) == (400, "invalid_grant")
    assert refused(Prover().ask(oauth.server, form)) == (400, "invalid_grant")
    first = oauth.prover.ask(oauth.server, form).json()
    assert first["token_type"] == "DPoP"
    # Repeated: the key proves who asks, however late it is.
    again = oauth.prover.ask(oauth.server, form).json()
    assert again["refresh_token"] == first["refresh_token"]


def test_a_confidential_clients_refresh_token_is_bound_to_the_client(oauth):
    form = {"grant_type": "refresh_token", "refresh_token": oauth.web_token}
    body = Prover().ask(oauth.server, form, auth=oauth.web).json()
    assert body["token_type"] == "DPoP"
    form["refresh_token"] = body["refresh_token"]
    assert oauth.ask(oauth.web, **form).json()["token_type"] == "Bearer"


def test_a_bound_token_at_the_service_itself_needs_a_proof_of_its_own(oauth):
    server, prover = oauth.server, Prover()
    sign_in = {"username": "alice", "password": "a-long-enough-password", "resource": server.url}
    at = f"{server.url}/sessions"
    first = server.client.post("/sessions", json=sign_in, headers={"DPoP": prover.proof(at)})
    assert refused(first) == (400, "use_dpop_nonce")
    proof = prover.proof(at, nonce=first.headers["dpop-nonce"])
    token = server.client.post("/sessions", json=sign_in, headers={"DPoP": proof}).json()
    assert token["token_type"] == "DPoP"

    access, account = token["access_token"], f"{server.url}/account"

    def look(proof, scheme="DPoP"):
        headers = {"Authorization": f"{scheme} {access}"}
        if proof is not None:
            headers["DPoP"] = proof
        return server.client.get("/account", headers=headers).status_code

    good = prover.proof(account, "GET", access)
    assert look(good) == 200
    assert look(good) == 401
    assert look(None) == 401
    assert look(None, "Bearer") == 401
    assert look(prover.proof(account, "GET", access), "Bearer") == 401
    assert look(prover.proof(account, "GET")) == 401
    assert look(prover.proof(account, "GET", "another token")) == 401
    assert look(Prover().proof(account, "GET", access)) == 401

    # A token that is bound to nothing can't be passed off as one that is.
    access = server.sign_in_to_api().json()["access_token"]
    assert look(prover.proof(account, "GET", access)) == 401
    assert look(None, "Bearer") == 200


def proofs_kept(server):
    """Count the proofs that the service remembers."""
    with apsw.Connection(str(server.data / "carnet.db"), flags=apsw.SQLITE_OPEN_READONLY) as opened:
        return next(opened.execute("SELECT COUNT(*) FROM spent"))[0]


def test_proofs_that_come_with_nothing_good_are_not_kept(oauth):
    server, prover = oauth.server, Prover()
    app = {"client_id": oauth.app[0]}
    for path, form, auth in (
        ("/token", {"grant_type": "refresh_token", "refresh_token": "made-up"}, None),
        ("/token", {"grant_type": "refresh_token", "refresh_token": oauth.app_token}, None),
        ("/token", {"grant_type": "refresh_token", "refresh_token": oauth.web_token, **app}, None),
        ("/token", {"grant_type": "refresh_token", **app}, None),
        (
            "/token",
            {"grant_type": "authorization_code", "code": "made-up", "code_verifier": "v" * 43}
            | {"redirect_uri": CALLBACK, **app},
            None,
        ),
        ("/token", FORM, (oauth.job[0], "wrong")),
        ("/sessions", {"username": "alice", "password": "wrong"}, None),
        ("/sessions", {"username": "nobody", "password": "a-long-enough-password"}, None),
    ):
        url = f"{server.url}{path}"
        body = {"json": form} if path == "/sessions" else {"data": form}
        nonce = prover.ask(server, FORM, auth=oauth.job).headers["dpop-nonce"]
        before = proofs_kept(server)
        proof = prover.proof(url, nonce=nonce)
        answer = server.client.post(path, headers={"DPoP": proof}, auth=auth, **body)
        assert answer.status_code in (400, 401)
        assert proofs_kept(server) == before, form


@pytest.mark.parametrize("grant", ["client_credentials", "refresh_token", "password"])
def test_a_proof_is_used_up_with_what_it_brings(oauth, grant):
    server, prover = oauth.server, oauth.prover
    path, more = {
        "client_credentials": ("/token", {"data": FORM, "auth": oauth.job}),
        "refresh_token": (
            "/token",
            {
                "data": {
                    "grant_type": "refresh_token",
                    "refresh_token": oauth.app_token,
                    "client_id": oauth.app[0],
                }
            },
        ),
        "password": (
            "/sessions",
            {"json": {"username": "alice", "password": "a-long-enough-password"}},
        ),
    }[grant]
    nonce = prover.ask(server, FORM, auth=oauth.job).headers["dpop-nonce"]
    before = proofs_kept(server)
    headers = {"DPoP": prover.proof(f"{server.url}{path}", nonce=nonce)}
    assert server.client.post(path, headers=headers, **more).is_success
    assert proofs_kept(server) == before + 1
    assert refused(server.client.post(path, headers=headers, **more)) == (400, "invalid_dpop_proof")


def test_a_proof_is_used_up_with_a_code(oauth):
    server, prover = oauth.server, oauth.prover
    nonce = prover.ask(server, FORM, auth=oauth.job).headers["dpop-nonce"]
    headers = {"DPoP": prover.proof(f"{server.url}/token", nonce=nonce)}
    callback = "https://app.example.com/callback"
    asked = Request(client_id=oauth.web[0], redirect_uri=callback, scope="orders:read")
    code = Person(server).authorize(**asked.parameters)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback}
    form["code_verifier"] = asked.verifier
    before = proofs_kept(server)
    answer = server.client.post("/token", data=form, auth=oauth.web, headers=headers)
    assert answer.json()["token_type"] == "DPoP"
    assert proofs_kept(server) == before + 1
    again = server.client.post("/token", data=form, auth=oauth.web, headers=headers)
    assert refused(again) == (400, "invalid_dpop_proof")
