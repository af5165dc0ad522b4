"""The whole story at providers that were not written here: another Carnet, and oidc-provider.

Both stand on loopback with TLS of their own, and so does this service: its address for sign-out
notices is really called, and a service that follows its revocations refuses the token.
"""

from __future__ import annotations

import html
import re
import ssl
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
import pytest
from tests import processes
from tests.identity_provider import IdentityProvider
from tests.ports import free_ports
from tests.server.conftest import PASSWORD
from tests.server.flows import Request, hidden

from carnet import InvalidToken
from carnet.server import background
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.provider_settings import ProviderSettings, RoleRules
from carnet.verifier import AccessTokenVerifier

SECRET = "a-secret-of-the-test"


class Person:
    """Somebody with a browser that follows redirects, and fills in whatever form it meets."""

    def __init__(self, ca_file, typed):
        self.typed = typed
        context = ssl.create_default_context(cafile=ca_file)
        # A server that stops waits for the connections that are kept open.
        limits = httpx.Limits(max_keepalive_connections=0)
        headers = {"Accept": "text/html"}
        self.client = httpx.Client(verify=context, headers=headers, timeout=60, limits=limits)

    def go(self, address, until):
        """Follow an address until one begins so, and give that and its page."""
        answer = self.client.get(address)
        for _ in range(25):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if address.startswith(until):
                    return address
                answer = self.client.get(address)
                continue
            if str(answer.url).startswith(until):
                return str(answer.url)
            answer = self.fill_in(answer)
        raise AssertionError("the redirects have no end")

    def press(self, page, action, **more):
        """Send a page's form to where it goes."""
        form = next(
            one for one in re.findall(r"<form.*?</form>", page.text, re.DOTALL) if action in one
        )
        where = html.unescape(re.search(r'action="([^"]*)"', form)[1])
        return self.post(page, where, {**hidden(form), **more})

    def fill_in(self, page):
        # Our own pages have a form before their content, to sign out.
        text = page.text.partition("<main")[2] or page.text
        form = re.search(r"<form.*?</form>", text, re.DOTALL)
        assert form is not None, page.text
        where = html.unescape(re.search(r'action="([^"]*)"', form[0])[1])
        return self.post(page, where, {**hidden(form[0]), **self.typed})

    def post(self, page, where, form):
        parts = urlsplit(str(page.url))
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        return self.client.post(urljoin(str(page.url), where), data=form, headers=headers)


