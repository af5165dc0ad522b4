"""Clients of all kinds with a running server, and what a client of DPoP does."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from types import SimpleNamespace

import pytest

from carnet import Key
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.service import open_service
from carnet.server.sessions.sessions import NewSession
from carnet.server.settings import Settings

MACHINE = ("client_credentials",)
CALLBACK = ("https://app.example.com/callback",)


class Prover:
    """Somebody who holds a key, and makes proofs of that (RFC 9449 section 4.2)."""

    def __init__(self, alg="ES256"):
        self.key = Key.generate(alg)
        self.thumbprint = self.key.public.thumbprint()

    def proof(self, url, method="POST", token=None, header=None, **claims):
        said = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_hex(8)}
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            said["ath"] = b64url_encode(digest)
        said = {name: value for name, value in {**said, **claims}.items() if value is not None}
        jwk = self.key.public.to_jwk()
        head = {"typ": "dpop+jwt", "jwk": jwk, **(header or {})}
        return jws.sign(json_encode(said), self.key, head)

    def ask(self, server, form, **more):
        """Ask for tokens, again with the server's nonce."""
        url = f"{server.url}/token"
        first = server.client.post("/token", data=form, headers={"DPoP": self.proof(url)}, **more)
        assert first.json()["error"] == "use_dpop_nonce"
        nonce = first.headers["dpop-nonce"]
        proof = self.proof(url, nonce=nonce)
        return server.client.post("/token", data=form, headers={"DPoP": proof}, **more)


@pytest.fixture
def oauth(start, add_user, tmp_path):
    """A server with a client of every kind: `oauth.job` is (client_id, client_secret)."""
    password = "a-long-enough-password"
    add_user(password=password, roles=("carnet:admin",))
    made = SimpleNamespace(key=Key.generate("ES256"), service_key=Key.generate("ECDH-ES+A256KW"))

    async def prepare():
        settings = Settings(data=str(tmp_path / "data"), audiences=("orders", "billing"))
        async with open_service(settings) as service:

            async def add(name, **members):
                metadata = ClientMetadata(client_name=name, **members)
                client, secret = await service.registry.add_client(metadata, OPERATOR)
                setattr(made, name, (client.id, secret))
                return client.id

            await service.registry.add_resource(
                "invoices", ResourceMetadata(scopes=("invoices:read",)), OPERATOR
            )
            await service.registry.add_resource(
                "vault",
                ResourceMetadata(encryption_key=made.service_key.public.to_jwk()),
                OPERATOR,
            )
            scope = "orders:read orders:write invoices:read"
            await add(
                "job", grant_types=MACHINE, scope=scope, resources=("orders", "invoices", "vault")
            )
            await add(
                "poster",
                grant_types=MACHINE,
                token_endpoint_auth_method="client_secret_post",
            )
            await add(
                "signer",
                grant_types=MACHINE,
                scope=scope,
                token_endpoint_auth_method="private_key_jwt",
                jwks={"keys": [made.key.public.to_jwk()]},
            )
            await add("keyed", grant_types=MACHINE, jwks={"keys": [made.key.public.to_jwk()]})
            await add("bound", grant_types=MACHINE, dpop_bound_access_tokens=True)
            await add("orders", grant_types=MACHINE, introspects=("orders",))
            web = await add("web", redirect_uris=CALLBACK, scope=scope)
            app = await add(
                "app",
                redirect_uris=("com.example.app:/callback",),
                scope=scope,
                token_endpoint_auth_method="none",
            )
            prover = made.prover = Prover()
            account = await service.accounts.authenticate("alice", password)

            async def begin(client_id, **more):
                wanted = NewSession(client_id, "orders", "orders:read orders:write", **more)
                return (await service.sessions.begin(account, wanted)).refresh_token

            made.web_token, made.other_web_token = await begin(web), await begin(web)
            made.app_token = await begin(app, key_thumbprint=prover.thumbprint)

    asyncio.run(prepare())
    made.server = start("--refresh-grace", "1")

    def ask(auth=None, path="/token", **form):
        return made.server.client.post(path, data=form, auth=auth)

    made.ask = ask
    made.machine = lambda auth, **form: ask(auth, grant_type="client_credentials", **form)
    return made
