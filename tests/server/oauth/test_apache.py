"""mod_auth_openidc, in Debian's Apache, signs a real browser in and out."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import pytest
from tests import processes
from tests.server.conftest import PASSWORD
from tests.server.flows import add_client

MODULES = Path("/usr/lib/apache2/modules")

CONFIGURATION = """
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/pid"
DefaultRuntimeDir "{folder}"
ErrorLog "{folder}/error.log"
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
DirectoryIndex index.html
Header set Cache-Control no-store
DocumentRoot "{folder}/pages"
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret {secret}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI http://127.0.0.1:{port}/answer
OIDCCryptoPassphrase "only for this test"
OIDCPKCEMethod S256
OIDCScope "openid profile"
OIDCRemoteUserClaim preferred_username
OIDCCacheType file
OIDCCacheDir "{folder}/cache"
<Location "/">
    AuthType openid-connect
    Require valid-user
    Header set X-Signed-In "expr=%{{REMOTE_USER}}"
</Location>
<Location "/bye.html">
    AuthType none
    Require all granted
</Location>
"""


@pytest.fixture
def folder():
    """A folder that Apache can reach when it has given up root; pytest shuts its own to others."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def apache(folder):
    """Start Apache before a server that has a client for it; give its address."""
    program = shutil.which("apache2") or "/usr/sbin/apache2"
    if not Path(program).exists() or not (MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("there is no Apache: apt-get install apache2 libapache2-mod-auth-openidc")
    for name in ("pages", "cache"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    for name, text in (("index", "Let in"), ("bye", "Gone")):
        (folder / "pages" / f"{name}.html").write_text(f"<!doctype html><title>{text}</title>")
    running = []

    def start(port, issuer, secret):
        path = folder / "apache.conf"
        # Apache's own processes refuse to be root.
        user = "User nobody\nGroup nogroup" if os.getuid() == 0 else ""
        path.write_text(
            CONFIGURATION.format(
                folder=folder, port=port, issuer=issuer, secret=secret, modules=MODULES, user=user
            )
        )
        process = processes.start(
            [program, "-f", str(path), "-DFOREGROUND"], stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        until = monotonic() + 60
        while monotonic() < until and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return folder / "error.log"
            sleep(0.05)
        raise AssertionError(process.stderr.read())

    yield start
    for process in running:
        process.terminate()
        process.wait(processes.PATIENCE)
        process.stderr.close()


def test_mod_auth_openidc_signs_a_browser_in_and_out(apache, start, tmp_path, browser):
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    here = f"http://127.0.0.1:{port}"
    secret = add_client(
        tmp_path / "data",
        "apache",
        client_name="Apache",
        redirect_uris=(f"{here}/answer",),
        post_logout_redirect_uris=(f"{here}/bye.html",),
        backchannel_logout_uri=f"{here}/answer?logout=backchannel",
        token_endpoint_auth_method="client_secret_basic",
    )
    server = start()
    log = apache(port, server.url, secret)
    context = browser.new_context()
    page = context.new_page()
    try:
        page.goto(here)
        page.fill("input[name=username]", "alice")
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_selector("text=Allow Apache to access your account?")
        page.click("button[value=allow]")
        page.wait_for_url(f"{here}/")
        assert page.title() == "Let in", log.read_text()
        assert page.goto(here).headers["x-signed-in"] == "alice"

        # The session ends here; Apache hears of it on another way than by the browser.
        token = server.sign_in_to_api().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        server.client.delete("/sessions?keep=current", headers=headers).raise_for_status()
        until = monotonic() + 60
        while "x-signed-in" in page.request.get(here, max_redirects=0).headers:
            assert monotonic() < until, log.read_text()
            sleep(0.1)

        page.goto(here)
        page.fill("input[name=username]", "alice")
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"{here}/")
        assert page.title() == "Let in", log.read_text()
        page.goto(f"{here}/answer?logout={here}/bye.html")
        page.wait_for_url(re.compile(re.escape(here)))
        assert page.title() == "Gone", log.read_text()
        page.goto(here)
        page.wait_for_selector("input[name=password]")
    except Exception:
        print(page.url, page.content(), log.read_text(), sep="\n")
        raise
    finally:
        context.close()
