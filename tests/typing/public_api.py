"""Checked by mypy --strict as a user's code would be; never run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_type

from fastapi import APIRouter
from fastapi import Request as FastAPIRequest
from fastapi.security import SecurityScopes
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import Response

from carnet import (
    UNCHECKED,
    Claims,
    Inspection,
    Key,
    KeySet,
    Signer,
    VerifiedToken,
    Verifier,
    inspect,
)
from carnet.jose import jwe, jws
from carnet.testing import Override, TestIssuer
from carnet.verifier import (
    AccessTokenVerifier,
    AsyncAccessTokenVerifier,
    Issuer,
    ProtectedResource,
)
from carnet.verifier import asgi as for_asgi
from carnet.verifier import fastapi as for_fastapi
from carnet.verifier import grpc as for_grpc
from carnet.verifier import starlette as for_starlette
from carnet.verifier import wsgi as for_wsgi


@dataclass
class Ticket:
    sub: str
    exp: int


key = Key.generate("ES256")
Key.generate("ES257")  # type: ignore[arg-type]  # no such algorithm: the checker says so
Key.from_secret(b"", "HS255")  # type: ignore[arg-type]
Key.from_jwk("{}", alg="RS255")  # type: ignore[arg-type]
Key.from_pem("", "RS255")  # type: ignore[arg-type]
assert_type(key.alg, str)
key.kid = "other"  # type: ignore[misc]  # a key is never changed
signer = Signer(key, issuer="a", audience=["b"], lifetime=timedelta(minutes=5))
token = assert_type(signer.sign({"sub": "x"}), str)

verifier = Verifier(KeySet([key.public]), issuer=["a"], audience=UNCHECKED)
claims = assert_type(verifier.verify(token), Claims)
assert_type(claims.subject, str | None)
assert_type(claims.roles, tuple[str, ...])

typed = Verifier(key.public, issuer="a", audience="b", claims_type=Ticket)
assert_type(typed.verify(token), Ticket)

assert_type(Key.from_openssh("", "RS256"), Key)
assert_type(Key.from_certificates(["", b""], roots=b"", at=datetime.now(UTC)), Key)
assert_type(key.with_certificates([b""]).certificates, tuple[bytes, ...])
Key.from_certificates([b""], at=datetime.now(UTC))  # type: ignore[call-arg]  # roots are named
assert_type(key.to_der(private=True, password=bytearray(b"x")), bytes)
whole = assert_type(verifier.verify_complete(token), VerifiedToken[Claims])
assert_type(whole.claims.subject, str | None)
assert_type(whole.key, Key)
assert_type(typed.verify_complete(token), VerifiedToken[Ticket])
keys = {"a": key}
of_all_kinds = Verifier(
    lambda header: keys.get(header["kid"]),
    issuer="a",
    audience="b",
    leeway={"exp": 5, "nbf": timedelta(seconds=9)},
    claims={"token_use": ["access"], ("a", "b"): 1},
    validators=[lambda said: said.subject == "x"],
    accept_expired=True,
    extensions={"tenant": lambda value: value == "t1"},
)
assert_type(of_all_kinds.verify(bytearray(token.encode())), Claims)
Verifier(key, issuer="a", audience="b", accept_expired="yes")  # type: ignore[call-overload]
jws.sign_json(b"x", [key, jws.Signatory(key, {"role": "author"})])
jwe.encrypt_json(memoryview(b"x"), jwe.Recipient(key, {"name": "ada"}))
jws.sign_json(b"x", jwe.Recipient(key))  # type: ignore[arg-type]  # a recipient signs nothing

assert_type(inspect(token), Inspection)
assert_type(jws.verify(jws.sign(b"payload", key), key.public).payload, bytes)
secret = Key.generate("A256KW")
assert_type(jwe.decrypt(jwe.encrypt(b"text", secret), secret).plaintext, bytes)

jwe.encrypt(b"text", secret, enc="A256GSM")  # type: ignore[arg-type]
jwe.encrypt(b"text", secret, enc="A256KW")  # type: ignore[arg-type]  # it wraps keys, no text
jwe.encrypt(b"text", secret, enc="A128CBC-HS256", zip="DEFLATE")  # type: ignore[arg-type]
jwe.encrypt_json(b"text", [secret], enc="HS256")  # type: ignore[arg-type]
jwe.decrypt("", secret, allow_weak=["RSA1.5"])  # type: ignore[list-item]
Signer(key, issuer="a", encrypt_to=secret, enc="A256")  # type: ignore[arg-type]
Signer("secret", issuer="a")  # type: ignore[arg-type]  # a key, and no text that is one
Verifier("secret", issuer="a", audience="b")  # type: ignore[call-overload]
Verifier(key, issuer="a")  # type: ignore[call-overload]  # an audience is named, or UNCHECKED
KeySet.from_jwks({"keys": []}, algorithms=["RS256", "ES256"])
KeySet.from_jwks({"keys": []}, algorithms=["RS265"])  # type: ignore[list-item]
AccessTokenVerifier("https://a.example", "b", algorithms=["RS265"])  # type: ignore[list-item]
AccessTokenVerifier("https://a.example", "b", revocations="on")  # type: ignore[arg-type]
Issuer("https://a.example", algorithms=["none"])  # type: ignore[list-item]

trusting = AccessTokenVerifier("https://auth.example.com", "orders", revocations="required")
assert_type(trusting.verify(token), Claims)
into = AsyncAccessTokenVerifier("https://auth.example.com", "orders", claims_type=Ticket)

of_the_world = AccessTokenVerifier(
    [
        "https://auth.example.com",
        Issuer.keycloak("https://sso.example.com", "shop", claims={"azp": ["web", "app"]}),
        Issuer("https://a.example/{tid}", metadata="https://a.example/metadata", type=UNCHECKED),
    ],
    "orders",
    roles_claim=["groups", ("resource_access", "a.b", "roles")],
    client_id_claim=lambda said: said["client"],
    type=["JWT", "at+jwt"],
)
assert_type(of_the_world.verify(token), Claims)


async def check() -> Ticket:
    return assert_type(await into.verify(token), Ticket)


plain = for_fastapi.Bearer(issuer="https://auth.example.com", audience="orders")
into_ticket = for_fastapi.Bearer("https://auth.example.com", "orders", claims_type=Ticket)


async def depend(request: FastAPIRequest, scopes: SecurityScopes) -> None:
    assert_type(await plain(request, scopes), Claims)
    assert_type(await plain.require_role("ADMIN")(request, scopes), Claims)
    assert_type(await into_ticket.require_scope("a")(request, scopes), Ticket)


@for_starlette.require_scope("a")
async def endpoint(request: Request) -> Response:
    assert isinstance(request.user, for_starlette.StarletteUser)
    return Response(assert_type(request.user.claims, Claims).subject)


backend = for_starlette.BearerBackend("https://auth.example.com", "orders")
app = Starlette(
    middleware=[
        Middleware(AuthenticationMiddleware, backend=backend, on_error=for_starlette.on_error)
    ]
)
wrapped = for_asgi.BearerMiddleware(app, "https://auth.example.com", "orders", exempt=["/health"])
for_fastapi.Bearer(Issuer.google("client"))
tools = ProtectedResource("https://mcp.example.com/mcp", scopes_supported=["tools:read"])
published = for_fastapi.Bearer("https://auth.example.com", resource=tools)
assert_type(published.metadata, APIRouter)
for_asgi.BearerMiddleware(app, "https://auth.example.com", resource="https://mcp.example.com/mcp")
assert_type(for_grpc.current_claims(), Claims)
for_wsgi.BearerMiddleware(lambda _, start: [], "https://auth.example.com", "orders", leeway=3)

issuer = TestIssuer("https://auth.example.com", audience="orders")
assert_type(issuer.token("alice", roles=["ADMIN"], expired=True, key="unknown"), str)
assert_type(issuer.headers(scope="orders:read", claims={"tenant": 1}), dict[str, str])
assert_type(issuer.override(trusting), Override)
issuer.headers(role="ADMIN")  # type: ignore[call-arg]  # it is roles
issuer.token(key="other")  # type: ignore[arg-type]
issuer.clock.advance(301)
