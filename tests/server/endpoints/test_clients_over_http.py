"""The token endpoint, revocation and introspection, as clients of every kind see them."""

import dataclasses
import hashlib
import json
import secrets
import time
from base64 import b64encode

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from carnet import Key, KeySet, Signer, Verifier, inspect
from carnet.jose import jws
from carnet.server.app import build_app
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.sessions.sessions import NewSession

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def error_of(answer):
    return (answer.status_code, answer.json()["error"])


def test_a_program_gets_a_token_of_its_own(oauth):
    answer = oauth.machine(oauth.job)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert "refresh_token" not in body
    seen = inspect(body["access_token"])
    assert seen.header["typ"] == "at+jwt"
    assert seen.claims["aud"] == "orders"
    assert seen.claims["sub"] == seen.claims["client_id"] == oauth.job[0]
    assert seen.claims["scope"] == body["scope"] == "invoices:read orders:read orders:write"

    # It belongs to no person: the account's addresses are not for it.
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert oauth.server.client.get("/account", headers=headers).status_code == 401


def test_scope_and_resource_narrow_and_never_widen(oauth):
    body = oauth.machine(oauth.job, scope="orders:read").json()
    assert body["scope"] == inspect(body["access_token"]).claims["scope"] == "orders:read"
    body = oauth.machine(oauth.job, resource="invoices").json()
    claims = inspect(body["access_token"]).claims
    assert (claims["aud"], claims["scope"]) == ("invoices", "invoices:read")
    for wanted, code in (
        ({"scope": "orders:read admin"}, "invalid_scope"),
        ({"scope": "carnet:admin"}, "invalid_scope"),
        ({"scope": "orders:read", "resource": "invoices"}, "invalid_scope"),
        ({"resource": "billing"}, "invalid_target"),
        ({"resource": "nowhere"}, "invalid_target"),
    ):
        assert error_of(oauth.machine(oauth.job, **wanted)) == (400, code), wanted


def test_a_client_proves_itself_in_its_own_way_and_no_other(oauth):
    wrong = {}
    for name, client_id in (("wrong", oauth.job[0]), ("unknown", "nobody")):
        answer = oauth.machine((client_id, "x" * 43))
        assert error_of(answer) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")
        wrong[name] = answer.text
    assert wrong["wrong"] == wrong["unknown"]

    def posted(client, **more):
        client_id, secret = client
        return oauth.machine(None, client_id=client_id, client_secret=secret, **more)

    assert posted(oauth.poster).status_code == 200
    for answer in (
        posted(oauth.job),  # registered for Basic
        oauth.machine(oauth.poster),  # registered for the body
        oauth.machine(None, client_id=oauth.job[0]),  # a secret's owner, as if it were public
        oauth.machine(None, client_id=oauth.signer[0]),
        oauth.machine((oauth.signer[0], "")),
        oauth.machine(None),
    ):
        assert error_of(answer) == (401, "invalid_client")
    both = oauth.machine(oauth.job, client_secret=oauth.job[1], client_id=oauth.job[0])
    assert error_of(both) == (400, "invalid_request")
    assert error_of(oauth.machine(oauth.job, client_id="other")) == (400, "invalid_request")
    answer = oauth.ask(oauth.web, grant_type="client_credentials")
    assert error_of(answer) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    "form",
    ["Bearer {}", "{}", "Basic", "Basic {}{}", "Basic {}*", "Basic a{}", "Basic am9i"],
)
def test_what_is_no_basic_header_proves_nothing(oauth, form):
    def status(header):
        form = {"grant_type": "client_credentials"}
        headers = {"Authorization": header}
        return oauth.server.client.post("/token", data=form, headers=headers).status_code

    good = b64encode(":".join(oauth.job).encode()).decode()
    assert (status(f"Basic {good}"), status(f"basic {good}")) == (200, 200)
    assert status(form.format(good, good)) == 401


def test_a_parameter_twice_is_refused(oauth):
    answer = oauth.server.client.post(
        "/token",
        content="grant_type=client_credentials&scope=orders:read&scope=orders:write",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=oauth.job,
    )
    assert error_of(answer) == (400, "invalid_request")


