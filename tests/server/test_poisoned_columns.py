"""Whatever stands in one column of one row harms that row alone: every column, on both engines.

The columns are those of the database itself, so none is forgotten. For each of them a row of its
own is made, a copy of a good one in which that column holds something that the service would never
have written. With all of them there, the service starts, everybody else signs in and refreshes, the
administrators see their pages, and a revocation reaches a verifier that demands freshness.
"""

from __future__ import annotations

import itertools
import json
import secrets
from urllib.parse import urlencode

import apsw
import asyncpg
import pytest
from tests.server.asgi import CALLBACK, FORM, JSON, OWN_PAGE, ask
from tests.server.conftest import PASSWORD

from carnet.errors import CarnetError
from carnet.server.app import build_app
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.directory_settings import ScimSettings
from carnet.server.sessions.sessions import NewSession
from carnet.verifier.revocations import RevocationList, read_event

HUGE = 2**62
TEXTS = {
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "half an object": "{",
    "a huge text": "x" * 300_000,
    "odd letters": "\u202e\ufeff\ufffe\U000e0001e\u0301\r\n\x7f\x01",
    "an object of strange kinds": '{"a":[1e308],"jwks":7,"redirect_uris":null,"scope":[]}',
}
NUMBERS = {"a negative number": -1, "the least number": -(2**63), "a huge number": HUGE}
BLOBS = {"no bytes": b"", "other bytes": b"\xff" * 5000}
VALUES = {
    **{name: ("TEXT", value) for name, value in TEXTS.items()},
    **{name: ("BIGINT", value) for name, value in NUMBERS.items()},
    **{name: ("BYTEA", value) for name, value in BLOBS.items()},
}
# The service works by these, whatever else there is: they are no rows of anybody's.
OF_THE_SERVICE = {"counter", "migration", "migration_lock"}
ASKED_BY_PROGRAMS = (
    *("/readyz", "/accounts", "/clients", "/resources", "/sessions", "/account"),
    *("/account/consents", "/.well-known/jwks.json", "/.well-known/openid-configuration"),
)
PAGES = (
    *("/me", "/me/sessions", "/me/applications", "/admin", "/admin/users", "/admin/clients"),
    *("/admin/keys", "/admin/audit", "/admin/revocations", "/admin/providers", "/admin/search"),
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def columns(store, engine):
    """Give the columns of every table with their types, and those that name a row."""
    if engine:
        rows = await store.read(
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
        )
        kinds = {"text": "TEXT", "bigint": "BIGINT", "bytea": "BYTEA"}
        found = [(table, column, kinds.get(kind, kind)) for table, column, kind in rows]
    else:
        found = await store.read(
            "SELECT t.name, c.name, c.type FROM sqlite_master AS t, pragma_table_info(t.name) AS c "
            "WHERE t.type = 'table' ORDER BY t.name, c.cid"
        )
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        tables.setdefault(table, {})[column] = kind
    return tables


UNIQUE = {
    "account": ("id", "username", "skeleton"),
    "account_identity": ("subject",),
    "session": ("id", "secret_hash"),
    "consent": ("client_id",),
    "client": ("id",),
    "resource": ("audience",),
    "signing_key": ("kid",),
    "pepper": ("id",),
    "revocation": ("seq",),
    "authorization_code": ("code_hash",),
    "device_code": ("code_hash", "user_code_hash"),
    "factor": ("id", "credential_id"),
    "recovery_code": ("code_hash",),
    "remembered_browser": ("id", "secret_hash"),
    "throttle": ("name",),
    "familiar": ("name",),
    "audit": ("id",),
    "activity": ("hour",),
    "spent": ("name",),
    "logout_failure": ("client_id",),
    "unregistered_client": ("client_id",),
    "registration_token": ("id", "token_hash"),
    "scim_token": ("id", "token_hash"),
    "scim_group": ("id",),
    "scim_user": ("account_id",),
    "scim_member": ("account_id",),
    "email_address": ("normalized",),
    "one_time_link": ("secret_hash",),
    "mail": ("id",),
    "upstream_token": ("subject",),
}


def another(kind, number):
    """Give a value that no other row has."""
    if kind == "BYTEA":
        return secrets.token_bytes(32)
    return number if kind == "BIGINT" else f"victim-{number}-{secrets.token_hex(4)}"


async def poison(service, engine, kind, value):
    """Add to each table a row for each column of a kind, in which that holds a value."""
    store = service.store
    tables = await columns(store, engine)
    number, refused, done = 10, [], []
    # The revocations come last, so that they are the newest.
    for table in sorted(UNIQUE.keys() & tables.keys(), key=lambda name: name == "revocation"):
        types = tables[table]
        names = list(types)
        rows = await store.read(f"SELECT {', '.join(names)} FROM {table} LIMIT 3")
        assert rows, f"there is nothing in {table} to copy"
        wanted = [column for column in names if types[column] == kind]
        for column, template in itertools.product(wanted, rows):
            number += 1
            row = dict(zip(names, template, strict=True))
            row |= {name: another(types[name], number) for name in UNIQUE[table]}
            row[column] = value
            places = ", ".join(f"${at}" for at in range(1, len(row) + 1))
            try:
                await store.write(
                    f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values()
                )
            except (CarnetError, apsw.Error, asyncpg.PostgresError) as error:
                # The database itself does not take it: a reference, a second row of one name.
                refused.append((table, column, type(error).__name__))
            else:
                done.append((table, column))
    await store.write("UPDATE counter SET value = $1 WHERE name = 'revocation'", number)
    for (account_id,) in await store.read("SELECT id FROM account"):
        told = "SELECT $1, at, event, $2, session_id, actor, address, reason FROM audit LIMIT 1"
        await store.write(f"INSERT INTO audit {told}", secrets.token_hex(9), account_id)
    for (client_id,) in await store.read("SELECT id FROM client"):
        given = "SELECT account_id, $1, resource, scope, granted_at FROM consent"
        await store.write(
            f"INSERT INTO consent {given} WHERE client_id = 'app' ON CONFLICT DO NOTHING", client_id
        )
    return done, refused, set(tables)


async def furnish(service):
    """Put a good row into every table."""
    await service.store.write("INSERT INTO activity VALUES ($1, 1, 1, 1)", service.clock())
    registry = service.registry
    client = ClientMetadata(
        client_name="The App", redirect_uris=(CALLBACK,), token_endpoint_auth_method="none"
    )
    await registry.add_client(client, OPERATOR, "app")
    await registry.add_resource("api", ResourceMetadata(), OPERATOR)
    alice = await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
    await service.accounts.create("bob", PASSWORD)
    await service.identities.link(alice.id, "https://idp.example", "x", OPERATOR)
    grant = await service.sessions.begin(
        alice, NewSession("app", "orders", "openid", logout_uri="http://127.0.0.1:1/l")
    )
    await service.sessions.end(grant.session_id, "signed_out")
    await service.consents.grant(alice.id, "app", "orders", "openid", OPERATOR)
    stranger = ClientMetadata(redirect_uris=(CALLBACK,), token_endpoint_auth_method="none")
    await registry.unregistered.save("https://app.example.com/client", stranger, OPERATOR)
    await service.registrations.tokens.create(OPERATOR, 3600, 1)
    await service.used_once.first_use("dpop", "a", "b", microseconds=10**12)
    await service.store.write(
        "INSERT INTO authorization_code VALUES ($1, $2, $3, $4, $5, $6)",
        *(b"hash", alice.id, grant.session_id, "{}", service.clock() + 10**12, None),
    )
    shown = await service.device_codes.issue(registry.client("app"), "orders", "", "", OPERATOR)
    device = await service.device_codes.find(shown.user_code)
    await service.device_codes.decide(device, alice, service.clock(), "pwd", OPERATOR, allowed=True)
    await service.store.write(
        "INSERT INTO throttle (name, due_at) VALUES ($1, $2)", "kind 0000", service.clock()
    )
    await service.store.write(
        "INSERT INTO logout_failure (client_id, since, failed_at, cause) VALUES ($1, $2, $2, $3)",
        *("app", service.clock(), "why"),
    )
    carol = await service.accounts.create("carol", PASSWORD)
    await service.store.write(
        "INSERT INTO factor VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        *("f", carol.id, "totp", "Phone", None, b"sealed", 1, "", service.clock(), None),
    )
    await service.factors.make_recovery_codes(carol, OPERATOR)
    for address in ("carol@example.com", "carol@other.example"):
        await service.addresses.add_verified(carol.id, address, OPERATOR)
    await service.recovery.hand_over(carol.id, "reset", OPERATOR)
    await service.store.write(
        "INSERT INTO upstream_token VALUES ($1, $2, $3, $4)",
        *("https://i.example", "ada", b"s", service.clock() + 10**12),
    )
    await service.store.write(
        "INSERT INTO mail VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *("m", b"sealed", 1, "", service.clock(), 2**61, 2**61),
    )
    await service.remembered_browsers.remember(carol, OPERATOR)
    dan = await service.scim.users.create({"userName": "dan"}, OPERATOR)
    members = [{"value": dan.id}]
    await service.scim.groups.create({"displayName": "Press", "members": members}, OPERATOR)
    await service.scim.tokens.create(OPERATOR, None)
    async with service.throttle.sign_in("bob", "192.0.2.9") as attempt:
        attempt.succeed()


async def works(service, clock):
    """Do what everybody else does; give what has failed."""
    failures = []
    app = build_app(service)

    async def asked(what, method, path, expected=200, **more):
        answer = await ask(app, method, path, **more)
        if answer.error or answer.status != expected:
            failures.append((what, answer.status, repr(answer.error)[:300], answer.body[:200]))
        return answer

    for name, task in service.background.tasks.items():
        await task.attempt()
        if task.failing:
            failures.append((name, task.failing))
    own = service.settings.own_url
    said = {"username": "bob", "password": PASSWORD}
    sign_in = {"headers": [JSON], "body": json.dumps(said).encode()}
    bob = (await asked("sign-in", "POST", "/sessions", 201, **sign_in)).json()
    if "refresh_token" not in bob:
        return [*failures, bob]
    form = {"grant_type": "refresh_token", "refresh_token": bob["refresh_token"]}
    body = urlencode(form).encode()
    bob = (await asked("refresh", "POST", "/token", headers=[FORM], body=body)).json()
    said = {"username": "alice", "password": PASSWORD, "resource": own}
    sign_in = {"headers": [JSON], "body": json.dumps(said).encode()}
    admin = (await asked("sign-in", "POST", "/sessions", 201, **sign_in)).json()
    bearer = [(b"authorization", b"Bearer " + admin["access_token"].encode())]
    # Nothing runs by itself here, and readiness needs what has run just now.
    for name in ("follow", "keys", "directory"):
        await service.background.tasks[name].attempt()
    for path in ASKED_BY_PROGRAMS:
        await asked(path, "GET", path, headers=bearer)
    typed = urlencode({"username": "alice", "password": PASSWORD}).encode()
    page = await asked("page", "POST", "/sign-in", 303, headers=[FORM, *OWN_PAGE], body=typed)
    cookie = b"; ".join(
        value.partition(b";")[0] for name, value in page.headers if name == b"set-cookie"
    )
    browser = [(b"cookie", cookie), *OWN_PAGE]
    for path in PAGES:
        await asked(path, "GET", path, headers=browser)
    _, token = await service.scim.tokens.create(OPERATOR, None)
    for path in ("/scim/v2/Users", "/scim/v2/Groups"):
        await asked(path, "GET", path, headers=[(b"authorization", b"Bearer " + token.encode())])
    # A revocation reaches a verifier that follows the stream from here on, and one that begins.
    listed, stream = RevocationList(), service.revocation_stream.read(None)

    async def hear(listed, stream):
        text = (await anext(stream)).decode().split("data: ")[1].strip()
        event = read_event(text, service.keys.published, own)
        listed.apply(event, 0.0, clock() / 1e6)
        return event

    await hear(listed, stream)
    gone = [(b"authorization", b"Bearer " + bob["access_token"].encode())]
    sid = bob["session_id"]
    await service.sessions.end(sid, "signed_out")
    await service.revocation_stream.catch_up()
    await hear(listed, stream)
    if not any(sid in part.sessions for part in listed._parts):
        failures.append("the revocation has not come")
    if listed.age(0.0, clock() / 1e6) is None:
        failures.append("freshness is not proved")
    await stream.aclose()
    fresh, stream = RevocationList(), service.revocation_stream.read(None)
    while fresh.age(0.0, clock() / 1e6) is None:
        await hear(fresh, stream)
    if not any(sid in part.sessions for part in fresh._parts):
        failures.append("the snapshot lacks the revocation")
    await stream.aclose()
    await asked("sign-out", "GET", "/account", 401, headers=gone)
    # The keys rotate.
    before = service.keys.signing("ES256").kid
    clock.advance(31 * 86_400)
    await service.keys.keep_up()
    clock.advance(86_400)
    await service.keys.keep_up()
    if service.keys.signing("ES256").kid == before:
        failures.append("the keys don't rotate")
    await service.background.sweep()
    return failures


@pytest.mark.parametrize("name", VALUES)
def test_a_poisoned_column_harms_its_row_alone(play, engine, name):
    kind, value = VALUES[name]
    given = {
        "audiences": ("orders",),
        "issuer": "https://auth.example.com",
        "scim": ScimSettings(),
    }

    async def prepare(service, _clock):
        await furnish(service)
        return await poison(service, engine, kind, value)

    done, refused, tables = play(prepare, **given)
    assert tables - OF_THE_SERVICE == set(UNIQUE)
    assert len(done) > len(refused)
    assert play(works, **given) == []
