"""The administration over HTTP, and its OpenAPI description."""

import sys
import time

import pytest
from tests import processes

from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.resources import ResourceMetadata


@pytest.fixture
def admin(server, carnet, tmp_path):
    """A server, and the header of somebody who may administer it."""
    done = carnet("user", "roles", "alice", "carnet:admin", data=tmp_path / "data")
    assert done.returncode == 0
    server.client.headers["Authorization"] = (
        f"Bearer {server.sign_in_to_api().json()['access_token']}"
    )
    return server.client


def test_a_client_is_made_seen_changed_and_removed(admin):
    body = {"client_name": "Job", "grant_types": ["client_credentials"], "scope": "a b"}
    made = admin.post("/clients", json=body)
    assert made.status_code == 201
    client = made.json()
    secret, at = client.pop("client_secret"), f"/clients/{client['client_id']}"
    assert admin.get(at).json() == client
    assert client in admin.get("/clients").json()["clients"]

    def ask(secret):
        form = {"grant_type": "client_credentials"}
        headers = {"Authorization": ""}
        return admin.post("/token", data=form, auth=(client["client_id"], secret), headers=headers)

    assert ask(secret).status_code == 200
    newer = admin.post(f"{at}/secret").json()["client_secret"]
    assert [ask(secret).status_code, ask(newer).status_code] == [401, 200]
    assert admin.put(at, json={**body, "scope": "a"}).json()["scope"] == "a"
    assert ask(newer).json()["scope"] == "a"
    assert admin.delete(at).status_code == 204
    assert ask(newer).status_code == 401
    assert [admin.get(at).status_code, admin.delete(at).status_code] == [404, 404]


def test_a_secret_is_kept_beside_the_new_one_and_removed(admin):
    made = admin.post("/clients", json={"grant_types": ["client_credentials"]}).json()
    at, secrets = f"/clients/{made['client_id']}", [made["client_secret"]]

    def renew(**query):
        answer = admin.post(f"{at}/secret", params=query)
        if answer.status_code == 201:
            secrets.append(answer.json()["client_secret"])
        return answer.status_code

    def works(secret):
        form, auth = {"grant_type": "client_credentials"}, (made["client_id"], secret)
        answer = admin.post("/token", data=form, auth=auth, headers={"Authorization": ""})
        return answer.status_code == 200

    assert "previous_secret_expires_at" not in admin.get(at).json()
    assert renew(keep_previous="3600") == 201
    assert [works(secret) for secret in secrets] == [True, True]
    assert 3500 < admin.get(at).json()["previous_secret_expires_at"] - time.time() < 3601
    assert renew(keep_previous="until-removed") == 201
    assert [works(secret) for secret in secrets] == [False, True, True]
    assert admin.get(at).json()["previous_secret_expires_at"] == 0
    removed = [admin.delete(f"{at}/previous-secret").status_code for _ in range(2)]
    assert removed == [204, 400]
    assert [works(secret) for secret in secrets] == [False, False, True]
    for wrong in ({"keep_previous": "-1"}, {"keep_previous": "soon"}, {"keep": "1"}):
        assert renew(**wrong) == 400
    assert admin.delete("/clients/nobody/previous-secret").status_code == 404


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example.com/",
        "https://app.example.com/#fragment",
        "https://user@app.example.com/",
        "https://*.example.com/",
        "https://app.example.com/a/../b",
        "https://app.example.com/%2e%2e/b",
        "https://app.example.com\\@evil.example/",
        "http://localhost.evil.example/",
        "http://[::1]evil.example/",
        "https://app.example.com:99x/",
        "https:///callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "web+myapp:/callback",
        "/callback",
        "https://app.example.com/a b",
    ],
)
def test_an_unsafe_redirect_address_is_refused(play, uri):

    async def scene(service, clock):
        with pytest.raises(ClientRefused) as refused:
            await service.registry.add_client(ClientMetadata(redirect_uris=(uri,)), OPERATOR)
        return refused.value.code

    assert play(scene) == "invalid_redirect_uri"


