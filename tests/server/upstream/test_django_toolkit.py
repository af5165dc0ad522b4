"""The story at django-oauth-toolkit: signed in there, and out when the account there is deleted."""

import os
import subprocess
import sys

import msgspec
import pytest
from tests import processes
from tests.identity_provider import IdentityProvider
from tests.server.conftest import PASSWORD
from tests.server.upstream.test_peers import Person, ours, secret_file, trust

from carnet.server.audit import OPERATOR
from carnet.server.provider_settings import ProviderSettings

__all__ = ["ours"]


@pytest.fixture
def toolkit(ours, tmp_path, root):
    """Its process, its issuer, and the subject of ada there."""
    pytest.importorskip("oauth2_provider", reason="no toolkit: IT WAS NOT CHECKED")
    (tmp_path / "peer").mkdir()
    made = IdentityProvider(tmp_path / "peer", tmp_path / "peer" / "data")
    made._listener.close()
    trust(ours, made.ca_file)
    script = root / "tests" / "server" / "upstream" / "django_toolkit.py"
    where = f"{ours.url}/sign-in/with/peer/callback"
    process = processes.start(
        [sys.executable, str(script), str(made._file), where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
    )
    yield process, *process.stdout.readline().split()
    process.stdin.close()
    process.wait(processes.PATIENCE)
    process.stdout.close()


def test_somebody_signs_in_and_is_signed_out_when_the_account_there_is_deleted(
    ours, toolkit, tmp_path, request
):
    process, issuer, subject = toolkit
    given = ProviderSettings(
        client_id="ours",
        issuer=issuer,
        client_secret_file=secret_file(tmp_path / "peer"),
        scopes=("openid",),
        keep_refresh_token=True,
    )
    more = {"providers": {"peer": given}, "private_hosts": ("localhost",)}
    ours._settings = msgspec.structs.replace(ours._settings, **more)
    with ours:
        service = ours.service

        async def fill():
            account = await service.accounts.create("ada", PASSWORD)
            await service.identities.link(account.id, issuer, subject, OPERATOR)

        async def look():
            await service.store.write("UPDATE upstream_token SET due_at = 0 RETURNING subject")
            await service.kept_tokens.look_after()
            return await service.store.read("SELECT subject FROM upstream_token")

        ours.call(fill())
        person = Person(ours.trusted, {"username": "ada", "password": PASSWORD})
        request.addfinalizer(person.client.close)
        page = person.client.get(f"{ours.url}/sign-in")
        answer = person.press(page, "/sign-in/with", provider="peer")
        person.go(answer.headers["location"], f"{ours.url}/me")
        assert ours.call(look()) == [(subject,)]
        assert "ada" in person.client.get(f"{ours.url}/me").text
        process.stdin.write("delete\n")
        process.stdin.flush()
        assert process.stdout.readline() == "deleted\n"
        assert ours.call(look()) == []
        assert person.client.get(f"{ours.url}/me").is_redirect