def test_an_assertion_is_taken_once_for_this_server_alone_and_not_for_long(oauth):
    url, client_id = oauth.server.url, oauth.signer[0]

    def assertion(key=oauth.key, *, audience=url, lifetime=60, **claims):
        signer = Signer(key, issuer=client_id, audience=audience, lifetime=lifetime)
        return signer.sign({"sub": client_id, "jti": secrets.token_hex(8), **claims})

    def present(text, kind=ASSERTION, **more):
        given = {"client_assertion": text, "client_assertion_type": kind, **more}
        return oauth.machine(None, **given)

    good = assertion()
    assert present(good).status_code == 200
    assert error_of(present(good)) == (401, "invalid_client")
    assert present(assertion(audience=f"{url}/token")).status_code == 200
    stranger = type(oauth.key).generate("ES256", kid=oauth.key.kid)
    for bad in (
        assertion(stranger),
        assertion(audience="https://other.example.com"),
        assertion(audience=[url, "https://other.example.com"]),
        assertion(lifetime=7200),
        assertion(iss="other"),
        assertion(sub=oauth.job[0]),
        assertion(jti=""),
        "not.a.token",
    ):
        assert error_of(present(bad)) == (401, "invalid_client")
    # A key by which a client could prove itself is none where it is registered to do otherwise.
    keyed = assertion(sub=oauth.keyed[0], iss=oauth.keyed[0])
    assert error_of(present(keyed)) == (401, "invalid_client")
    assert error_of(present(assertion(), "other")) == (400, "invalid_request")
    assert present(assertion(), client_id=client_id).status_code == 200
    for other in ("other", oauth.job[0]):
        assert error_of(present(assertion(), client_id=other)) == (400, "invalid_request")


def test_authlib_gets_tokens_with_a_secret_and_with_a_key(oauth):
    url = f"{oauth.server.url}/token"
    with OAuth2Client(*oauth.job, token_endpoint_auth_method="client_secret_basic") as client:
        token = client.fetch_token(url, grant_type="client_credentials", scope="orders:read")
        assert token["scope"] == "orders:read"
    client_id = oauth.signer[0]
    with OAuth2Client(
        client_id,
        ECKey.import_key(oauth.key.to_jwk(private=True)),
        token_endpoint_auth_method=PrivateKeyJWT(url, alg="ES256"),
    ) as client:
        token = client.fetch_token(url, grant_type="client_credentials")
        assert inspect(token["access_token"]).claims["sub"] == client_id


def test_a_refresh_token_serves_its_own_client_alone(oauth):
    refresh = {"grant_type": "refresh_token", "refresh_token": oauth.web_token}
    stolen = [oauth.ask(None, **refresh), oauth.ask(None, client_id=oauth.app[0], **refresh)]
    assert [error_of(answer) for answer in stolen] == [(400, "invalid_grant")] * 2
    assert error_of(oauth.ask(None, client_id=oauth.web[0], **refresh)) == (401, "invalid_client")

    # Too much is refused before the token is used; less is given to the access token alone.
    assert error_of(oauth.ask(oauth.web, scope="carnet:admin", **refresh)) == (400, "invalid_scope")
    answer = oauth.ask(oauth.web, scope="orders:read", **refresh).json()
    assert inspect(answer["access_token"]).claims["scope"] == "orders:read"
    refresh["refresh_token"] = answer["refresh_token"]
    answer = oauth.ask(oauth.web, **refresh).json()
    assert answer["scope"] == "orders:read orders:write"

    # Its token is for neither alice's account nor the administration.
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    for path in ("/account", "/sessions", "/accounts/x/sessions"):
        refused = oauth.server.client.get(path, headers=headers)
        assert error_of(refused) == (401, "invalid_token")


def test_a_client_revokes_its_own_tokens_alone(oauth):
    refresh = {"grant_type": "refresh_token", "refresh_token": oauth.web_token}
    token = oauth.ask(oauth.web, **refresh).json()
    served = {"path": "/introspection", "token": token["access_token"]}
    for stranger in (oauth.job, None):
        for text in (token["access_token"], token["refresh_token"]):
            assert oauth.ask(stranger, path="/revocation", token=text).status_code == 200
    assert oauth.ask(oauth.orders, **served).json()["active"] is True
    refused = oauth.ask((oauth.web[0], "wrong"), path="/revocation", token=token["access_token"])
    assert error_of(refused) == (401, "invalid_client")
    oauth.ask(oauth.web, path="/revocation", token=token["access_token"])
    assert oauth.ask(oauth.orders, **served).json() == {"active": False}
    oauth.ask(oauth.web, path="/revocation", token=token["refresh_token"])
    refresh["refresh_token"] = token["refresh_token"]
    assert error_of(oauth.ask(oauth.web, **refresh)) == (400, "invalid_grant")


