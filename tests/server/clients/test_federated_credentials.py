"""Whose tokens a client may prove itself with: a rule that others can meet is refused when set."""

import msgspec
import pytest

from carnet import Key
from carnet.server.clients.clients import JWT_BEARER, ClientMetadata, ClientRefused
from carnet.server.clients.federated_credentials import FederatedCredential
from carnet.server.clients.metadata_checks import check_metadata

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
DOMAIN = "spiffe://example.org"
JWKS = {"keys": [Key.generate("ES256").public.to_jwk()]}
SUB = "repo:octo-org/orders:ref:refs/heads/main"
KUBERNETES = {"issuer": CLUSTER, "claims": {"sub": "system:serviceaccount:shop:nightly"}}


def check(*credentials, **members):
    given = {
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "federated_jwt",
        "federated_credentials": credentials,
        **members,
    }
    check_metadata(msgspec.convert(given, ClientMetadata))


def refused(*credentials, **members):
    with pytest.raises(ClientRefused) as error:
        check(*credentials, **members)
    assert error.value.code == "invalid_client_metadata"
    return error.value.member, str(error.value)


@pytest.mark.parametrize(
    ("issuer", "claims"),
    [
        (GITHUB, {"sub": SUB}),
        (GITHUB, {"sub": [SUB, "repo:octo-org/orders:environment:production"]}),
        (GITHUB, {"sub": "repo:octo-org@12/orders@34:environment:production"}),
        (GITHUB, {"sub": "repo:octo-org/orders:pull_request", "ref": "refs/heads/main"}),
        (GITHUB, {"sub": "repository_id:74:job_workflow_ref:octo-org/ci/.github/x.yml@main"}),
        (GITHUB, {"repository": "octo-org/orders", "ref": "refs/heads/main"}),
        (GITHUB, {"repository_id": "74", "environment": "production"}),
        (
            GITHUB,
            {"repository_id": ["74", "75"], "workflow_ref": "octo-org/orders/.github/w@x"},
        ),
        (f"{GITHUB}/octo-corp", {"sub": SUB}),
        ("https://token.actions.octo.ghe.com", {"sub": SUB}),
        (GITLAB, {"sub": "project_path:octo/orders:ref_type:branch:ref:main"}),
        (GITLAB, {"project_path": "octo/orders", "ref": "main", "ref_type": "branch"}),
        (GITLAB, {"project_id": "22", "ref_path": "refs/heads/main"}),
        (
            GITLAB,
            {"project_id": "22", "environment": "production", "environment_protected": "true"},
        ),
        (CLUSTER, KUBERNETES["claims"]),
        ("https://gitlab.example.com", {"sub": "project_path:a/b:ref_type:branch:ref:main"}),
    ],
)
def test_a_rule_that_pins_down_a_workload_is_taken(issuer, claims):
    check({"issuer": issuer, "claims": claims})


@pytest.mark.parametrize(
    ("issuer", "claims"),
    [
        (GITHUB, {"repository": "octo-org/orders"}),
        (GITHUB, {"repository_owner": "octo-org", "ref": "refs/heads/main"}),
        (GITHUB, {"ref": "refs/heads/main"}),
        (GITHUB, {"repository": "octo-org/orders", "actor": "octocat"}),
        (GITHUB, {"repository": "octo-org/orders", "head_ref": "main"}),
        (GITHUB, {"repository": "octo-org/orders", "event_name": "push"}),
        (GITHUB, {"sub": "repo:octo-org/orders"}),
        (GITHUB, {"sub": "repo:octo-org/orders:pull_request"}),
        (GITHUB, {"sub": "repo:octo-org/orders:ref:"}),
        (GITHUB, {"sub": "repository_owner:octo-org:ref:refs/heads/main"}),
        (GITHUB, {"sub": [SUB, "repo:octo-org/orders:pull_request"]}),
        (f"{GITHUB}/octo-corp", {"repository": "octo-org/orders"}),
        ("https://github.example.com/_services/token", {"repository": "octo-org/orders"}),
        (GITLAB, {"project_path": "octo/orders"}),
        (GITLAB, {"namespace_path": "octo", "ref": "main", "ref_type": "branch"}),
        (GITLAB, {"project_path": "octo/orders", "ref": "main"}),
        (GITLAB, {"project_path": "octo/orders", "environment": "production"}),
        (GITLAB, {"project_path": "octo/orders", "user_login": "ada"}),
        (CLUSTER, {"client_id": "web"}),
        (CLUSTER, {"repository": "octo-org/orders", "ref": "refs/heads/main"}),
    ],
)
def test_a_rule_that_others_can_meet_is_refused_with_why(issuer, claims):
    member, told = refused({"issuer": issuer, "claims": claims})
    assert member == "federated_credentials"
    assert "the rule is too broad" in told


