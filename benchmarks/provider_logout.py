"""How soon a service refuses a token whose session at the provider has ended.

``python -m benchmarks.provider_logout``: a Carnet that is the provider, a Carnet behind it and a
service's verifier, all on this machine, with TLS. In a round somebody's session at the provider is
ended; the provider tells the Carnet behind it (Back-Channel Logout), and that tells the verifier.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
from tests.identity_provider import IdentityProvider

from carnet import InvalidToken
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.provider_settings import ProviderSettings
from carnet.server.sessions.session_record import Identified
from carnet.server.sessions.sessions import NewSession
from carnet.verifier import AccessTokenVerifier

POLL_SECONDS = 0.0005


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.provider_logout")
    parser.add_argument("--rounds", type=int, default=100, help="sessions to end")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="carnet-bench-") as name, ExitStack() as stack:
        taken = sorted(measured(Path(name), rounds, stack))
    print(f"rounds     {rounds}")
    print(f"p50 ms     {statistics.median(taken):.1f}")
    print(f"p99 ms     {taken[-1 - rounds // 100]:.1f}")
    print(f"slowest ms {taken[-1]:.1f}")


def measured(folder: Path, rounds: int, stack: ExitStack) -> list[float]:
    """Give the milliseconds of each round, from the request to end it to the refusal."""
    servers = []
    for name in ("peer", "ours"):
        (folder / name).mkdir()
        servers.append(IdentityProvider(folder / name, folder / name / "data", name))
    peer, ours = servers
    trusted = folder / "trusted.pem"
    trusted.write_bytes(peer.ca_file.read_bytes() + ours.ca_file.read_bytes())
    os.environ["SSL_CERT_FILE"] = str(trusted)
    given = ProviderSettings(client_id="ours", issuer=peer.url)
    more = {"providers": {"peer": given}, "private_hosts": ("localhost",)}
    ours._settings = msgspec.structs.replace(ours._settings, **more)
    peer._settings = msgspec.structs.replace(peer._settings, private_hosts=("localhost",))
    for server in servers:
        server.works = True
        stack.enter_context(server)
    where = f"{ours.url}/sign-in/with/peer"
    metadata = ClientMetadata(
        redirect_uris=(f"{where}/callback",), backchannel_logout_uri=f"{where}/logout"
    )
    peer.call(peer.service.registry.add_client(metadata, OPERATOR, "ours"))
    there = peer.call(peer.service.accounts.create("ada", "correct horse battery"))
    here = ours.call(ours.service.accounts.create("ada", "correct horse battery"))
    verifier = AccessTokenVerifier(ours.url, "company", revocations="required")
    stack.callback(verifier.close)
    taken = []
    for _ in range(rounds):
        new = NewSession("ours", "company", "openid", logout_uri=f"{where}/logout")
        began = peer.call(peer.service.sessions.begin(there, new))
        by = Identified(peer.url, there.id, began.session_id)
        new = NewSession("app", "company", identified=by)
        grant = ours.call(ours.service.sessions.begin(here, new))
        token, _ = ours.service.access_tokens.issue(grant, "company", None)
        verifier.verify(token)
        asked = time.monotonic()
        peer.call(peer.service.sessions.end(began.session_id, "signed_out", OPERATOR))
        while accepts(verifier, token):
            time.sleep(POLL_SECONDS)
        taken.append((time.monotonic() - asked) * 1000)
    return taken


def accepts(verifier: AccessTokenVerifier, token: str) -> bool:
    """Tell whether the verifier still accepts a token."""
    try:
        verifier.verify(token)
    except InvalidToken:
        return False
    return True


if __name__ == "__main__":
    main()
