"""A company's Carnet on real https, in a thread of this process, and who has signed in there."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests import processes
from tests.verifier.internet import certificate

from carnet.server.app import build_app
from carnet.server.service import open_service
from carnet.server.sessions.sessions import NewSession
from carnet.server.settings import Settings


class IdentityProvider:
    """A Carnet at ``url``.

    Args:
        folder: where its files are.
        data: its data folder.
        authority: what its authority is called; those of one test have names of their own.

    Attributes:
        url: its issuer.
        ca_file: the authority of its certificate.
        works: whether it does by itself what a running service does.
    """

    def __init__(self, folder, data, authority="An authority"):
        name = authority
        authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca = certificate(name, authority, None, authority, ca=True)
        leaf = certificate("idp", key, ca.subject, authority, host="localhost")
        self.ca_file, self._file = folder / "idp-ca.pem", folder / "idp.pem"
        self.ca_file.write_bytes(ca.public_bytes(Encoding.PEM))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._file.write_bytes(private + leaf.public_bytes(Encoding.PEM))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        self._settings = Settings(data=str(data), issuer=self.url, audiences=("company",))
        self.works = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def call(self, coroutine):
        """Run a coroutine where the service runs."""
        found = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return found.result(processes.PATIENCE)

    def sign_in(self, username, client_id):
        """Sign somebody in to a client; give its refresh token and an ID token."""

        async def begin():
            service = self.service
            account = await service.accounts.find(username)
            wanted = NewSession(client_id, "company", "openid")
            grant = await service.sessions.begin(account, wanted)
            client = service.registry.client(client_id)
            id_token = await service.id_tokens.issue(grant, account, client, "x")
            return grant.refresh_token, id_token

        return self.call(begin())

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        async with open_service(self._settings) as self.service:
            config = uvicorn.Config(
                build_app(self.service),
                interface="asgi3",
                lifespan="off",
                log_config=None,
                ssl_certfile=self._file,
            )
            self._server = uvicorn.Server(config)
            background = asyncio.create_task(self.service.background.run()) if self.works else None
            self._ready.set()
            await self._server.serve([self._listener])
            if background is not None:
                background.cancel()
                await asyncio.wait([background])

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(processes.PATIENCE)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self.service.revocation_stream.close)
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
