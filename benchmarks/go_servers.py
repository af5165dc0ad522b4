"""Ory Hydra and Dex with PostgreSQL, as peers for ``benchmarks.sessions``.

Hydra's access tokens are JWTs signed with ES256, as Carnet's. Its sessions are made as people make
them: the sign-in and the consent of each are accepted through its interface for administrators,
which takes it six requests. It hashes secrets of clients with PBKDF2; one round is the least that
it takes, and that hash is not what is measured.

Dex signs with RS256 alone, and with each refresh an ID token too. It has no client credentials in
this version. Who signs in is somebody else's business there, so a session is two rows, which are
put into its database. Its introspection asks nobody who it is.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import httpx

from benchmarks.token_servers import SCOPE, START_SECONDS, Contestant, check, run

__all__ = ["free_ports", "start_dex", "start_hydra", "wait_for"]

# A request holds a connection and asks for another: with 16, 32 clients wait for each other.
HYDRA_CONNECTIONS = 40
# With more, refreshes that come at once fail for each other, and it answers 500: its transactions
# are serializable, and none is tried again.
DEX_CONNECTIONS = 1
AT_ONCE = 16
CALLBACK = "http://127.0.0.1:1/callback"
LIFETIME = "1h"

REFRESH_TOKENS = """
INSERT INTO refresh_token (id, client_id, scopes, nonce, claims_user_id, claims_username,
                           claims_email, claims_email_verified, claims_groups, connector_id, token,
                           created_at, last_used, obsolete_token)
SELECT id, 'app', '["openid","offline_access"]', '', user_id, 'Ada', 'ada@example.com', true, '[]',
       'mock', id, now(), now(), ''
FROM unnest($1::text[], $2::text[]) AS made (id, user_id)
"""
OFFLINE_SESSIONS = """
INSERT INTO offline_session (user_id, conn_id, refresh, connector_data)
SELECT user_id, 'mock', refresh::bytea, ''
FROM unnest($1::text[], $2::text[]) AS made (user_id, refresh)
"""


def start_hydra(
    stack: ExitStack, program: Path, folder: Path, database: str, count: int
) -> Contestant:
    """Prepare a database, run Hydra, and begin as many sessions."""
    public, admin = free_ports(2)
    url, ruling = f"http://127.0.0.1:{public}", f"http://127.0.0.1:{admin}/admin"
    there = {"host": "127.0.0.1"}
    address = database.replace("postgresql://", "postgres://")
    pool = {"max_conns": HYDRA_CONNECTIONS, "max_idle_conns": HYDRA_CONNECTIONS}
    settings = {
        "dsn": f"{address}&sslmode=disable&{urlencode(pool)}",
        "log": {"level": "error"},
        "oauth2": {"hashers": {"algorithm": "pbkdf2", "pbkdf2": {"iterations": 1}}},
        "secrets": {"system": [secrets.token_urlsafe()]},
        "serve": {"admin": {"port": admin, **there}, "public": {"port": public, **there}},
        "sqa": {"opt_out": True},
        "strategies": {"access_token": "jwt"},
        "ttl": {"access_token": LIFETIME},
        "urls": {"self": {"issuer": url}, "login": f"{url}/login", "consent": f"{url}/consent"},
    }
    file = _written(folder, "hydra", settings)
    given = ["--config", str(file)]
    migrated = subprocess.run(
        [program, "migrate", "sql", *given, "--read-from-env", "--yes"],
        capture_output=True,
        text=True,
        check=False,
    )
    if migrated.returncode:
        raise SystemExit(f"Hydra's database could not be prepared: {migrated.stderr[-500:]}")
    log = (folder / "hydra.log").open("wb")
    process = run(stack, [str(program), "serve", "all", "--dev", *given], stdout=log, stderr=log)
    wait_for(f"{url}/health/ready", process, folder / "hydra.log")
    job = ("job", secrets.token_urlsafe())
    with httpx.Client(base_url=ruling, trust_env=False) as client:
        key = {"alg": "ES256", "kid": "es256", "use": "sig"}
        client.post("/keys/hydra.jwt.access-token", json=key).raise_for_status()
        machine = {
            "client_id": job[0],
            "client_secret": job[1],
            "grant_types": ["client_credentials"],
            "scope": SCOPE,
        }
        app = {
            "client_id": "app",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [CALLBACK],
            "scope": f"{SCOPE} offline_access",
            "audience": ["orders"],
        }
        for made in (machine, app):
            client.post("/clients", json=made).raise_for_status()
    contestant = Contestant(
        url,
        process.pid,
        {
            "refresh": "/oauth2/token",
            "client credentials": "/oauth2/token",
            "introspection": f"{ruling}/oauth2/introspect",
        },
        "app",
        job,
        # Whoever reaches the interface for administrators may introspect.
        None,
        asyncio.run(_sign_in_as_many(url, ruling, count)),
    )
    contestant.access_token = check(contestant)
    return contestant


async def _sign_in_as_many(url: str, ruling: str, count: int) -> list[str]:
    """Begin sessions, each somebody else's, and give the refresh tokens."""
    transport, turn = httpx.AsyncHTTPTransport(), asyncio.Semaphore(AT_ONCE)

    async def begin(who: str) -> str:
        async with turn:
            return await _sign_in(transport, url, ruling, who)

    tokens = await asyncio.gather(*(begin(f"account-{number}") for number in range(count)))
    await transport.aclose()
    return tokens