def test_what_does_not_fit_is_named(admin):
    for body, said in (
        ({"redirect_uris": ["http://evil.example/"]}, "redirect_uris"),
        ({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"}, "public"),
        ({"grant_types": ["password"]}, "grant_types"),
        ({"client_id": "carnet", "grant_types": ["client_credentials"]}, "reserved"),
        ({"grant_types": ["client_credentials"], "resources": ["nowhere"]}, "nowhere"),
        ({"grant_types": ["client_credentials"], "jwks": {"keys": [{"kty": "oct"}]}}, "jwks"),
        ({"scopes": []}, "scopes"),
    ):
        refused = admin.post("/clients", json=body)
        assert refused.status_code == 400, body
        assert said in refused.json()["error_description"]


def test_resources_and_accounts(admin):
    audience = "https://api.example.com/v1"
    made = admin.post("/resources", json={"audience": audience, "scopes": ["read"]})
    assert made.status_code == 201
    assert admin.post("/resources", json={"audience": audience}).status_code == 400
    at = f"/resources/{audience}"
    assert admin.put(at, json={"scopes": ["write"]}).json()["scopes"] == ["write"]
    named = [one["audience"] for one in admin.get("/resources").json()["resources"]]
    assert named == ["orders", "billing", audience]
    assert [admin.delete(at).status_code, admin.delete(at).status_code] == [204, 404]

    bob = {"username": "bob", "password": "a-long-enough-password", "roles": ["A"]}
    account = admin.post("/accounts", json=bob).json()
    at = f"/accounts/{account['id']}"
    changed = admin.patch(at, json={"disabled": True, "roles": ["B"]}).json()
    assert changed == {**account, "disabled": True, "roles": ["B"]}
    assert admin.get(at).json() == changed
    accounts = admin.get("/accounts", params={"after": "alice"}).json()["accounts"]
    assert accounts == [changed]


def test_nobody_else_gets_in(oauth, add_user):
    add_user("bob", roles=())
    server = oauth.server
    bob = server.sign_in_to_api("bob").json()["access_token"]
    job = oauth.machine(oauth.job).json()["access_token"]
    refresh = {"grant_type": "refresh_token", "refresh_token": oauth.web_token}
    web = oauth.ask(oauth.web, **refresh).json()["access_token"]
    for token, status in ((None, 401), (bob, 403), (job, 401), (web, 401)):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        for path in ("/clients", "/resources", "/accounts", "/accounts/x"):
            assert server.client.get(path, headers=headers).status_code == status
        body = {"grant_types": ["client_credentials"]}
        assert server.client.post("/clients", json=body, headers=headers).status_code == status


def test_the_service_keeps_to_its_description(admin, tmp_path):
    pytest.importorskip(
        "schemathesis", reason="schemathesis is not installed: it is in the dev lock"
    )
    document = admin.get("/openapi.json")
    assert document.json()["openapi"] == "3.1.0"
    checks = "not_a_server_error,status_code_conformance,content_type_conformance"
    checks += ",response_schema_conformance,negative_data_rejection"
    # The passwords that it makes up are hashed, and slowly: accounts are made above.
    done = processes.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{admin.base_url}/openapi.json"),
            *("--header", f"Authorization: {admin.headers['authorization']}"),
            *("--checks", checks, "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", "5", "--seed", "1", "--exclude-operation-id", "add_account"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_refused_of_a_client_or_a_resource_names_the_member_at_fault(play):
    jobs = {"grant_types": ("client_credentials",)}
    clients = (
        ({**jobs, "redirect_uris": ("http://evil.example/",)}, "redirect_uris"),
        ({}, "redirect_uris"),
        ({**jobs, "scope": "two  spaces"}, "scope"),
        ({**jobs, "token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        ({**jobs, "resources": ("scope",)}, "resources"),
        ({**jobs, "jwks": {"keys": []}}, "jwks"),
    )
    resources = (
        ("two scopes", {}, "audience"),
        ("a", {"scopes": ("two words",)}, "scopes"),
        ("a", {"scope_claims": {"read": ("sub",)}}, "scope_claims"),
        # What the claim is called says nothing of the member that holds it.
        ("a", {"claims": ("scope",)}, "claims"),
        ("a", {"signing_alg": "PS512"}, "signing_alg"),
        ("a", {"encryption_key": {"kty": "scope"}}, "encryption_key"),
    )

    async def scene(service, _clock):
        found = []
        for given, _ in clients:
            with pytest.raises(ClientRefused) as refused:
                await service.registry.add_client(ClientMetadata(**given), OPERATOR)
            found.append(refused.value.member)
        for audience, given, _ in resources:
            metadata = ResourceMetadata(**given)
            with pytest.raises(ClientRefused) as refused:
                await service.registry.add_resource(audience, metadata, OPERATOR)
            found.append(refused.value.member)
        return found

    assert play(scene) == [case[-1] for case in (*clients, *resources)]
