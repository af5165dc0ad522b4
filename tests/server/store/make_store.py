"""Makes a store of this version for ``stores/``: ``python -m tests.server.store.make_store``.

Run it once for a new migration, before the release that brings it; a store that is there already is
never made anew.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.service import open_service
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession
from carnet.server.settings import Settings
from carnet.server.store.migrations import read_migrations

STORES = Path(__file__).with_name("stores")
ISSUER = "http://127.0.0.1:8499"
PASSWORD = "correct horse battery staple"


async def fill(folder: Path) -> dict:
    """Let somebody sign in twice, refresh one session, end the other, and consent to a client."""
    settings = Settings(data=str(folder), issuer=ISSUER)
    async with open_service(settings) as service:
        account = await service.accounts.create("alice", PASSWORD, roles=["ADMIN"])
        await service.registry.add_resource("orders", ResourceMetadata(), OPERATOR)
        metadata = ClientMetadata(redirect_uris=("https://shop.example.com/callback",))
        client, secret = await service.registry.add_client(metadata, OPERATOR)
        wanted = NewSession(FIRST_PARTY, "default")
        ended = await service.sessions.begin(account, wanted)
        await service.sessions.end(ended.session_id, "signed_out")
        grant = await service.sessions.begin(account, wanted)
        grant = await service.sessions.refresh(grant.refresh_token)
        token, _ = service.access_tokens.issue(grant, "default", None)
        await service.consents.grant(account.id, client.id, "orders", "openid profile", OPERATOR)
        return {
            "at": service.clock(),
            "master_key": (folder / "master.key").read_text(),
            "username": "alice",
            "password": PASSWORD,
            "access_token": token,
            "refresh_token": grant.refresh_token,
            "client_id": client.id,
            "client_secret": secret,
        }


def main() -> None:
    """Make the store of the newest migration."""
    name = f"{read_migrations()[-1].number:04}"
    with TemporaryDirectory() as made:
        folder = Path(made)
        known = asyncio.run(fill(folder))
        with closing(sqlite3.connect(folder / "carnet.db")) as database:
            dump = "\n".join(database.iterdump()) + "\n"
    with (STORES / f"{name}.sql").open("x") as file:
        file.write(dump)
    (STORES / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(known)) + b"\n")


if __name__ == "__main__":
    main()