async def _sign_in(transport: httpx.AsyncHTTPTransport, url: str, ruling: str, who: str) -> str:
    """Sign somebody in as a browser, Hydra's two pages and an app would; give a refresh token."""
    # A browser of its own, with its cookies. It is not closed: the transport is everybody's.
    browser = httpx.AsyncClient(transport=transport, timeout=60)
    scope = f"{SCOPE} offline_access"
    asked = {"client_id": "app", "response_type": "code", "redirect_uri": CALLBACK}
    query = urlencode({**asked, "scope": scope, "audience": "orders", "state": "0" * 16})
    address = f"{url}/oauth2/auth?{query}"
    consent = {"grant_scope": scope.split(), "grant_access_token_audience": ["orders"]}
    for what, accepted in (("login", {"subject": who}), ("consent", consent)):
        [challenge] = (await _led_to(browser, address))[f"{what}_challenge"]
        accepting = f"{ruling}/oauth2/auth/requests/{what}/accept?{what}_challenge={challenge}"
        answer = await browser.put(accepting, json=accepted)
        address = answer.raise_for_status().json()["redirect_to"]
    [code] = (await _led_to(browser, address))["code"]
    form = {"grant_type": "authorization_code", "code": code, "client_id": "app"}
    answer = await browser.post(f"{url}/oauth2/token", data={**form, "redirect_uri": CALLBACK})
    return answer.raise_for_status().json()["refresh_token"]


async def _led_to(browser: httpx.AsyncClient, address: str) -> dict[str, list[str]]:
    """Give what the address says that an answer leads on to."""
    answer = await browser.get(address)
    return parse_qs(urlsplit(answer.headers["location"]).query)


def start_dex(
    stack: ExitStack, program: Path, folder: Path, database: str, count: int
) -> Contestant:
    """Run Dex, which makes its tables, and put as many sessions into them."""
    [port] = free_ports(1)
    url, at = f"http://127.0.0.1:{port}", urlsplit(database)
    [host] = parse_qs(at.query)["host"]
    where = {"host": host, "database": at.path.removeprefix("/"), "user": at.username}
    pool = {"maxOpenConns": DEX_CONNECTIONS, "maxIdleConns": DEX_CONNECTIONS}
    settings = {
        "issuer": url,
        "storage": {"type": "postgres", "config": {**where, **pool, "ssl": {"mode": "disable"}}},
        "web": {"http": f"127.0.0.1:{port}"},
        "logger": {"level": "ERROR"},
        # Every refresh rotates; otherwise one within three seconds of the last would not.
        "expiry": {"idTokens": LIFETIME, "refreshTokens": {"reuseInterval": "0s"}},
        "staticClients": [{"id": "app", "name": "app", "public": True, "redirectURIs": [CALLBACK]}],
        "connectors": [
            {
                "type": "mockPassword",
                "id": "mock",
                "name": "mock",
                "config": {"username": "ada", "password": secrets.token_urlsafe()},
            }
        ],
    }
    file = _written(folder, "dex", settings)
    log = (folder / "dex.log").open("wb")
    process = run(stack, [str(program), "serve", str(file)], stdout=log, stderr=log)
    wait_for(f"{url}/healthz", process, folder / "dex.log")
    contestant = Contestant(
        url,
        process.pid,
        {"refresh": "/token", "introspection": "/token/introspect"},
        "app",
        ("", ""),
        None,
        asyncio.run(_put_as_many(database, count)),
        algorithm="RS256",
    )
    contestant.access_token = check(contestant)
    return contestant


async def _put_as_many(database: str, count: int) -> list[str]:
    """Put sessions into Dex's database, each somebody else's; give the refresh tokens."""
    ids = [secrets.token_hex(12) for _ in range(count)]
    users = [f"account-{number}" for number in range(count)]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # There is one for each client, in the session of somebody at a connector.
    used = {"CreatedAt": now, "LastUsed": now}
    refresh = [json.dumps({"app": {"ID": id, "ClientID": "app", **used}}) for id in ids]
    connection = await asyncpg.connect(database)
    await connection.execute(REFRESH_TOKENS, ids, users)
    await connection.execute(OFFLINE_SESSIONS, users, refresh)
    await connection.execute("VACUUM ANALYZE refresh_token, offline_session")
    await connection.close()
    return [_as_sent(id) for id in ids]


def _as_sent(id: str) -> str:
    """Write a refresh token as clients have it: its id and its secret, the same here (protobuf)."""
    field = bytes([len(id)]) + id.encode()
    return urlsafe_b64encode(b"\n" + field + b"\x12" + field).decode().rstrip("=")


def _written(folder: Path, name: str, settings: dict) -> Path:
    """Write a configuration; what is JSON is YAML."""
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(settings))
    return file


def free_ports(count: int) -> list[int]:
    """Give ports that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
            return
        except httpx.HTTPError:
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"a peer did not start: {log.read_text()[-500:]}") from None
            time.sleep(0.05)
