"""A session that a real Chromium binds to its device, by Device Bound Session Credentials.

It does so over TLS and for a host with a name alone. Its keys are in software here, by its flag for
tests: what a chip holds can't be copied, and otherwise all is as with one.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import socket
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests import processes
from tests.ports import free_ports
from tests.server.conftest import PASSWORD
from tests.server.mail.certificates import self_signed

HOST = "auth.example.com"
SESSION, BOUND = "__Host-carnet", "__Host-carnet-bound"
FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"


class Tls:
    """What ends TLS before a server, and hands the bytes on."""

    def __init__(self, context, port, target):
        self._context, self._target = context, target
        self._socket = socket.create_server(("127.0.0.1", port))
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken):
        try:
            with (
                self._context.wrap_socket(taken, server_side=True) as near,
                socket.create_connection(("127.0.0.1", self._target)) as far,
            ):
                self._open |= {near, far}
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far)
                back.join()
        except OSError:
            taken.close()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            one.close()


def _pump(source, target):
    try:
        while content := source.recv(65536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def service(start, filled, tmp_path):
    """A server behind TLS: its address for browsers, and the hash of the key of its certificate."""
    shutil.copytree(filled, tmp_path / "data")
    port = free_ports(1)
    url = f"https://{HOST}:{port}"
    server = start("--issuer", url, env={"CARNET_DEVICE_BOUND_SESSIONS": "true"})
    file, context = self_signed(tmp_path)
    tls = Tls(context, port, int(server.url.rpartition(":")[2]))
    key = x509.load_pem_x509_certificate(file.read_bytes()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield url, base64.b64encode(hashlib.sha256(spki).digest()).decode()
    tls.close()


@pytest.fixture
def profile(service, tmp_path):
    """Start browsers, each with a profile that lasts: others bind nothing."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no browser: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    url, spki = service
    with sync_playwright() as playwright:
        started = []

        def start_one(name):
            context = playwright.chromium.launch_persistent_context(
                tmp_path / name,
                executable_path=path,
                base_url=url,
                args=[
                    "--no-sandbox",
                    f"--enable-features={FEATURES}",
                    f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
                    f"--ignore-certificate-errors-spki-list={spki}",
                ],
            )
            context.set_default_timeout(processes.PATIENCE * 1000)
            started.append(context)
            return context, context.pages[0]

        yield start_one
        for context in started:
            context.close()


def cookies(context):
    return {one["name"]: one for one in context.cookies()}


def test_a_stolen_cookie_alone_is_refused_and_its_owner_goes_on(profile):
    context, page = profile("owner")
    page.goto("/sign-in")
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    # The browser binds the session by itself, after the sign-in.
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/me")
    for _ in range(200):
        if BOUND in cookies(context):
            break
        page.reload()
    held = cookies(context)
    assert BOUND in held
    stolen = {name: held[name]["value"] for name in (SESSION, BOUND)}

    # As after ten minutes: the cookie is gone, and the browser has to come for another one.
    context.clear_cookies(name=SESSION)
    page.goto("/me/sessions")
    assert page.url.endswith("/me/sessions")
    assert cookies(context)[SESSION]["value"] not in ("", stolen[SESSION])

    thief, other = profile("thief")
    copied = {key: held[BOUND][key] for key in ("name", "value", "domain", "path", "secure")}
    thief.add_cookies([{**copied, "httpOnly": True, "sameSite": "Lax"}])
    other.goto("/me/sessions")
    assert "/sign-in" in other.url
