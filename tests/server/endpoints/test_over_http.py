"""The service as its clients see it."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import httpx
import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import pytest

from carnet import KeySet, Verifier, inspect
from carnet.server.sessions.refresh_token import parse


def test_signing_in_answers_with_both_tokens(server):
    answer = server.sign_in()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 300
    assert set(body) == {
        *("access_token", "token_type", "expires_in", "refresh_token", "session_id")
    }


def test_an_access_token_carries_what_rfc_9068_asks_for_and_the_session(server):
    body = server.sign_in().json()
    seen = inspect(body["access_token"])
    assert seen.header["typ"] == "at+jwt"
    assert seen.header["alg"] == "ES256"
    claims = seen.claims
    assert claims["iss"] == server.url
    assert claims["aud"] == "orders"
    assert claims["exp"] - claims["iat"] == 300
    assert claims["sid"] == body["session_id"]
    assert claims["roles"] == ["ADMIN"]
    assert {"sub", "jti", "client_id", "sub_ver"} <= set(claims)
    assert "alice" not in str(claims)


def test_our_access_token_is_accepted_by_pyjwt_joserfc_and_ourselves(server):
    token = server.sign_in().json()["access_token"]
    document = server.client.get("/.well-known/jwks.json").json()
    ours = Verifier(
        KeySet.from_jwks(document), issuer=server.url, audience="orders", type="at+jwt"
    ).verify(token)
    key = pyjwt.PyJWKSet.from_dict(document).keys[0]
    theirs = pyjwt.decode(
        token, key.key, algorithms=["ES256"], audience="orders", issuer=server.url
    )
    assert theirs == dict(ours)
    keys = joserfc.jwk.KeySet.import_key_set(document)
    assert joserfc.jwt.decode(token, keys, algorithms=["ES256"]).claims == dict(ours)


def test_pyjwts_own_client_finds_the_key_by_the_tokens_kid(server):
    token = server.sign_in().json()["access_token"]
    client = pyjwt.PyJWKClient(f"{server.url}/.well-known/jwks.json")
    key = client.get_signing_key_from_jwt(token)
    claims = pyjwt.decode(token, key, audience="orders", issuer=server.url, algorithms=["ES256"])
    assert claims["client_id"] == "carnet"


def test_only_public_keys_are_published(server):
    answer = server.client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    [key] = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "alg", "use", "kid"}


def test_the_metadata_leads_to_the_keys_and_the_token_endpoint(server):
    for name in ("oauth-authorization-server", "openid-configuration"):
        document = server.client.get(f"/.well-known/{name}").json()
        assert document["issuer"] == server.url
        assert server.client.get(document["jwks_uri"]).status_code == 200
        assert document["token_endpoint"] == f"{server.url}/token"


def test_health_is_told(server):
    assert server.client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("username", "password"), [("alice", "wrong"), ("nobody", "wrong"), ("", ""), ("a b", "x")]
)
def test_a_wrong_password_and_an_unknown_username_get_the_same_answer(server, username, password):
    answer = server.sign_in(username, password)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": "the username or the password is wrong",
    }


def test_a_username_is_the_same_in_any_case_and_width(server):
    assert server.sign_in("ALICE").status_code == 201
    assert server.sign_in("\uff41\uff4c\uff49\uff43\uff45").status_code == 201


def test_a_refresh_brings_a_new_access_token_and_a_successor(server):
    first = server.sign_in().json()
    answer = server.refresh(first["refresh_token"])
    assert answer.status_code == 200
    second = answer.json()
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert server.refresh(second["refresh_token"]).status_code == 200


def test_a_repeated_refresh_within_the_grace_gets_the_same_successor(server):
    first = server.sign_in().json()["refresh_token"]
    answers = [server.refresh(first).json() for _ in range(3)]
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert len({answer["access_token"] for answer in answers}) == 3


def test_twenty_uses_at_once_get_twenty_answers_with_one_successor(server):
    first = server.sign_in().json()["refresh_token"]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.refresh(first), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_a_use_after_the_grace_ends_the_session_for_both_holders(server):
    first = server.sign_in().json()["refresh_token"]
    second = server.refresh(first).json()["refresh_token"]
    sleep(1.1)
    assert server.refresh(first).json()["error"] == "invalid_grant"
    assert server.refresh(second).json()["error"] == "invalid_grant"


def test_a_token_two_generations_old_ends_the_session_even_within_the_grace(server):
    first = server.sign_in().json()["refresh_token"]
    second = server.refresh(first).json()["refresh_token"]
    third = server.refresh(second).json()["refresh_token"]
    assert server.refresh(first).status_code == 400
    assert server.refresh(third).status_code == 400


def test_the_answer_does_not_tell_why_a_refresh_token_is_refused(server):
    body = server.sign_in().json()
    server.sign_out(body["access_token"])
    ended = server.refresh(body["refresh_token"])
    forged = server.refresh("A" * len(body["refresh_token"]))
    nonsense = server.refresh("x")
    assert ended.json() == forged.json() == nonsense.json()
    assert ended.status_code == forged.status_code == nonsense.status_code == 400


def test_signing_out_ends_the_session_and_may_be_repeated(server):
    body = server.sign_in().json()
    assert server.sign_out(body["access_token"]).status_code == 204
    assert server.sign_out(body["access_token"]).status_code == 204
    assert server.refresh(body["refresh_token"]).status_code == 400


def test_one_session_ends_and_another_of_the_same_account_lives(server):
    one, other = server.sign_in().json(), server.sign_in().json()
    server.sign_out(one["access_token"])
    assert server.refresh(other["refresh_token"]).status_code == 200


def test_signing_out_needs_a_good_token(server):
    missing = server.client.delete("/sessions/current")
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"] == "Bearer"
    wrong = server.sign_out("eyJ.eyJ.x")
    assert wrong.status_code == 401
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    twice = httpx.delete(
        f"{server.url}/sessions/current",
        headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
        trust_env=False,
    )
    assert twice.status_code == 400


def test_an_access_token_that_was_revoked_is_refused_here_too(server):
    session = server.sign_in_to_api().json()
    token = session["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert server.client.get("/account", headers=headers).status_code == 200
    assert server.client.post("/revocation", data={"token": token}).status_code == 200
    answer = server.client.get("/account", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    # The session lives on, with another token.
    following = server.refresh(session["refresh_token"]).json()["access_token"]
    headers = {"Authorization": f"Bearer {following}"}
    assert server.client.get("/account", headers=headers).status_code == 200


def test_the_audience_is_the_one_asked_for_among_those_of_the_service(server):
    body = server.sign_in(resource="billing").json()
    assert inspect(body["access_token"]).claims["aud"] == "billing"
    following = server.refresh(body["refresh_token"]).json()
    assert inspect(following["access_token"]).claims["aud"] == "billing"
    other = server.refresh(following["refresh_token"], resource="orders").json()
    assert inspect(other["access_token"]).claims["aud"] == "orders"
    refused = server.sign_in(resource="payroll")
    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_target"


def test_a_shorter_life_can_be_asked_for_and_a_longer_one_is_not_given(server):
    body = server.sign_in(expires_in=3).json()
    claims = inspect(body["access_token"]).claims
    assert body["expires_in"] == claims["exp"] - claims["iat"] == 3
    assert server.sign_in(expires_in=9999).json()["expires_in"] == 300
    assert server.refresh(body["refresh_token"], expires_in="7").json()["expires_in"] == 7


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "error", "said"),
    [
        ("/sessions", JSON, "{", 400, "invalid_request", "JSON object"),
        ("/sessions", JSON, "[]", 400, "invalid_request", "JSON object"),
        ("/sessions", JSON, '{"username":"a","username":"b"}', 400, "invalid_request", "once"),
        ("/sessions", JSON, '{"username":"a"}', 400, "invalid_request", "password"),
        ("/sessions", JSON, '{"username":1,"password":"x"}', 400, "invalid_request", "username"),
        ("/sessions", JSON, "[" * 60000, 400, "invalid_request", "JSON object"),
        ("/sessions", FORM, "username=a", 415, "invalid_request", "application/json"),
        ("/sessions", JSON, " " * 70000, 413, "invalid_request", "65536 bytes"),
        ("/token", FORM, "", 400, "invalid_request", "grant_type is missing"),
        ("/token", FORM, "grant_type=", 400, "invalid_request", "grant_type is missing"),
        ("/token", FORM, "grant_type=password", 400, "unsupported_grant_type", "refresh_token"),
        ("/token", FORM, "grant_type=refresh_token", 400, "invalid_request", "refresh_token is"),
        ("/token", FORM, "grant_type=a&grant_type=a", 400, "invalid_request", "more than once"),
        ("/token", FORM, "grant_type=%FF", 400, "invalid_request", "well-formed"),
        ("/token", FORM, "&".join(f"a{n}=1" for n in range(40)), 400, "invalid_request", "form"),
        ("/token", JSON, "{}", 415, "invalid_request", "x-www-form-urlencoded"),
        ("/nothing", FORM, "", 404, "invalid_request", "nothing at this address"),
        ("/healthz", FORM, "", 405, "invalid_request", "method is not allowed"),
    ],
)
def test_a_bad_request_gets_an_oauth_error(server, path, headers, body, status, error, said):
    answer = server.client.post(path, headers=headers, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error"] == error
    assert said in answer.json()["error_description"]


def test_an_error_never_repeats_what_was_sent(server):
    secret = "hunter2-hunter2-hunter2"
    for answer in (
        server.sign_in("alice", secret),
        server.client.post("/sessions", json={"username": "alice", "password": [secret]}),
        server.client.post("/sessions", json={"username": "alice", "password": "x", "k": secret}),
        server.refresh(secret),
        server.sign_out(secret),
    ):
        assert answer.status_code >= 400
        assert secret not in answer.text + str(answer.headers)


def test_the_refresh_token_is_opaque_and_the_database_does_not_hold_it(server):
    token = server.sign_in().json()["refresh_token"]
    server.refresh(token)
    server.stop()
    held = b"".join(path.read_bytes() for path in server.data.glob("carnet.db*"))
    assert token.encode() not in held
    # The 32 secret bytes sit behind one byte of version and two of pepper id.
    from carnet.jose.encoding import b64url_decode

    assert b64url_decode(token)[3:35] not in held
    with pytest.raises(Exception, match="refresh token"):
        parse(token, {})