def test_introspection_tells_only_the_service_that_the_token_is_for(oauth):
    token = oauth.machine(oauth.job).json()["access_token"]
    asked = {"path": "/introspection", "token": token}
    told = oauth.ask(oauth.orders, **asked).json()
    assert told["active"] is True
    assert {**told, **inspect(token).claims} == told
    assert oauth.ask(oauth.job, **asked).json() == {"active": False}
    invoices = oauth.machine(oauth.job, resource="invoices").json()["access_token"]
    for text in (invoices, "nonsense", oauth.web_token):
        told = oauth.ask(oauth.orders, path="/introspection", token=text)
        assert told.json() == {"active": False}
    for client in (None, (oauth.orders[0], "wrong")):
        assert error_of(oauth.ask(client, **asked)) == (401, "invalid_client")
    public = oauth.ask(None, client_id=oauth.app[0], **asked)
    assert error_of(public) == (401, "invalid_client")

    signed = oauth.server.client.post(
        "/introspection",
        data={"token": token},
        auth=oauth.orders,
        headers={"Accept": "application/token-introspection+jwt"},
    )
    assert signed.headers["content-type"] == "application/token-introspection+jwt"
    keys = KeySet.from_jwks(oauth.server.client.get("/.well-known/jwks.json").json())
    verified = jws.verify(signed.text, keys)
    assert verified.header["typ"] == "token-introspection+jwt"
    claims = inspect(signed.text).claims
    assert (claims["iss"], claims["aud"]) == (oauth.server.url, oauth.orders[0])
    assert claims["token_introspection"]["sub"] == oauth.job[0]
    with OAuth2Client(*oauth.orders) as authlib:
        answer = authlib.introspect_token(f"{oauth.server.url}/introspection", token=token)
        assert answer.json()["active"] is True


def test_a_resource_with_a_key_gets_tokens_that_only_it_can_read(oauth):
    token = oauth.machine(oauth.job, resource="vault").json()["access_token"]
    seen = inspect(token)
    assert (seen.kind, seen.header["cty"], seen.claims) == ("JWE", "JWT", None)
    keys = KeySet.from_jwks(oauth.server.client.get("/.well-known/jwks.json").json())
    claims = Verifier(
        keys,
        issuer=oauth.server.url,
        audience="vault",
        type="at+jwt",
        decryption=oauth.service_key,
    ).verify(token)
    assert claims.client_id == oauth.job[0]


