"""Providers on loopback that do what they are told to, right or wrong, and who visits them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.server.inside import Inside
from tests.server.strangers import Stranger

from carnet import Key
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.server.provider_settings import ProviderSettings

ISSUER = "https://auth.example"
CLIENT_ID, SECRET = "carnet-at-the-provider", "a+secret/with=signs"
SUBJECT = "248289761001"
KEY = Key.generate("ES256", kid="up")


def answer(content, status=200):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


class Imitation(Stranger):
    """Answers like a provider: of OpenID Connect, or like GitHub.

    Attributes:
        metadata: members of its metadata that are other than usual.
        tokens: claims of its ID tokens that are other than usual; ... leaves one out.
        pages: answers that are other than usual, by path.
        asked: the forms that its token endpoint was sent, with the headers.
        visitor: claims of whoever comes with a browser, and is sent back at once.
        lasting: whether it gives refresh tokens; each is good once.
        refresh_tokens: those that are good, and whose they are.
        revoked: those that it was told are not needed any more.
    """

    def __init__(self, folder, **more):
        self.metadata, self.tokens, self.asked, self.codes = {}, {}, [], {}
        self.user_info, self.visitor = {}, {}
        self.lasting, self.refresh_tokens, self.revoked = False, {}, []
        self.emails = [
            {"email": "spam@example.com", "primary": False, "verified": True},
            {"email": "octo@example.com", "primary": True, "verified": True},
        ]
        self.signing_key = KEY
        self.clock = None
        super().__init__(folder, **more)
        self.answer = None

    def sign_in(self, address, subject=SUBJECT, **claims):
        """Sign somebody in who was sent to an address, and give the address that they return to."""
        given = dict(parse_qsl(urlsplit(address).query))
        code = secrets.token_hex(8)
        self.codes[code] = given, {"sub": subject, **claims}
        answer = {"code": code, "state": given["state"]}
        if self.metadata.get("authorization_response_iss_parameter_supported"):
            answer["iss"] = self.url
        return f"{given['redirect_uri']}?{urlencode(answer)}"

    def id_token(self, given, claims, key=None, header=None):
        now = self.clock() // 1_000_000
        said = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": given.get("nonce"),
            **claims,
            **self.tokens,
        }
        said = {name: value for name, value in said.items() if value is not ...}
        return jws.sign(json_encode(said), key or self.signing_key, header or {})

    def logout_token(self, **claims):
        now = self.clock() // 1_000_000
        said = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "jti": secrets.token_hex(8),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not ...}
        return jws.sign(json_encode(said), self.signing_key, {"typ": "logout+jwt"})

    def _converse(self, connection):
        try:
            with connection, self._context.wrap_socket(connection, server_side=True) as inner:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += inner.recv(4096) or b"\r\n\r\n"
                head, _, body = data.partition(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (one.partition(": ") for one in lines)
                }
                while len(body) < int(headers.get("content-length", 0)):
                    body += inner.recv(4096)
                self.requests.append(lines[0])
                inner.sendall(self._respond(lines[0].split()[1], headers, body))
        except OSError:
            pass

    def _respond(self, path, headers, body):
        if path in self.pages:
            page = self.pages[path]
            return page() if callable(page) else page
        if path.startswith("/authorize?"):
            back = self.sign_in(f"{self.url}{path}", **self.visitor)
            head = f"HTTP/1.1 302 Found\r\nLocation: {back}\r\nContent-Length: 0\r\n"
            return f"{head}Connection: close\r\n\r\n".encode()
        if path in ("/token", "/login/oauth/access_token"):
            return self._token(dict(parse_qsl(body.decode())), headers)
        if path == "/revoke":
            basic_of(headers)
            self.revoked.append(dict(parse_qsl(body.decode()))["token"])
            return answer(b"")
        return {
            "/.well-known/openid-configuration": lambda: answer(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/keys",
                    "userinfo_endpoint": f"{self.url}/userinfo",
                    **self.metadata,
                }
            ),
            "/keys": lambda: answer({"keys": [KEY.public.to_jwk()]}),
            "/userinfo": lambda: answer({"sub": SUBJECT, **self.user_info}),
            "/api/v3/user": lambda: self._user(headers),
            "/api/v3/user/emails": lambda: answer(self.emails),
        }.get(path, lambda: answer({}, 404))()

    def _token(self, form, headers):
        self.asked.append((form, headers))
        refused = {"error": "bad_verification_code", "error_description": "the code is not good"}
        if form.get("grant_type") == "refresh_token":
            claims = self.refresh_tokens.pop(form["refresh_token"], None)
            if claims is None:
                return answer({"error": "invalid_grant"}, 400)
            tokens = {"access_token": "x", "token_type": "bearer", **self._refresh_token(claims)}
            return answer({**tokens, "id_token": self.id_token({}, claims)})
        given, claims = self.codes.pop(form.get("code"), (None, None))
        if given is None or form["redirect_uri"] != given["redirect_uri"]:
            return answer(refused)
        if "code_challenge" in given:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if b64url_encode(digest) != given["code_challenge"]:
                return answer(refused)
        tokens = {"access_token": f"token-of-{claims['sub']}", "token_type": "bearer"}
        self.user = claims
        if self.lasting:
            tokens |= self._refresh_token(claims)
        if "response_type" in given:
            tokens["id_token"] = self.id_token(given, claims)
        return answer(tokens)

    def _refresh_token(self, claims):
        token = secrets.token_hex(8)
        self.refresh_tokens[token] = claims
        return {"refresh_token": token}

    def _user(self, headers):
        if headers.get("authorization") != f"Bearer token-of-{self.user['sub']}":
            return answer({"message": "Bad credentials"}, 401)
        assert headers["user-agent"]
        more = {name: value for name, value in self.user.items() if name != "sub"}
        return answer({"id": int(self.user["sub"]), "node_id": "x", "type": "User", **more})


@contextmanager
def imitation(folder, monkeypatch, **more):
    """Run one whose authority is trusted, until the end of the block."""
    server = Imitation(folder, **more)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    try:
        yield server
    finally:
        server.close()


def settings_of(provider, folder, path="", **more):
    """Give the settings of an imitation, whose issuer may have a path."""
    file = folder / "provider-secret"
    if not file.exists():
        file.write_text(SECRET + "\n")
        file.chmod(0o600)
    given = {"client_id": CLIENT_ID, "issuer": provider.url + path, "client_secret_file": str(file)}
    return ProviderSettings(**{**given, **more})


def basic_of(headers):
    """Give the credentials of a request."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(text).decode()


class Browser(Inside):
    """Somebody's browser, which goes to providers and comes back."""

    async def press(self, name="up", following="/me", **headers):
        """Press a provider's button; give the address that it leads to, or the page."""
        form = {"provider": name, "continue": following}
        found = await self.client.post("/sign-in/with", data=form, headers=headers)
        return found.headers["location"] if found.is_redirect else found

    async def connect(self, name="up"):
        form = {"provider": name}
        found = await self.client.post("/me/providers/connect", data=form)
        return found.headers["location"] if found.is_redirect else found

    async def enter(self, provider, at="up", /, following="/me", **claims):
        """Sign in with a provider; give what the callback answers."""
        return await self.client.get(provider.sign_in(await self.press(at, following), **claims))

    async def username(self):
        """Give who is signed in with this browser, or None."""
        page = await self.client.get("/me")
        return None if page.is_redirect else page.text.split("<h1>")[1].split("</h1>")[0]
