"""Workloads and the issuers of their tokens, in the shape of those that are found in the world."""

from __future__ import annotations

import json

import msgspec
from tests.verifier import providers

from carnet import Key
from carnet.jose import jws
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
DOMAIN = "spiffe://example.org"
WORKLOAD = f"{DOMAIN}/ns/shop/sa/nightly"
BY_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BY_SVID = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
ISSUER = "https://auth.example.com"


class Workload:
    """Something that has a token of an issuer, whose keys are published at a stranger's server.

    Args:
        there: the server.
        issuer: what the issuer is called.
        claims: what stands in its tokens, besides the times and the audience.
        rule: what a client's credential says of it.
        header: what stands in their headers.
        lifetime: seconds.
        key: the issuer's.
    """

    def __init__(self, there, issuer, claims, rule, header=None, lifetime=300, key=None):
        self.there = there
        self.issuer = issuer
        self.claims = claims
        self.header = {"typ": "JWT"} if header is None else header
        self.lifetime = lifetime
        self.key = key or Key.generate("ES256", kid="key-1")
        self.credential = {"issuer": issuer, "claims": rule, "jwks_uri": f"{there.url}/keys"}
        self.publish(self.key)

    def publish(self, *keys):
        members = [{**key.public.to_jwk(), **self.published} for key in keys]
        members = [{name: m[name] for name in m if m[name] is not None} for m in members]
        self.there.put("/keys", json.dumps({"keys": members}).encode())

    @property
    def published(self):
        return {"use": "jwt-svid", "alg": None} if self.issuer == DOMAIN else {}

    def token(self, clock, key=None, header=None, **changes):
        """Make a token, with changes; a claim that is None is left out."""
        now = clock() // 1_000_000
        times = {"iat": now, "exp": now + self.lifetime}
        claims = {"aud": ISSUER, **times, **self.claims, **changes}
        said = {name: value for name, value in claims.items() if value is not None}
        return jws.sign(json.dumps(said).encode(), key or self.key, header or self.header)


def github(there, key=None):
    claims = {**providers.github_actions().claims}
    del claims["aud"]
    rule = {"repository": "octo-org/orders", "ref": "refs/heads/main"}
    return Workload(there, GITHUB, claims, rule, key=key or providers.RSA)


def gitlab(there):
    claims = {**providers.gitlab().claims, "ref": "main", "ref_type": "branch"}
    del claims["aud"]
    return Workload(there, GITLAB, claims, {"sub": claims["sub"]}, key=providers.RSA)


def kubernetes(there):
    """A service account with a projected token: no typ, a list of audiences, 3607 seconds."""
    claims = {**providers.kubernetes().claims, "aud": [ISSUER], "nbf": None}
    rule = {"sub": "system:serviceaccount:shop:web"}
    return Workload(there, CLUSTER, claims, rule, {}, 3607, providers.RSA)


def spiffe(there):
    """A workload with a JWT-SVID, in which neither iss nor jti stands."""
    claims = {"sub": WORKLOAD, "aud": [ISSUER]}
    return Workload(there, DOMAIN, claims, {"sub": WORKLOAD}, {"typ": "JOSE"})


async def trusting(service, workload, client_id="nightly", **more):
    """Register a client that proves itself with the tokens of a workload."""
    given = {
        "redirect_uris": (),
        "grant_types": ("client_credentials",),
        "resources": ("orders",),
        "token_endpoint_auth_method": "federated_jwt",
        "federated_credentials": (workload.credential,),
        **more,
    }
    metadata = msgspec.convert(given, ClientMetadata, strict=False)
    await service.registry.add_client(metadata, OPERATOR, client_id)


ALL = {"github": github, "gitlab": gitlab, "kubernetes": kubernetes, "spiffe": spiffe}