def test_a_client_made_on_the_command_line_is_known_to_a_running_server(oauth, carnet):
    data, env = oauth.server.data, {"CARNET_AUDIENCES": "orders,billing"}

    def run(*words):
        done = carnet(*words, data=data, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def until(status, auth):
        deadline = time.monotonic() + 60
        while oauth.machine(auth).status_code != status:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    run("client", "add", "Late", "--id", "late", "--scope", "a b")
    secret = run("client", "new-secret", "late").split()[1]
    until(200, ("late", secret))
    assert secret not in run("client", "show", "late") + run("client", "list") + run("audit")
    run("client", "remove", "late")
    until(401, ("late", secret))
    assert "client_removed" in run("audit")
    refused = carnet("client", "add", "X", "--redirect-uri", "http://evil.example/", data=data)
    assert refused.returncode == 2
    assert "redirect_uris" in refused.stderr


def test_what_was_applied_from_a_file_is_known_to_a_running_server(oauth, carnet, tmp_path):
    secret, file = secrets.token_urlsafe(32), tmp_path / "clients.toml"
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    described = ("grant_types", ["client_credentials"]), ("secret_sha256", hashed)
    lines = [f"{name} = {json.dumps(value)}" for name, value in described]
    file.write_text("\n".join(["[clients.filed]", *lines]))

    def apply():
        env = {"CARNET_AUDIENCES": "orders,billing"}
        done = carnet("apply", str(file), "--yes", data=oauth.server.data, env=env)
        assert done.returncode == 0, done.stderr

    def until(status, secret):
        deadline = time.monotonic() + 60
        while oauth.machine(("filed", secret)).status_code != status:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    apply()
    until(200, secret)
    newer = secrets.token_urlsafe(32)
    renewed = hashlib.sha256(newer.encode()).hexdigest()
    file.write_text(
        file.read_text().replace(hashed, renewed) + f'\nprevious_secret_sha256 = "{hashed}"\n'
    )
    apply()
    until(200, newer)
    assert oauth.machine(("filed", secret)).status_code == 200
    file.write_text(file.read_text().replace("previous_", "# previous_"))
    apply()
    until(401, secret)
    assert oauth.machine(("filed", newer)).status_code == 200


def test_a_client_whose_id_tokens_are_encrypted_is_made_on_the_command_line(carnet, tmp_path):
    keys, data = tmp_path / "keys.json", tmp_path / "data"
    public = Key.generate("ECDH-ES+A256KW").public.to_jwk()
    keys.write_text(json.dumps({"keys": [public]}))
    more = ("--redirect-uri", "https://bank.example/cb", "--jwks", str(keys), "--json")
    flags = ("--encrypt-id-tokens", "ECDH-ES+A256KW", "--encryption-enc", "A256GCM")
    done = carnet("client", "add", "Bank", *more, *flags, data=data)
    made = json.loads(done.stdout)
    assert made["id_token_encrypted_response_alg"] == "ECDH-ES+A256KW"
    assert made["id_token_encrypted_response_enc"] == "A256GCM"
    refused = carnet("client", "add", "Bank", *more, "--encrypt-id-tokens", "RSA-OAEP", data=data)
    assert refused.returncode == 2
    assert "needs jwks with an encryption key of the same alg" in refused.stderr


def test_the_metadata_say_what_there_is(oauth):
    for name in ("oauth-authorization-server", "openid-configuration"):
        document = oauth.server.client.get(f"/.well-known/{name}").json()
        assert document["introspection_endpoint"] == f"{oauth.server.url}/introspection"
        assert {"client_credentials", "refresh_token"} <= set(document["grant_types_supported"])
        assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
        assert "ES256" in document["dpop_signing_alg_values_supported"]
        assert "HS256" not in document["dpop_signing_alg_values_supported"]


async def ask_inside(service, path, form, auth):
    """Ask an app in this process; give the answer and how many statements it took."""
    before = service.store.statements_run
    transport = httpx.ASGITransport(build_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://carnet") as client:
        answer = await client.post(path, data=form, auth=auth)
    assert answer.status_code == 200
    return answer.json(), service.store.statements_run - before


def test_a_fault_of_the_program_is_answered_without_a_word_of_it_and_raised(play):
    async def scene(service, clock):
        metadata = ClientMetadata(grant_types=("client_credentials",))
        client, secret = await service.registry.add_client(metadata, OPERATOR)
        broken = build_app(dataclasses.replace(service, access_tokens=None))
        told = httpx.ASGITransport(broken, raise_app_exceptions=False)
        form, auth = {"grant_type": "client_credentials"}, (client.id, secret)
        async with httpx.AsyncClient(transport=told, base_url="http://carnet") as browser:
            answer = await browser.post(
                "/token", data=form, auth=auth, headers={"Origin": "https://a.example"}
            )
        assert answer.json() == {
            "error": "server_error",
            "error_description": "the service failed to answer",
        }
        assert answer.headers["access-control-allow-origin"] == "*"
        with pytest.raises(AttributeError):
            await ask_inside(dataclasses.replace(service, access_tokens=None), "/token", form, auth)
        return answer.status_code

    assert play(scene) == 500


def test_client_credentials_run_no_statement(play):
    async def scene(service, clock):
        metadata = ClientMetadata(grant_types=("client_credentials",))
        client, secret = await service.registry.add_client(metadata, OPERATOR)
        form = {"grant_type": "client_credentials"}
        return (await ask_inside(service, "/token", form, (client.id, secret)))[1]

    assert play(scene) == 0


def test_introspection_runs_one_statement(play):
    async def scene(service, clock):
        audience = service.registry.audiences[0]
        metadata = ClientMetadata(grant_types=("client_credentials",), introspects=(audience,))
        client, secret = await service.registry.add_client(metadata, OPERATOR)
        account = await service.accounts.create("ada", "a-long-enough-password")
        grant = await service.sessions.begin(account, NewSession(client.id, audience))
        of_session, _ = service.access_tokens.issue(grant, audience, None)
        of_client, _ = service.access_tokens.sign({"sub": "x", "client_id": client.id}, audience)
        return [
            await ask_inside(service, "/introspection", {"token": token}, (client.id, secret))
            for token in (of_session, of_client)
        ]

    for told, statements in play(scene):
        assert told["active"] is True
        assert statements == 1
