"""The authorization code flow, from the client's request to the end of the session."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from urllib.parse import parse_qs, urlencode

import pytest
from tests.server.flows import CALLBACK, Person, Request, add_client, signed_in

from carnet import Key, KeySet, Verifier, inspect
from carnet.server.clients.clients import DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE

THERE = "https://app.example/bye"


@pytest.fixture
def server(start, tmp_path):
    """A server with alice, and a client that is not first-party."""
    add_client(tmp_path / "data", post_logout_redirect_uris=(THERE,))
    return start()


def checked(server, token):
    keys = KeySet.from_jwks(server.client.get("/.well-known/jwks.json").json())
    return Verifier(keys, issuer=server.url, audience="app").verify(token)


def bearer(body):
    return {"Authorization": f"Bearer {body['access_token']}"}


def test_a_person_signs_in_consents_and_the_client_gets_tokens(server):
    asked = Request(scope="openid profile unheard-of", nonce="n-1", resource="billing")
    asked.parameters |= {"unheard_of": "x", "prompt": ""}
    person = Person(server)
    answer = person.authorize(**asked.parameters)
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == "a state"
    assert answer["iss"] == server.url
    assert person.forms == ["/sign-in", "/authorize/decision"]

    body = asked.exchange(server, answer["code"]).json()
    assert body["scope"] == "openid profile"
    access = inspect(body["access_token"])
    assert access.claims["aud"] == "billing"
    assert access.claims["client_id"] == "app"

    claims = checked(server, body["id_token"])
    digest = hashlib.sha256(body["access_token"].encode()).digest()
    assert urlsafe_b64decode(claims["at_hash"] + "==") == digest[:16]
    assert claims["nonce"] == "n-1"
    assert claims["azp"] == "app"
    assert claims["sub"] == access.claims["sub"]
    assert claims["sid"] == access.claims["sid"]
    assert claims["amr"] == ["pwd"]
    assert claims["acr"] == "aal1"
    assert claims["preferred_username"] == "alice"
    assert claims["auth_time"] <= claims["iat"]

    told = server.client.get("/userinfo", headers=bearer(body))
    assert told.json() == {"sub": claims["sub"], "preferred_username": "alice"}
    assert server.client.post("/userinfo", headers=bearer(body)).json() == told.json()

    form = {"refresh_token": body["refresh_token"], "client_id": "app"}
    again = server.client.post("/token", data={"grant_type": "refresh_token", **form})
    assert again.status_code == 200, again.text


def test_consent_is_asked_once_listed_and_withdrawn(server):
    person = Person(server)
    body = signed_in(server, person)
    person.forms.clear()
    signed_in(server, person)
    assert person.forms == []
    more = Request(scope="openid roles").parameters
    assert person.authorize(**more, prompt="none")["error"] == "consent_required"
    person.authorize(**more)
    assert person.forms == ["/authorize/decision"]

    own = bearer(server.sign_in_to_api().json())
    [consent] = server.client.get("/account/consents", headers=own).json()["consents"]
    assert consent["client_id"] == "app"
    assert consent["scope"] == "openid roles"
    for _ in range(2):
        assert server.client.delete("/account/consents/app", headers=own).status_code == 204
    assert server.client.get("/account/consents", headers=own).json() == {"consents": []}
    assert server.client.get("/userinfo", headers=bearer(body)).status_code == 401


def test_who_does_not_allow_it_is_led_back_with_access_denied(server):
    answer = Person(server, decision="deny").authorize(**Request().parameters)
    assert answer["error"] == "access_denied"
    assert answer["iss"] == server.url
    assert answer["state"] == "a state"


def test_a_first_party_client_asks_for_no_consent_unless_it_wants_to(start, tmp_path):
    add_client(tmp_path / "data", first_party=True, grant_types=("authorization_code",))
    server = start()
    person = Person(server)
    body = signed_in(server, person)
    assert person.forms == ["/sign-in"]
    assert "refresh_token" not in body
    person.authorize(**Request(prompt="consent").parameters)
    assert person.forms == ["/sign-in", "/authorize/decision"]


def test_prompts_and_ages_decide_who_signs_in_again(server):
    person = Person(server)
    silent = Request(prompt="none").parameters
    assert person.authorize(**silent)["error"] == "login_required"
    body = signed_in(server, person)
    assert "code" in person.authorize(**silent)
    for more in ({"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}):
        person.forms.clear()
        assert "code" in person.authorize(**Request(**more).parameters)
        assert person.forms == ["/sign-in"]
    assert "code" in person.authorize(**Request(max_age="600", prompt="none").parameters)
    hinted = Request(prompt="none", id_token_hint=body["id_token"])
    assert "code" in person.authorize(**hinted.parameters)
    wrong = Request(prompt="none", id_token_hint=body["access_token"])
    assert person.authorize(**wrong.parameters)["error"] == "invalid_request"


def test_a_hint_of_somebody_else_is_no_sign_in_of_theirs(server, add_user):
    add_user("bob")
    of_bob = signed_in(server, Person(server, "bob"))["id_token"]
    person = Person(server)
    signed_in(server, person)
    hinted = Request(prompt="none", id_token_hint=of_bob)
    assert person.authorize(**hinted.parameters)["error"] == "login_required"
    # Asked to sign in as bob, alice signs in as herself once more.
    hinted = Request(id_token_hint=of_bob)
    assert person.authorize(**hinted.parameters)["error"] == "login_required"


def test_a_request_in_a_form_is_taken_like_one_in_a_query(server):
    answer = server.client.post("/authorize", data=Request().parameters)
    assert answer.status_code == 303
    assert Person(server).go(answer.headers["location"]).startswith(CALLBACK)


def test_userinfo_needs_the_scope_openid(server):
    body = signed_in(server, scope="profile")
    assert "id_token" not in body
    answer = server.client.get("/userinfo", headers=bearer(body))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_an_id_token_is_encrypted_to_the_clients_key(start, tmp_path):
    key = Key.generate("ECDH-ES+A256KW")
    add_client(
        tmp_path / "data",
        jwks={"keys": [{**key.public.to_jwk(), "use": "enc"}]},
        id_token_encrypted_response_alg="ECDH-ES+A256KW",
    )
    server = start()
    token = signed_in(server)["id_token"]
    keys = KeySet.from_jwks(server.client.get("/.well-known/jwks.json").json())
    verifier = Verifier(keys, issuer=server.url, audience="app", decryption=key)
    assert verifier.verify(token)["azp"] == "app"


def test_logging_out_with_an_id_token_ends_the_browser_and_all_that_it_gave(server):
    person = Person(server)
    body = signed_in(server, person)
    wish = {"post_logout_redirect_uri": THERE, "state": "s t"}
    end = person.go(f"/logout?{urlencode({**wish, 'id_token_hint': body['id_token']})}")
    assert end == f"{THERE}?state=s+t"
    assert server.client.get("/userinfo", headers=bearer(body)).status_code == 401
    assert person.authorize(**Request(prompt="none").parameters)["error"] == "login_required"


def test_logging_out_without_an_id_token_is_asked_first(server):
    person = Person(server)
    body = signed_in(server, person)
    asked = person.client.get("/logout")
    assert "Sign out?" in asked.text
    assert server.client.get("/userinfo", headers=bearer(body)).status_code == 200
    done = person.go("/logout")
    assert "You are signed out" in done.text
    assert server.client.get("/userinfo", headers=bearer(body)).status_code == 401
    posted = person.client.post("/logout", data={"client_id": "app"})
    assert posted.headers["location"] == "/logout?client_id=app"


def test_the_clients_of_an_ended_session_are_told_until_one_has_heard(start, tmp_path):
    told, refuse = Queue(), [True]

    class Application(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self.send_response(500 if refuse else 200)
            if refuse:
                refuse.pop()
            self.end_headers()
            told.put(parse_qs(body)["logout_token"][0])

        def log_message(self, *_):
            pass

    listening = HTTPServer(("127.0.0.1", 0), Application)
    Thread(target=listening.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{listening.server_port}/over"
    add_client(tmp_path / "data", backchannel_logout_uri=address)
    server = start()
    person = Person(server)
    sid = inspect(signed_in(server, person)["access_token"]).claims["sid"]
    try:
        person.go("/logout")
        first = told.get(timeout=60)
        # The service stops before it can try again; what is due outlives that.
        server.stop()
        issuer, server = server.url, start("--issuer", server.url)
        keys = KeySet.from_jwks(server.client.get("/.well-known/jwks.json").json())
        verifier = Verifier(keys, issuer=issuer, audience="app", type="logout+jwt")
        one, other = verifier.verify(first), verifier.verify(told.get(timeout=60))
    finally:
        listening.shutdown()
        listening.server_close()
    assert one["sid"] == other["sid"] == sid
    assert one["jti"] != other["jti"]
    assert one["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "nonce" not in one


def test_both_metadata_documents_tell_the_same(server):
    one = server.client.get("/.well-known/openid-configuration").json()
    assert one == server.client.get("/.well-known/oauth-authorization-server").json()
    assert one["code_challenge_methods_supported"] == ["S256"]
    grants = {"authorization_code", "client_credentials", "refresh_token"}
    assert set(one["grant_types_supported"]) == {*grants, DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE}
    assert one["authorization_response_iss_parameter_supported"] is True
    for name in ("authorization_endpoint", "userinfo_endpoint", "end_session_endpoint"):
        assert one[name].startswith(server.url)


def test_the_hash_of_the_access_token_is_the_algorithms_own():
    from carnet.server.tokens.id_tokens import _half_hash

    assert _half_hash("x", "EdDSA") == _half_hash("x", "ES512") != _half_hash("x", "ES384")
    digest = hashlib.shake_256(b"x").digest(114)[:57]
    assert _half_hash("x", "Ed448") == urlsafe_b64encode(digest).decode().rstrip("=")