@dataclass
class Peer:
    """A provider: its issuer, and how a session of somebody ends there."""

    issuer: str
    settings: dict
    sign_out: object


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """This service, on TLS, and what trusts every authority of the test."""
    (tmp_path / "ours").mkdir()
    service = IdentityProvider(tmp_path / "ours", tmp_path / "ours" / "data", "Our authority")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(service.ca_file.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    service.trusted = trusted
    return service


def trust(ours, file):
    with ours.trusted.open("ab") as opened:
        opened.write(file.read_bytes())


def until_refused(verifier, token):
    """Verify a token until it is refused, and say why."""
    patience = time.monotonic() + processes.PATIENCE
    while time.monotonic() < patience:
        try:
            verifier.verify(token)
        except InvalidToken as error:
            return error.code
        time.sleep(0.01)
    return "it is accepted still"


def secret_file(folder):
    file = folder / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    return str(file)


@pytest.fixture
def carnet_peer(ours, tmp_path, monkeypatch):
    """Another Carnet."""
    (tmp_path / "peer").mkdir()
    peer = IdentityProvider(tmp_path / "peer", tmp_path / "peer" / "data")
    peer.works = True
    # It tells of an end at once, and not when it looks the next time.
    monkeypatch.setattr(background, "LOGOUT_NOTICES_SECONDS", 3600)
    trust(ours, peer.ca_file)
    with peer:

        async def fill():
            service = peer.service
            account = await service.accounts.create("ada", PASSWORD, ("Press",))
            metadata = ClientMetadata(
                redirect_uris=(f"{ours.url}/sign-in/with/peer/callback",),
                backchannel_logout_uri=f"{ours.url}/sign-in/with/peer/logout",
                scope="openid profile roles offline_access",
            )
            _, secret = await service.registry.add_client(metadata, OPERATOR, "ours")
            return account, secret

        account, secret = peer.call(fill())
        file = tmp_path / "peer" / "secret"
        file.write_text(secret)
        file.chmod(0o600)

        def sign_out(person):
            peer.call(peer.service.sessions.end_all(account.id, "signed_out", OPERATOR))

        rules = {"claim": "roles", "values": {"Press": "press"}}
        yield Peer(
            peer.url,
            {
                "client_secret_file": str(file),
                "roles": RoleRules(**rules),
                "scopes": ("openid", "profile", "roles"),
                "keep_refresh_token": True,
            },
            sign_out,
        )


@pytest.fixture
def node_peer(ours, node, tmp_path, root):
    """oidc-provider, from npm."""
    (tmp_path / "peer").mkdir()
    made = IdentityProvider(tmp_path / "peer", tmp_path / "peer" / "data")
    made._listener.close()
    trust(ours, made.ca_file)
    port = free_ports(1)
    script = root / "tests" / "node" / "oidc_provider_sign_in.js"
    where = f"{ours.url}/sign-in/with/peer"
    process = processes.start(
        [node, str(script), str(made._file), str(port), f"{where}/callback", f"{where}/logout"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"NODE_EXTRA_CA_CERTS": str(ours.trusted), "PATH": "/usr/bin:/bin"},
    )
    issuer = process.stdout.readline().strip()
    assert issuer == f"https://localhost:{port}"

    def sign_out(person):
        page = person.client.get(f"{issuer}/session/end")
        person.press(page, "session/end", logout="yes")

    rules = {"claim": "groups", "values": {"Press": "press"}}
    yield Peer(
        issuer,
        {
            "client_secret_file": secret_file(tmp_path / "peer"),
            "roles": RoleRules(**rules),
            "scopes": ("openid", "profile", "groups"),
        },
        sign_out,
    )
    process.stdin.close()
    process.wait(processes.PATIENCE)
    process.stdout.close()


@pytest.mark.parametrize("name", ["carnet_peer", "node_peer"])
def test_somebody_signs_in_by_another_issuer_and_out_there(ours, request, name):
    peer = request.getfixturevalue(name)
    given = ProviderSettings(
        client_id="ours", issuer=peer.issuer, provision="create", **peer.settings
    )
    more = {"providers": {"peer": given}, "private_hosts": ("localhost",)}
    ours._settings = msgspec.structs.replace(ours._settings, **more)
    ours.works = True
    with ours, ExitStack() as stack:

        async def fill():
            metadata = ClientMetadata(
                redirect_uris=("https://app.example/callback",),
                token_endpoint_auth_method="none",
                scope="openid roles",
                resources=("company",),
            )
            await ours.service.registry.add_client(metadata, OPERATOR, "app")

        ours.call(fill())
        typed = {"username": "ada", "login": "ada", "password": PASSWORD, "decision": "allow"}
        person = Person(ours.trusted, typed)
        request.addfinalizer(person.client.close)
        page = person.client.get(f"{ours.url}/sign-in")
        answer = person.press(page, "/sign-in/with", provider="peer")
        assert answer.headers["location"].startswith(peer.issuer)
        person.go(answer.headers["location"], f"{ours.url}/me")
        account = ours.call(ours.service.accounts.find("ada"))
        assert account.roles == ("press",)

        asked = Request(scope="openid roles")
        where = f"{ours.url}/authorize?{httpx.QueryParams(asked.parameters)}"
        end = person.go(where, "https://app.example/")
        form = {
            "grant_type": "authorization_code",
            "code": httpx.URL(end).params["code"],
            "client_id": "app",
            "redirect_uri": "https://app.example/callback",
            "code_verifier": asked.verifier,
        }
        tokens = person.client.post(f"{ours.url}/token", data=form).json()

        async def is_good():
            service = ours.service
            claims = service.access_tokens.verify(tokens["access_token"])
            about = claims["sid"], claims["sub_ver"], claims["jti"]
            revoked = await service.store.read("SELECT value FROM revocation")
            return await service.sessions.accepts(*about), (claims["sid"],) in revoked

        assert ours.call(is_good()) == (True, False)
        options = {"revocations": "required", "ca_file": ours.trusted}
        orders = AccessTokenVerifier(ours.url, "company", **options)
        stack.callback(orders.close)
        assert orders.verify(tokens["access_token"])["roles"] == ["press"]

        async def look():
            kept = "SELECT secret FROM upstream_token"
            before = await ours.service.store.read(kept)
            await ours.service.store.write("UPDATE upstream_token SET due_at = 0")
            await ours.service.kept_tokens.look_after()
            after = await ours.service.store.read(kept)
            return len(before), len(after), before != after

        keeps = given.keep_refresh_token
        assert ours.call(look()) == (keeps, keeps, keeps)
        assert orders.verify(tokens["access_token"])
        peer.sign_out(person)
        # Whoever ends it there does nothing else, and neither does anybody here.
        assert until_refused(orders, tokens["access_token"]) == "revoked"
        assert ours.call(is_good()) == (False, True)
        assert person.client.get(f"{ours.url}/me").is_redirect