@pytest.mark.parametrize(
    "subject",
    [
        "spiffe://example.org",
        "spiffe://example.org/",
        "spiffe://example.org.evil.example/nightly",
        "spiffe://other.example/nightly",
        "spiffe://example.org/a/../nightly",
        "spiffe://example.org/a//b",
        ["spiffe://example.org/nightly", "nightly"],
    ],
)
def test_a_workload_of_a_trust_domain_has_a_path(subject):
    given = {"issuer": DOMAIN, "jwks": JWKS}
    check({**given, "claims": {"sub": "spiffe://example.org/ns/shop/sa/nightly"}})
    assert "the rule is too broad" in refused({**given, "claims": {"sub": subject}})[1]
    assert "the rule is too broad" in refused({**given, "claims": {"hint": "nightly"}})[1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": "http://issuer.example"}, "issuer must be an https URL"),
        ({"issuer": "http://127.0.0.1:8000"}, "issuer must be an https URL"),
        ({"issuer": "issuer.example"}, "issuer must be"),
        ({"issuer": "https://user@issuer.example"}, "issuer must be"),
        ({"issuer": "spiffe://example.org/path"}, "issuer must be a trust domain"),
        ({"issuer": "spiffe://EXAMPLE"}, "issuer must be a trust domain"),
        ({"issuer": DOMAIN}, "needs jwks_uri"),
        ({"jwks_uri": "http://127.0.0.1/keys"}, "jwks_uri must be an https URL"),
        ({"jwks_uri": "https://a.example/keys", "jwks": JWKS}, "not both"),
        ({"jwks": {}}, "jwks is a JWK Set"),
        ({"jwks": {"keys": []}}, "jwks holds"),
        ({"jwks": {"keys": [Key.generate("ES256").to_jwk(private=True)]}}, "jwks holds"),
        ({"jwks": {"keys": JWKS["keys"] * 17}}, "jwks holds"),
        ({"claims": {"sub": "system:serviceaccount:shop:*"}}, "compared exactly"),
        ({"claims": {**KUBERNETES["claims"], "aud": "x"}}, "claims names aud"),
    ],
)
def test_a_credential_that_can_not_work_is_refused_by_its_member(changes, told):
    assert told in refused({**KUBERNETES, **changes})[1]


@pytest.mark.parametrize(
    "claims", [{}, {"sub": ""}, {"sub": []}, {"sub": 5}, {"sub": {"a": "b"}}, {"": "x"}]
)
def test_a_rule_is_text_or_a_list_of_texts(claims):
    with pytest.raises(msgspec.ValidationError):
        check({**KUBERNETES, "claims": claims})


def test_credentials_are_bounded():
    with pytest.raises(msgspec.ValidationError):
        check(*[KUBERNETES] * 9)


def test_credentials_and_the_method_go_together():
    assert refused()[0] == "federated_credentials"
    assert refused(KUBERNETES, token_endpoint_auth_method="private_key_jwt")[0] == (
        "federated_credentials"
    )
    check(KUBERNETES, grant_types=[JWT_BEARER])
    told = refused(grant_types=[JWT_BEARER], token_endpoint_auth_method="client_secret_basic")
    assert told[0] == "federated_credentials"


@pytest.mark.parametrize(
    ("claims", "matches"),
    [
        ({}, True),
        ({"ref": "refs/heads/release"}, True),
        ({"ref": "refs/heads/main2"}, False),
        ({"ref": ["refs/heads/main"]}, False),
        ({"ref": None}, False),
        ({"iss": f"{GITHUB}/"}, False),
        ({"iss": [GITHUB]}, False),
        ({"repository": "OCTO-ORG/orders"}, False),
    ],
)
def test_values_are_compared_exactly(claims, matches):
    rule = {"repository": "octo-org/orders", "ref": ("refs/heads/main", "refs/heads/release")}
    credential = FederatedCredential(issuer=GITHUB, claims=rule)
    said = {"iss": GITHUB, "repository": "octo-org/orders", "ref": "refs/heads/main"}
    assert credential.matches({**said, **claims}) is matches


def test_a_trust_domain_is_that_of_the_subject_whatever_the_issuer_is_called():
    credential = FederatedCredential(issuer=DOMAIN, claims={"sub": f"{DOMAIN}/nightly"}, jwks=JWKS)
    assert credential.matches({"sub": f"{DOMAIN}/nightly"})
    assert credential.matches({"sub": f"{DOMAIN}/nightly", "iss": "https://oidc.example.org"})
    assert not credential.matches({"sub": "spiffe://other.example/nightly", "iss": DOMAIN})


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"jwks": JWKS}, "not both"),
        ({"jwks_uri": "http://127.0.0.1/keys"}, "https"),
        ({"jwks_uri": "https://app.example/^"}, "jwks_uri must be"),
        ({"jwks_uri": "https://user@app.example/keys"}, "jwks_uri must be"),
        ({"id_token_encrypted_response_alg": "RSA-OAEP"}, "belongs into jwks"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "private_key_jwt"),
    ],
)
def test_a_client_publishes_its_keys_or_gives_them(members, told):
    given = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://app.example/keys",
        "federated_credentials": [],
    }
    check(**given)
    member, text = refused(**{**given, **members})
    assert (member, told in text) == ("jwks_uri", True), text
