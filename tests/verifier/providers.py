"""What the issuers of the world publish: metadata, keys and tokens, in the shape of each.

A token is good as `claims` and `header` have it; each of `wrong` is such a token with changes (a
claim that is None is left out), and the code with which it is refused.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from carnet import Key, KeySet
from carnet.jose import jws
from carnet.verifier import Issuer

RSA = Key.generate("RS256", size=2048, kid="key-1")
EC = Key.generate("ES256", kid="key-1")
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OTHER_TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "6e74172b-be56-4843-9ff4-e66a39bb12e3"


@dataclass
class Provider:
    """An issuer of the world."""

    issuer: Issuer
    audience: str | None
    claims: dict
    header: dict = field(default_factory=lambda: {"typ": "JWT"})
    key: Key = RSA
    published: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)
    client_id: str | None = None
    roles: tuple = ()
    scopes: frozenset = frozenset()

    def token(self, key=None, header=None, **changes):
        now = int(time.time())
        claims = {"iat": now, "exp": now + 300, **self.claims, **changes}
        said = {name: value for name, value in claims.items() if value is not None}
        return jws.sign(json.dumps(said).encode(), key or self.key, header or self.header)

    def publish(self, internet):
        for address, document in self.published.items():
            internet.publish(address, document)


def jwks(key=RSA, **changes):
    jwk = {**KeySet([key.public]).to_jwks()["keys"][0], "use": "sig", **changes}
    return {"keys": [{name: value for name, value in jwk.items() if value is not None}]}


def metadata(issuer, jwks_uri):
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "authorization_endpoint": f"{issuer}/authorize",
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["public"],
    }


def certificate_of(key):
    authority = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "securetoken")])
    numbers = key.public._material
    assert isinstance(numbers, rsa.RSAPublicKey)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(numbers)
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=9))
        .sign(authority, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


LOGIN = "https://login.microsoftonline.com"


def entra():
    name, keys = f"{LOGIN}/{TENANT}/v2.0", f"{LOGIN}/{TENANT}/discovery/v2.0/keys"
    return Provider(
        Issuer.entra(TENANT),
        "api-of-orders",
        {
            "iss": name,
            "aud": "api-of-orders",
            "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "azp": CLIENT,
            "azpacr": "1",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "tid": TENANT,
            "scp": "Orders.Read Orders.Write",
            "roles": ["ADMIN"],
            "ver": "2.0",
        },
        published={
            f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration": metadata(name, keys),
            keys: {
                "keys": [
                    jwks(alg=None, issuer=name)["keys"][0],
                    {**jwks(alg=None)["keys"][0], "kid": "no-issuer", "n": "AA"},
                ]
            },
        },
        wrong=[
            ("audience_mismatch", {"aud": "another-api"}),
            ("issuer_mismatch", {"iss": f"{LOGIN}/{OTHER_TENANT}/v2.0", "tid": OTHER_TENANT}),
            # An ID token of an app that is client and API at once.
            ("claim_missing", {"azp": None, "scp": None, "nonce": "678910"}),
        ],
        client_id=CLIENT,
        roles=("ADMIN",),
        scopes=frozenset({"Orders.Read", "Orders.Write"}),
    )


def entra_version_1():
    provider = entra()
    changes = {"iss": f"https://sts.windows.net/{TENANT}/", "appid": CLIENT, "ver": "1.0"}
    del provider.claims["azp"]
    provider.claims.update(changes)
    provider.wrong = [("claim_missing", {"appid": None}), ("audience_mismatch", {"aud": CLIENT})]
    return provider


def entra_of_many_tenants():
    provider, name = entra(), f"{LOGIN}/{{tenantid}}/v2.0"
    keys = f"{LOGIN}/organizations/discovery/v2.0/keys"
    personal = f"{LOGIN}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
    document = jwks(alg=None, issuer=name)
    document["keys"] += jwks(EC, alg=None, issuer=personal, kid="personal")["keys"]
    provider.issuer = Issuer.entra("organizations", claims={"tid": [TENANT]})
    provider.published = {
        f"{LOGIN}/organizations/v2.0/.well-known/openid-configuration": metadata(name, keys),
        keys: document,
    }
    provider.wrong = [
        ("issuer_mismatch", {"tid": OTHER_TENANT}),
        ("issuer_mismatch", {"tid": None}),
        ("issuer_mismatch", {"tid": 7}),
        ("claim_mismatch", {"iss": f"{LOGIN}/{OTHER_TENANT}/v2.0", "tid": OTHER_TENANT}),
        ("issuer_mismatch", {"iss": f"https://login.example/{TENANT}/v2.0"}),
    ]
    return provider


def auth0():
    name = "https://acme.eu.auth0.com/"
    return Provider(
        Issuer.auth0("acme.eu.auth0.com"),
        "https://orders.example.com",
        {
            "iss": name,
            "sub": "auth0|6487a",
            "aud": ["https://orders.example.com", f"{name}userinfo"],
            "azp": "my_client",
            "scope": "openid profile read:orders",
            "gty": "password",
            "permissions": ["read:orders", "ADMIN"],
        },
        published={
            f"{name}.well-known/openid-configuration": metadata(
                name, f"{name}.well-known/jwks.json"
            ),
            f"{name}.well-known/jwks.json": jwks(x5t="x"),
        },
        wrong=[
            ("audience_mismatch", {"aud": "my_client"}),
            ("claim_missing", {"azp": None}),
            ("issuer_mismatch", {"iss": "https://acme.eu.auth0.com"}),
        ],
        client_id="my_client",
        roles=("read:orders", "ADMIN"),
        scopes=frozenset({"openid", "profile", "read:orders"}),
    )


def auth0_with_the_rfc_9068_profile():
    provider = auth0()
    provider.header = {"typ": "at+jwt"}
    provider.claims["client_id"] = provider.claims.pop("azp")
    provider.wrong = []
    return provider


def okta():
    name = "https://acme.okta.com/oauth2/default"
    return Provider(
        Issuer.okta("acme.okta.com"),
        "api://default",
        {
            "ver": 1,
            "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "iss": name,
            "aud": "api://default",
            "sub": "ada@example.com",
            "cid": "0oab8eb55Kb9jdMIr5d6",
            "uid": "00ujmkLgagxeRrAg20g3",
            "scp": ["openid", "orders:read"],
            "groups": ["ADMIN", "Everyone"],
        },
        header={},
        published={
            f"{name}/.well-known/oauth-authorization-server": metadata(name, f"{name}/v1/keys"),
            f"{name}/.well-known/openid-configuration": metadata(name, f"{name}/v1/keys"),
            f"{name}/v1/keys": jwks(),
        },
        wrong=[
            ("audience_mismatch", {"aud": "0oab8eb55Kb9jdMIr5d6"}),
            ("claim_missing", {"cid": None}),
            ("issuer_mismatch", {"iss": "https://acme.okta.com"}),
        ],
        client_id="0oab8eb55Kb9jdMIr5d6",
        roles=("ADMIN", "Everyone"),
        scopes=frozenset({"openid", "orders:read"}),
    )


def cognito():
    name = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"
    return Provider(
        Issuer.cognito("eu-central-1_AbCdEf123", "1example23456789"),
        None,
        {
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["ADMIN"],
            "iss": name,
            "version": 2,
            "client_id": "1example23456789",
            "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee1",
            "token_use": "access",
            "scope": "openid orders/read",
            "auth_time": 1_676_312_777,
            "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee2",
            "username": "ada",
        },
        header={},
        published={
            f"{name}/.well-known/openid-configuration": metadata(
                name, f"{name}/.well-known/jwks.json"
            ),
            f"{name}/.well-known/jwks.json": jwks(),
        },
        wrong=[
            ("claim_mismatch", {"client_id": "another"}),
            ("claim_mismatch", {"token_use": "id"}),
            ("claim_missing", {"token_use": None}),
            ("claim_missing", {"client_id": None, "aud": "1example23456789"}),
        ],
        client_id="1example23456789",
        roles=("ADMIN",),
        scopes=frozenset({"openid", "orders/read"}),
    )


def keycloak():
    name = "https://sso.example.com/realms/shop"
    certs = f"{name}/protocol/openid-connect/certs"
    return Provider(
        Issuer.keycloak("https://sso.example.com/", "shop"),
        "orders",
        {
            "jti": "onrtac:1c3c1c9e",
            "iss": name,
            "aud": ["orders", "account"],
            "sub": "f7c1b9e0",
            "typ": "Bearer",
            "azp": "web",
            "sid": "b2b3",
            "realm_access": {"roles": ["ADMIN", "offline_access"]},
            "resource_access": {"orders.api": {"roles": ["CLERK"]}},
            "scope": "openid email",
        },
        published={
            f"{name}/.well-known/openid-configuration": metadata(name, certs),
            certs: {
                "keys": [
                    *jwks(x5c=["MIIC"])["keys"],
                    *jwks(alg="RSA-OAEP", use="enc", kid="enc-1")["keys"],
                ]
            },
        },
        wrong=[
            ("claim_mismatch", {"typ": "ID"}),
            ("claim_mismatch", {"typ": "Refresh"}),
            ("audience_mismatch", {"aud": "account"}),
        ],
        client_id="web",
        roles=("ADMIN", "offline_access"),
        scopes=frozenset({"openid", "email"}),
    )


def keycloak_with_the_roles_of_a_client():
    provider = keycloak()
    provider.issuer = Issuer.keycloak("https://sso.example.com", "shop", client="orders.api")
    provider.roles = ("CLERK",)
    return provider


def google():
    return Provider(
        Issuer.google("1234-abc.apps.googleusercontent.com"),
        None,
        {
            "iss": "accounts.google.com",
            "azp": "1234-abc.apps.googleusercontent.com",
            "aud": "1234-abc.apps.googleusercontent.com",
            "sub": "110169484474386276334",
            "email": "ada@example.com",
            "email_verified": True,
            "hd": "example.com",
        },
        published={
            "https://accounts.google.com/.well-known/openid-configuration": metadata(
                "https://accounts.google.com", "https://www.googleapis.com/oauth2/v3/certs"
            ),
            "https://www.googleapis.com/oauth2/v3/certs": jwks(),
        },
        wrong=[
            ("audience_mismatch", {"aud": "another.apps.googleusercontent.com"}),
            ("issuer_mismatch", {"iss": "https://accounts.google.com/"}),
        ],
        client_id="1234-abc.apps.googleusercontent.com",
    )


def google_by_its_other_name():
    provider = google()
    provider.claims["iss"] = "https://accounts.google.com"
    return provider


def firebase():
    certificates = "https://www.googleapis.com/robot/v1/metadata/x509/"
    return Provider(
        Issuer.firebase("shop-1a2b"),
        None,
        {
            "iss": "https://securetoken.google.com/shop-1a2b",
            "aud": "shop-1a2b",
            "auth_time": 1_676_312_777,
            "user_id": "u1",
            "sub": "u1",
            "roles": ["ADMIN"],
            "firebase": {"identities": {}, "sign_in_provider": "password"},
        },
        published={
            f"{certificates}securetoken@system.gserviceaccount.com": {
                "an-older-key": certificate_of(Key.generate("RS256", size=2048)),
                "key-1": certificate_of(RSA),
            }
        },
        wrong=[
            ("audience_mismatch", {"aud": "another"}),
            ("issuer_mismatch", {"iss": "https://securetoken.google.com/another"}),
            ("claim_missing", {"sub": None}),
        ],
        roles=("ADMIN",),
    )


def github_actions():
    name = "https://token.actions.githubusercontent.com"
    workflow = "octo-org/orders/.github/workflows/deploy.yml@refs/heads/main"
    return Provider(
        Issuer.github_actions("octo-org/orders", claims={"ref": "refs/heads/main"}),
        "https://orders.example.com",
        {
            "jti": "example-id",
            "sub": "repo:octo-org/orders:ref:refs/heads/main",
            "aud": "https://orders.example.com",
            "iss": name,
            "ref": "refs/heads/main",
            "repository": "octo-org/orders",
            "repository_owner": "octo-org",
            "repository_id": "74",
            "run_attempt": "1",
            "workflow_ref": workflow,
        },
        published={f"{name}/.well-known/jwks": jwks()},
        wrong=[
            ("claim_mismatch", {"repository": "mallory/orders"}),
            ("claim_mismatch", {"ref": "refs/pull/7/merge"}),
            ("audience_mismatch", {"aud": "https://github.com/octo-org"}),
        ],
        client_id=workflow,
    )


def gitlab():
    name = "https://gitlab.com"
    return Provider(
        Issuer.gitlab(project="octo-group/orders"),
        "https://orders.example.com",
        {
            "namespace_path": "octo-group",
            "project_path": "octo-group/orders",
            "project_id": "22",
            "pipeline_source": "push",
            "ref_protected": "true",
            "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
            "iss": name,
            "sub": "project_path:octo-group/orders:ref_type:branch:ref:main",
            "aud": "https://orders.example.com",
        },
        published={
            f"{name}/.well-known/openid-configuration": metadata(
                name, f"{name}/oauth/discovery/keys"
            ),
            f"{name}/oauth/discovery/keys": jwks(),
        },
        wrong=[
            ("claim_mismatch", {"project_path": "mallory/orders"}),
            ("audience_mismatch", {"aud": "https://vault.example.com"}),
        ],
        client_id="octo-group/orders",
    )


def kubernetes(token_file=None, ca_file=None):
    return Provider(
        Issuer.kubernetes(bearer_file=token_file, ca_file=ca_file),
        "orders",
        {
            "aud": ["orders"],
            "iss": "https://kubernetes.default.svc.cluster.local",
            "jti": "ea28ed49",
            "kubernetes.io": {
                "namespace": "shop",
                "pod": {"name": "web-1", "uid": "e1"},
                "serviceaccount": {"name": "web", "uid": "14ee3fa4"},
            },
            "nbf": int(time.time()),
            "sub": "system:serviceaccount:shop:web",
        },
        header={},
        published={"https://kubernetes.default.svc/openid/v1/jwks": jwks()},
        wrong=[
            ("audience_mismatch", {"aud": ["https://kubernetes.default.svc.cluster.local"]}),
            ("issuer_mismatch", {"iss": "kubernetes/serviceaccount"}),
        ],
        client_id="web",
    )


def supabase():
    name = "https://abcdefghijklmnop.supabase.co/auth/v1"
    return Provider(
        Issuer.supabase("abcdefghijklmnop"),
        None,
        {
            "iss": name,
            "aud": "authenticated",
            "sub": "123e4567-e89b-12d3-a456-426614174000",
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "s1",
            "email": "ada@example.com",
            "is_anonymous": False,
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"role": "ADMIN"},
        },
        key=EC,
        published={f"{name}/.well-known/jwks.json": jwks(EC)},
        wrong=[
            ("audience_mismatch", {"aud": "anon"}),
            ("issuer_mismatch", {"iss": "supabase"}),
        ],
        roles=("authenticated",),
    )


def clerk():
    name = "https://clerk.example.com"
    return Provider(
        Issuer.clerk("clerk.example.com", "https://app.example.com"),
        None,
        {
            "azp": "https://app.example.com",
            "fva": [0, -1],
            "iss": name,
            "jti": "8e5a",
            "nbf": int(time.time()),
            "o": {"id": "org_2", "rol": "admin", "slg": "acme"},
            "sid": "sess_2",
            "sub": "user_2",
            "v": 2,
        },
        header={"typ": "JWT", "cat": "cl_B7d4PD111AAA"},
        published={f"{name}/.well-known/jwks.json": jwks()},
        wrong=[
            ("claim_mismatch", {"azp": "https://evil.example.com"}),
            ("claim_missing", {"azp": None}),
            ("claim_missing", {"sid": None}),
        ],
        client_id="https://app.example.com",
        roles=("admin",),
    )


PROVIDERS = [
    entra,
    entra_version_1,
    entra_of_many_tenants,
    auth0,
    auth0_with_the_rfc_9068_profile,
    okta,
    cognito,
    keycloak,
    keycloak_with_the_roles_of_a_client,
    google,
    google_by_its_other_name,
    firebase,
    github_actions,
    gitlab,
    kubernetes,
    supabase,
    clerk,
]
