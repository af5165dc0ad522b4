"""The service's application in this process, asked as uvicorn would ask it, with any bytes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode

from tests.server.conftest import PASSWORD

from carnet.server.app import ROUTES, build_app
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import DEVICE_CODE, ClientMetadata
from carnet.server.provider_settings import ProviderSettings
from carnet.server.service import open_service
from carnet.server.settings import Settings

ISSUER = "https://auth.example.com"
CALLBACK = "https://app.example/callback"
VERIFIER = "v" * 43
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")
# What is off unless it is switched on.
EVERYTHING = {
    "sign_up": True,
    "sign_in_by_mail": True,
    "device_bound_sessions": True,
    "client_registration": "open",
    "smtp_host": "127.0.0.1",
    "smtp_port": 1,
    "smtp_security": "none",
    "mail_from": "no-reply@example.com",
    # At an address that nobody is let connect to.
    "providers": {"x": ProviderSettings(client_id="x", issuer="https://192.0.2.1")},
}
# What a browser sends with a form of one of the service's own pages.
OWN_PAGE = [
    (b"accept", b"text/html"),
    (b"origin", ISSUER.encode()),
    (b"sec-fetch-site", b"same-origin"),
]


@dataclass
class Answer:
    """What the application has answered, and what it has raised."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    error: Exception | None = None

    def json(self):
        return json.loads(self.body)


async def ask(app, method, path, *, query=b"", headers=(), body=b"", receive=None):
    """Send a request; of an answer without end, the beginning is read."""
    target = path.encode("latin-1") if isinstance(path, str) else path
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8400),
        "client": ("192.0.2.1", 50000),
        "scheme": "http",
        "root_path": "",
        "method": method,
        "path": unquote(target.decode("ascii")),
        "raw_path": target,
        "query_string": query,
        "headers": [(b"host", b"auth.example.com"), *headers],
        "state": {},
    }
    answer, told, over = Answer(), [body], asyncio.Event()

    async def receive_body():
        if told:
            return {"type": "http.request", "body": told.pop(), "more_body": False}
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
        else:
            answer.body += message.get("body", b"")
            if answer.body or not message.get("more_body", False):
                over.set()

    try:
        await app(scope, receive or receive_body, send)
    except Exception as error:
        answer.error = error
    return answer


@dataclass
class Asked:
    """The application of an open service, and who may ask it."""

    service: object
    app: object
    bearer: list[tuple[bytes, bytes]]
    cookie: list[tuple[bytes, bytes]]

    async def __call__(self, *arguments, **more):
        return await ask(self.app, *arguments, **more)


@asynccontextmanager
async def opened(data, engine="", issuer=ISSUER, **settings):
    """Open a service with an administrator, alice, who is signed in as a program and a browser."""
    given = Settings(
        data=str(data), database=engine, issuer=issuer, audiences=("orders",), **settings
    )
    async with open_service(given) as service:
        app = build_app(service)
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        metadata = ClientMetadata(
            client_name="The App",
            redirect_uris=(CALLBACK,),
            grant_types=("authorization_code", "refresh_token", DEVICE_CODE),
            token_endpoint_auth_method="none",
            scope="openid",
        )
        await service.registry.add_client(metadata, OPERATOR, "app")
        await service.background.follow()
        own = {"username": "alice", "password": PASSWORD, "resource": issuer}
        said = json.dumps(own).encode()
        signed_in = await ask(app, "POST", "/sessions", headers=[JSON], body=said)
        bearer = [(b"authorization", b"Bearer " + signed_in.json()["access_token"].encode())]
        form = urlencode({"username": "alice", "password": PASSWORD}).encode()
        page = await ask(app, "POST", "/sign-in", headers=[FORM, *OWN_PAGE], body=form)
        given = [value.partition(b";")[0] for name, value in page.headers if name == b"set-cookie"]
        cookie = b"; ".join(given)
        yield Asked(service, app, bearer, [(b"cookie", cookie), *OWN_PAGE])


def routes():
    """Give the method and the path of everything that the application answers."""
    found = [
        (method, route.path)
        for route in ROUTES
        for method in sorted(route.methods or {"GET"})
        if method != "HEAD"
    ]
    assert len(found) > 60
    return found


