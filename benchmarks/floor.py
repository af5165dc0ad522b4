"""The least that an answer can cost: a bare ASGI function under the server's own HTTP server.

It takes the request's body and looks at nothing. It answers with the bytes of an answer of Carnet's
and does, for each, what no service of the kind can do without:

    client credentials   one ES256 signature, by `cryptography`'s own call
    refresh              the signature, and the statement that rotates a session
    introspection        the statement that asks whether a token's session is good

The statements are Carnet's and go through its store, since what a commit costs depends on how many
share it: what the store itself costs is part of the floor. ``benchmarks.sessions`` starts it, with
the database, whose sessions it rotates, and the answers as JSON.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path

import uvicorn
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from carnet.http_connections import http_connections
from carnet.server.store import Store, open_store
from carnet.server.store import statements as sql

__all__ = ["PATHS", "SESSIONS", "bare_app", "serve_bare"]

PATHS = {
    "client credentials": "/client-credentials",
    "refresh": "/refresh",
    "introspection": "/introspection",
}
IDLE = 90 * 86_400 * 1_000_000
# About as many bytes as the header and the payload of an access token.
SIGNED = secrets.token_bytes(320)
SESSIONS = "SELECT id, secret_hash, generation, client_id FROM session WHERE client_id <> ''"

Work = Callable[[], Awaitable[None]]


def works(store: Store, sessions: list[tuple]) -> dict[str, Work]:
    """Give what is done for each load."""
    private, scheme = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(hashes.SHA256())
    turns = cycle([[*session] for session in sessions])
    asked = cycle(sessions)

    async def sign() -> None:
        private.sign(SIGNED, scheme)

    async def rotate() -> None:
        session = next(turns)
        now = time.time_ns() // 1000
        _, secret_hash, generation, client = session
        session[2] += 1
        given = (now, "127.0.0.1", secret_hash, generation, now - IDLE, client, "")
        if not await store.write(sql.ROTATE, *given):
            raise SystemExit("no session was rotated")
        private.sign(SIGNED, scheme)

    async def ask() -> None:
        if not await store.read(sql.TOKEN_STATE, "A" * 24, next(asked)[0]):
            raise SystemExit("no session was found")

    return {"client credentials": sign, "refresh": rotate, "introspection": ask}


def bare_app(store: Store, sessions: list[tuple], answers: dict[str, dict]):
    """Give the ASGI function.

    Args:
        store: where the sessions are.
        sessions: those that are rotated and asked for.
        answers: for each load, the headers and the body of an answer.
    """
    work = works(store, sessions)
    told = {
        PATHS[load]: (
            work[load],
            {"type": "http.response.start", "status": 200, "headers": answer["headers"]},
            {"type": "http.response.body", "body": answer["body"]},
        )
        for load, answer in answers.items()
    }

    async def app(scope, receive, send):
        await receive()
        work, head, body = told[scope["path"]]
        await work()
        await send({**head, "headers": [*head["headers"]]})
        await send(body)

    return app


async def serve(database: str, texts: dict[str, dict]) -> None:
    """Serve until the process is ended."""
    store = await open_store(database if "://" in database else Path(database))
    answers = {
        load: {
            "headers": [(name.encode(), value.encode()) for name, value in text["headers"]],
            "body": text["body"].encode(),
        }
        for load, text in texts.items()
    }
    app = bare_app(store, await store.read(SESSIONS), answers)
    await serve_bare(app)


async def serve_bare(app) -> None:
    """Serve an ASGI function as Carnet serves, and say where, until the process is ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    config = uvicorn.Config(
        app,
        http=http_connections(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        interface="asgi3",
        proxy_headers=False,
    )
    await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], json.loads(sys.argv[2])))
