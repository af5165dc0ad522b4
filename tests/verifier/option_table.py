"""What each option, and each need of a route, does to one request: for every adapter and the gate.

A row is an option with a value, a token, and what must come of it: the status, our code, and what
the service is told of roles, scopes and client. A row whose `code` is `CONFIGURATION` is refused
when the service is made.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from carnet import Key, KeySet, Signer
from carnet.jose import jws
from carnet.jwt import UNCHECKED
from carnet.verifier import Issuer, ProtectedResource

CONFIGURATION = "configuration"
# What each path of a service needs: the name of a `require_…`, and its arguments.
NEEDS = {
    "/reports": ("role", ["ADMIN"], {}),
    "/writing": ("scope", ["a:write b"], {}),
    "/signing": ("acr", ["urn:mfa", "urn:passkey"], {}),
    "/paying": ("age", [300], {}),
}
OPENING = Key.generate("ECDH-ES+A256KW")
ADMINS = {"realm_access": {"roles": ["ADMIN"]}}


@dataclass
class Tenant:
    """A type that claims have to fit."""

    sub: str
    tenant: str


@dataclass
class Row:
    """One option, one token, one verdict."""

    option: str
    options: Any
    claims: dict = field(default_factory=dict)
    code: str | None = None
    path: str = "/orders"
    told: dict = field(default_factory=dict)
    header: dict = field(default_factory=lambda: {"typ": "at+jwt"})
    encrypted: bool = False
    demands: dict = field(default_factory=dict)
    challenge: str | None = None

    def settings(self, world):
        found = self.options(world) if callable(self.options) else self.options
        given = {"issuer": world.issuer.url, "audience": "orders", "revocations": "off"}
        if self.option not in FETCHING:
            given["keys"] = keys(world)
        given.update(found)
        return {name: value for name, value in given.items() if value != "not given"}

    def token(self, world):
        issuer = world.issuer
        if self.encrypted:
            signer = Signer(
                issuer.key,
                issuer=issuer.url,
                audience="orders",
                type="at+jwt",
                encrypt_to=OPENING.public,
            )
            return signer.sign({"sub": "ada", "client_id": "c"})
        now = int(time.time())
        base = {"iss": issuer.url, "aud": "orders", "sub": "ada", "iat": now, "exp": now + 300}
        claims = {**base, **self.claims}
        if "signed_in" in claims:
            claims["auth_time"] = now - claims.pop("signed_in")
        if "late" in claims:
            claims["exp"] = now - claims.pop("late")
            claims["iat"] = claims["exp"] - 300
        return jws.sign(json.dumps(claims).encode(), issuer.key, self.header)

    @property
    def status(self):
        return {None: 200, "issuer_unavailable": 503}.get(
            self.code, 403 if self.code in ("role_missing", "scope_missing") else 401
        )


def step_up(name, code, claims, path, asked):
    """Make a row of a sign-in that is not enough."""
    text = "this needs a stronger or a more recent sign-in"
    challenge = (
        f'Bearer error="insufficient_user_authentication", error_description="{text}", {asked}'
    )
    return Row(name, {}, claims, code, path, challenge=challenge)


def told_of(code, error, text, path, asked=""):
    """Make a row of a challenge that names the metadata of the resource."""
    options = {"resource": RESOURCE, "audience": "not given"}
    claims = {"aud": "another" if code == "audience_mismatch" else RESOURCE, "scope": "b"}
    challenge = f'Bearer error="{error}", error_description="{text}", {asked}'
    challenge += f'resource_metadata="{METADATA}"'
    return Row("resource", options, claims, code, path, challenge=challenge)


def ahead():
    return time.time() + 250


def keys(world):
    return KeySet([world.issuer.key.public])


JWT = {"typ": "JWT"}

RESOURCE = "https://orders.example.com/api"
METADATA = "https://orders.example.com/.well-known/oauth-protected-resource/api"
WAYS = 'acr_values="urn:mfa urn:passkey"'
# Where keys are fetched; elsewhere they are given, which is quicker.
FETCHING = {
    *("jwks_uri", "metadata", "algorithms", "headers", "bearer_file", "ca_file", "ssl_context"),
    *("insecure_http", "max_stale", "revocations", "revocations_max_age"),
}

ROWS = [
    Row("issuer", lambda world: {"issuer": Issuer(world.issuer.url, type="JWT")}, header=JWT),
    Row("issuer", {"issuer": Issuer("https://a.example/{}")}, code=CONFIGURATION),
    Row("audience", {"audience": ["x", "orders"]}),
    Row("audience", {"audience": "billing"}, code="audience_mismatch"),
    Row("audience", {"audience": "not given"}, code=CONFIGURATION),
    Row("claims_type", {"claims_type": Tenant}, {"tenant": "a"}),
    Row("claims_type", {"claims_type": Tenant}, code="claim_invalid"),
    Row("claims_type", {"claims_type": Tenant}, code="claim_invalid", path="/reports"),
    Row("roles_claim", {"roles_claim": "realm_access.roles"}, ADMINS, None, "/reports"),
    Row("roles_claim", {"roles_claim": "realm_access.roles"}, ADMINS, told={"roles": ["ADMIN"]}),
    Row(
        "roles_claim",
        {"roles_claim": "realm_access.roles"},
        {"roles": ["ADMIN"]},
        "role_missing",
        "/reports",
    ),
    Row("roles_claim", {"roles_claim": lambda claims: claims["r"]}, code="claim_invalid"),
    Row("roles_claim", {"roles_claim": 7}, code=CONFIGURATION),
    Row("scope_claim", {"scope_claim": "scp"}, {"scp": ["a:write", "b"]}, None, "/writing"),
    Row("scope_claim", {"scope_claim": "scp"}, {"scp": "a:write b"}, None, "/writing"),
    Row("scope_claim", {"scope_claim": "scp"}, {"scp": "b"}, told={"scopes": ["b"]}),
    Row(
        "scope_claim",
        {"scope_claim": "scp"},
        {"scope": "a:write b"},
        "scope_missing",
        "/writing",
    ),
    Row("client_id_claim", {"client_id_claim": ["azp", "cid"]}, {"cid": "w"}, told={"client": "w"}),
    Row("client_id_claim", {"client_id_claim": "azp"}, {"azp": 7}, told={"client": None}),
    Row("client_id_claim", {"client_id_claim": {"azp": 1}}, code=CONFIGURATION),
    Row("type", {"type": "JWT"}, header=JWT),
    Row("type", {"type": ["JWT", "at+jwt"]}, header={}),
    Row("type", {"type": UNCHECKED}, header={"typ": "other"}),
    Row("type", {}, header=JWT, code="type_mismatch"),
    Row("type", {"type": []}, code=CONFIGURATION),
    # What is foreign and odd is refused, or counts as nothing.
    Row("type", {"type": "JWT"}, {"roles": "ADMIN"}, None, header=JWT, told={"roles": []}),
    Row("type", {"type": "JWT"}, {"roles": "ADMIN"}, "role_missing", "/reports", header=JWT),
    Row("type", {"type": "JWT"}, {"client_id": 7, "scope": 7}, header=JWT, told={"client": None}),
    Row("type", {"type": "JWT"}, {"sid": 7, "jti": "x"}, header=JWT, told={"roles": []}),
    Row("type", {"type": "JWT"}, {"roles": [7, "ADMIN"]}, "role_missing", "/reports", header=JWT),
    Row("type", {"type": "JWT"}, {"scope": {"a": 1}}, header=JWT, told={"scopes": []}),
    Row("type", {"type": "JWT"}, {"sub": 7}, "claim_invalid", header=JWT),
    Row("type", {}, {"roles": "ADMIN"}, "claim_invalid"),
    Row("type", {}, {"client_id": 7}, "claim_invalid"),
    Row("claims", {"claims": {"tenant": ["a", "b"]}}, {"tenant": "b"}),
    Row("claims", {"claims": {"tenant": "a"}}, {"tenant": "b"}, "claim_mismatch"),
    Row("claims", {"claims": {"tenant": "a"}}, code="claim_missing"),
    Row("claims", {"claims": ["tenant"]}, code=CONFIGURATION),
    Row("required", {"required": ["tenant"]}, {"tenant": "a"}),
    Row("required", {"required": ["tenant"]}, code="claim_missing"),
    Row("leeway", {"leeway": 60}, {"late": 30}),
    Row("leeway", {}, {"late": 30}, "expired"),
    Row("clock", {"clock": lambda: time.time() - 60}, {"late": 30}),
    Row("cache", {"cache": 0}),
    Row("cache", {"cache": -1}, code=CONFIGURATION),
    Row("keys", lambda world: {"keys": keys(world)}),
    Row("keys", {"keys": Key.generate("ES256", kid="k").public}, code="key_not_found"),
    Row("keys", {"keys": "jwks.json"}, code=CONFIGURATION),
    Row("jwks_uri", lambda world: {"jwks_uri": f"{world.issuer.url}/jwks"}),
    Row("jwks_uri", lambda world: {"jwks_uri": f"{world.dead}/jwks"}, code="issuer_unavailable"),
    Row("metadata", lambda world: {"metadata": f"{world.issuer.url}/meta"}),
    Row("metadata", lambda world: {"metadata": f"{world.dead}/meta"}, code="issuer_unavailable"),
    Row("algorithms", {"algorithms": ["ES256"]}),
    Row("algorithms", {"algorithms": ["RS256"]}, code="issuer_unavailable"),
    Row("algorithms", {"algorithms": ["HS256"]}, code=CONFIGURATION),
    Row("headers", {"headers": {"X-Api-Key": "k"}}, demands={"X-Api-Key": "k"}),
    Row("headers", {}, code="issuer_unavailable", demands={"X-Api-Key": "k"}),
    Row(
        "bearer_file",
        lambda world: {"bearer_file": world.file},
        demands={"Authorization": "Bearer a.token"},
    ),
    Row("bearer_file", {"bearer_file": "/nowhere"}, code=CONFIGURATION),
    Row("ca_file", {"ca_file": "/nowhere"}, code=CONFIGURATION),
    Row("ssl_context", {"ssl_context": True}, code=CONFIGURATION),
    Row(
        "insecure_http",
        lambda world: {
            "jwks_uri": f"{world.issuer.url.replace('127.0.0.1', '0.0.0.0')}/jwks",
            "insecure_http": True,
        },
    ),
    Row(
        "insecure_http",
        lambda world: {"jwks_uri": f"{world.issuer.url.replace('127.0.0.1', '0.0.0.0')}/jwks"},
        code=CONFIGURATION,
    ),
    Row("max_stale", {"max_stale": 60}),
    Row("max_stale", {"max_stale": -1}, code=CONFIGURATION),
    Row("decryption", {"decryption": OPENING}, encrypted=True),
    Row("decryption", {}, encrypted=True, code="malformed"),
    Row("revocations", {"revocations": "required"}),
    Row("revocations", {"revocations": "required"}, {"sid": "ended"}, "revoked"),
    Row("revocations", {"revocations": "sometimes"}, code=CONFIGURATION),
    Row("revocations_max_age", {"revocations": "required", "revocations_max_age": 60}),
    Row("revocations_max_age", {"revocations_max_age": -1}, code=CONFIGURATION),
    Row("resource", {"resource": RESOURCE, "audience": "not given"}, {"aud": RESOURCE}),
    told_of("audience_mismatch", "invalid_token", "the token is for another audience", "/orders"),
    told_of("audience_mismatch", "invalid_token", "the token is for another audience", "/signing"),
    told_of("role_missing", "insufficient_scope", "this needs the role ADMIN", "/reports"),
    told_of(
        "scope_missing",
        "insufficient_scope",
        "this needs the scope a:write b",
        "/writing",
        'scope="a:write b", ',
    ),
    Row("resource", {"resource": ProtectedResource(RESOURCE, scopes_supported=["b"])}),
    Row("resource", {"resource": "http://orders.example.com"}, code=CONFIGURATION),
    Row("resource", {"resource": RESOURCE + "#part"}, code=CONFIGURATION),
    Row("resource", {"resource": ["https://orders.example.com"]}, code=CONFIGURATION),
    Row("role", {}, {"roles": ["USER", "ADMIN"]}, None, "/reports"),
    Row("role", {}, {"roles": ["USER"]}, "role_missing", "/reports"),
    Row("scope", {}, {"scope": "b a:write c"}, None, "/writing"),
    Row("scope", {}, {"scope": "b"}, "scope_missing", "/writing"),
    Row("acr", {}, {"acr": "urn:mfa"}, None, "/signing"),
    Row("acr", {}, {"acr": "urn:passkey"}, None, "/signing"),
    Row("acr", {"type": "JWT"}, {"acr": "urn:mfa"}, None, "/signing", header=JWT),
    step_up("acr", "claim_missing", {}, "/signing", WAYS),
    step_up("acr", "claim_mismatch", {"acr": "urn:pwd"}, "/signing", WAYS),
    step_up("acr", "claim_mismatch", {"acr": "urn:mfa urn:passkey"}, "/signing", WAYS),
    Row("acr", {}, {"acr": ["urn:mfa"]}, "claim_invalid", "/signing"),
    Row("acr", {}, {"acr": None}, "claim_missing", "/signing"),
    Row("acr", {"type": "JWT"}, {"acr": 7}, "claim_missing", "/signing", header=JWT),
    Row("age", {}, {"signed_in": 200}, None, "/paying"),
    Row("age", {"type": "JWT"}, {"signed_in": 200}, None, "/paying", header=JWT),
    Row("age", {}, {"signed_in": -30}, None, "/paying"),
    step_up("age", "too_old", {"signed_in": 400}, "/paying", 'max_age="300"'),
    step_up("age", "claim_missing", {}, "/paying", 'max_age="300"'),
    step_up("age", "not_yet_valid", {"signed_in": -400}, "/paying", 'max_age="300"'),
    step_up("age", "not_yet_valid", {"auth_time": 10**400}, "/paying", 'max_age="300"'),
    step_up("age", "too_old", {"auth_time": -(10**400)}, "/paying", 'max_age="300"'),
    Row("age", {}, {"auth_time": "200"}, "claim_invalid", "/paying"),
    Row("age", {}, {"auth_time": True}, "claim_invalid", "/paying"),
    Row("age", {"type": "JWT"}, {"auth_time": True}, "claim_missing", "/paying", header=JWT),
    # Time is what the verifier's clock says.
    Row("age", {"clock": ahead}, {"signed_in": 200}, "too_old", "/paying"),
    Row(
        "age", {"clock": ahead, "type": "JWT"}, {"signed_in": 200}, "too_old", "/paying", header=JWT
    ),
]