def with_names(path, value=b"x"):
    """Put a text, percent-encoded, where a path has names."""
    parts = re.split(r"\{[^}]+\}", path)
    return value.decode("latin-1").join(parts)


def challenge():
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


# Requests that are good but for one parameter: what is wrong late is met, too.
GOOD_FORMS = {
    "/token": [
        {
            "grant_type": "authorization_code",
            "code": "x",
            "code_verifier": VERIFIER,
            "client_id": "app",
            "redirect_uri": CALLBACK,
            "resource": "orders",
            "expires_in": "60",
        },
        {
            "grant_type": "refresh_token",
            "refresh_token": "x",
            "scope": "openid",
            "client_id": "app",
            "resource": "orders",
            "expires_in": "60",
        },
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": "x",
            "client_id": "app",
            "resource": "orders",
            "expires_in": "60",
        },
        {"grant_type": "client_credentials", "client_id": "app", "client_secret": "x"},
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "client_id": "agent",
            "client_secret": "x",
            "subject_token": "x",
            "subject_token_type": ACCESS_TOKEN,
            "actor_token": "x",
            "actor_token_type": ACCESS_TOKEN,
            "requested_token_type": ACCESS_TOKEN,
            "resource": "billing",
            "scope": "x",
            "expires_in": "60",
        },
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "client_id": "agent",
            "client_secret": "x",
            "subject_token": "x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "audience": "https://other.example",
            "resource": "https://other.example/api",
            "scope": "x",
        },
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "client_id": "agent",
            "client_secret": "x",
            "assertion": "x",
            "resource": "billing",
            "scope": "x",
            "expires_in": "60",
        },
        {
            "grant_type": "client_credentials",
            "client_assertion": "x",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        },
        {
            "grant_type": "client_credentials",
            "client_id": "app",
            "client_assertion": "x",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe",
        },
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": "x",
            "scope": "x",
            "expires_in": "60",
        },
    ],
    "/device_authorization": [{"client_id": "app", "scope": "openid", "resource": "orders"}],
    "/par": [{"client_id": "app", "scope": "openid", "response_type": "code", "state": "s"}],
    "/device": [{"user_code": "WDJB-MJHT"}],
    "/device/decision": [{"user_code": "WDJB-MJHT", "account": "x", "decision": "allow"}],
    "/introspection": [{"token": "x", "client_id": "app", "client_secret": "x"}],
    "/revocation": [{"token": "x", "client_id": "app", "token_type_hint": "x"}],
    "/authorize": [
        {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": "x",
            "nonce": "x",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": "1",
            "login_hint": "alice",
            "id_token_hint": "x",
            "dpop_jkt": challenge(),
            "resource": "orders",
            "ui_locales": "de",
            "reauthenticated_since": "x",
        }
    ],
    "/logout": [
        {
            "id_token_hint": "x",
            "client_id": "app",
            "post_logout_redirect_uri": CALLBACK,
            "state": "x",
            "logout_hint": "x",
        }
    ],
    "/sign-in": [{"username": "alice", "password": "x", "continue": "/me", "login_hint": "x"}],
    "/sign-in/with": [{"provider": "x", "continue": "/me"}],
    "/sign-in/with/{name}/callback": [{"state": "x", "code": "x", "iss": "x", "error": "x"}],
    "/sign-in/with/{name}/logout": [{"logout_token": "e30.e30.x"}],
    "/sign-in/name": [{"username": "alice", "continue": "/me"}],
    "/sign-in/existing-account": [{"x": "y"}],
    "/admin/providers/{name}": [{"rules": "x", "sample": "{}"}],
    "/sign-in/new-account": [{"username": "carol"}],
    "/me/providers/connect": [{"provider": "x"}],
    "/me/providers/disconnect": [{"issuer": "x", "subject": "x"}],
    "/sign-up": [{"username": "carol", "new_password": "x", "continue": "/me"}],
    "/forgot-password": [{"username": "alice", "login_hint": "x"}],
    "/sign-in/mail": [{"username": "alice", "continue": "/me"}],
    "/sign-in/mail/code": [{"state": "x", "code": "12345678", "continue": "/me"}],
    "/link/{purpose}": [{"secret": "x", "new_password": "x"}],
    "/me": [{"done": "x"}],
    "/me/emails": [{"done": "x"}],
    "/me/emails/new": [{"email": "carol@example.com"}],
    "/me/emails/confirm": [{"email": "carol@example.com", "code": "12345678"}],
    "/me/emails/primary": [{"email": "carol@example.com"}],
    "/me/emails/remove": [{"email": "carol@example.com"}],
    "/me/password": [{"current_password": "x", "new_password": "x"}],
    "/me/sessions/end": [{"id": "x"}],
    "/me/applications/disconnect": [{"id": "x"}],
    "/me/agents/stop": [{"id": "x"}],
    "/admin/revocations": [{"after": "1"}],
    "/admin/audit": [
        {
            "event": "key_created",
            "account": "alice",
            "since": "2026-01-01",
            "until": "2026-12-31",
            "before": "1",
            "after_id": "x",
        }
    ],
    "/admin/audit/export.{format}": [{"account": "alice"}],
    "/admin/users": [{"search": "x", "after": "x"}],
    "/admin/search": [{"q": "x"}],
    "/accounts": [{"after": "x"}],
    "/sessions": [{"keep": "current"}],
    "/admin/users/{account_id}/{change}": [{"roles": "x", "claims": "{}", "password": "x"}],
    "/admin/users/{account_id}/merge": [{"into": "alice", "digest": "x"}],
    "/admin/users/{account_id}/email": [{"email": "carol@example.com"}],
    "/accounts/{name}/merge": [{"into": "x"}],
    "/accounts/{name}/emails": [{"email": "carol@example.com"}],
    "/accounts/{name}/identities": [{"issuer": "https://idp.example", "subject": "x"}],
    "/authorize/decision": [{"request": "client_id=app", "account": "x", "decision": "allow"}],
    "/logout/decision": [{"request": "client_id=app"}],
}
ANY_FORM = [
    dict.fromkeys(
        (
            *("id", "username", "password", "new_password", "continue", "done", "search", "after"),
            *("roles", "claims", "audience", "scopes", "kind", "client_name", "redirect_uris"),
            *(
                "issuer",
                "subject",
                "resources",
                "scope",
                "request",
                "account",
                "decision",
                "alg",
                "web",
                "v",
            ),
        ),
        "x",
    )
]

GOOD_DOCUMENTS = {
    ("POST", "/registration"): {
        "client_name": "Agent",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "web",
        "scope": "openid",
        "jwks": None,
        "dpop_bound_access_tokens": False,
        "id_token_encrypted_response_alg": None,
        "id_token_encrypted_response_enc": "A128GCM",
    },
    ("POST", "/sessions"): {
        "username": "alice",
        "password": "x",
        "resource": "orders",
        "expires_in": 60,
    },
    ("POST", "/account/password"): {"current_password": "x", "new_password": "x"},
    ("POST", "/clients"): {
        "client_name": "Other",
        "client_id": "other",
        "redirect_uris": [CALLBACK],
        "scope": "x",
        "resources": ["orders"],
        "contacts": ["x"],
    },
    ("PUT", "/clients/{name:path}"): {"client_name": "Other", "redirect_uris": [CALLBACK]},
    ("POST", "/resources"): {"audience": "x", "scopes": ["x"], "access_token_lifetime": 60},
    ("PUT", "/resources/{name:path}"): {"scopes": ["x"]},
    ("POST", "/accounts"): {
        "username": "carol",
        "password": PASSWORD,
        "roles": ["x"],
        "claims": {"a": 1},
    },
    ("POST", "/accounts/{name}/identities"): {"issuer": "https://idp.example", "subject": "x"},
    ("POST", "/scim/v2/Users"): {"userName": "dan"},
    ("PATCH", "/accounts/{name}"): {
        "username": "carol",
        "roles": ["x"],
        "claims": {"a": 1},
        "disabled": True,
    },
    ("POST", "/accounts/{name}/merge"): {"into": "x", "digest": "x"},
}
