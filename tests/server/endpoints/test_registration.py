"""Clients that register themselves, over HTTP: what they are told, and what each may do."""

import asyncio
import re
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.server.flows import CALLBACK, Request
from tests.server.inside import PASSWORD, Inside

from carnet import Key, inspect
from carnet.server.accounts import throttle
from carnet.server.app import build_app
from carnet.server.audit import OPERATOR, newest
from carnet.server.clients import registrations
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.store import statements as sql

TOOLS = "https://tools.example/mcp"
LOOPBACK = "http://127.0.0.1:3000/callback"
DAY = 86_400
ASKED = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


class Programs:
    """Programs that register themselves, each answer with its JSON."""

    def __init__(self, service, address="192.0.2.1"):
        self.service = service
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(service), client=(address, 50000)),
            base_url=service.settings.own_url,
        )

    async def register(self, token=None, **members):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.client.post("/registration", json={**ASKED, **members}, headers=headers)

    async def manage(self, method, made, token=None, **members):
        bearer = made["registration_access_token"] if token is None else token
        return await self.client.request(
            method,
            made["registration_client_uri"],
            headers={"Authorization": f"Bearer {bearer}"},
            json=members or None,
        )


@asynccontextmanager
async def opened(service):
    """Open a resource to clients that nobody has registered; others are not."""
    await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
    metadata = ResourceMetadata(scopes=("tools:read", "tools:write"), unregistered_clients=True)
    await service.registry.add_resource(TOOLS, metadata, OPERATOR)
    await service.registry.add_resource("orders", ResourceMetadata(), OPERATOR)
    yield Programs(service)


@pytest.fixture
def playing(play):
    """Play a scene with a service where anybody may register a client."""

    def run(scene, mode="open", **settings):
        async def whole(service, clock):
            async with opened(service) as programs:
                return await scene(programs, service, clock)

        return play(whole, client_registration=mode, **settings)

    return run


def wish(made, **more):
    """What a client asks of the authorization endpoint, for the open resource."""
    return Request(
        **{
            "client_id": made["client_id"],
            "redirect_uri": made["redirect_uris"][0],
            "scope": "tools:read",
            "resource": TOOLS,
            **more,
        }
    )


def error_of(answer):
    return answer.status_code, answer.json()["error"]


def test_a_client_registers_itself_and_a_person_lets_it_in(playing):
    async def scene(programs, service, clock):
        answer = await programs.register(client_name="Agent", grant_types=["authorization_code"])
        made = answer.json()
        browser = Inside(service)
        asked, told = await browser.authorize(wish(made))
        tokens = (await browser.exchange(asked, told["code"])).json()
        return answer, tokens, browser.forms, await newest(service.store, 9)

    answer, tokens, forms, entries = playing(scene)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert made.pop("client_id").startswith("dynamic.")
    assert len(made.pop("registration_access_token")) == 43
    assert re.fullmatch(
        r"http://127\.0\.0\.1:8400/registration/dynamic\.[\w-]{22}",
        made.pop("registration_client_uri"),
    )
    assert made == {
        "client_id_issued_at": 1_800_000_000,
        "client_name": "Agent",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "application_type": "web",
        "dpop_bound_access_tokens": False,
        "require_pushed_authorization_requests": False,
        "require_signed_request_object": False,
    }
    claims = inspect(tokens["access_token"]).claims
    assert (claims["aud"], claims["scope"]) == (TOOLS, "tools:read")
    assert forms[-1].endswith("decision")
    # It has not registered the grant for one.
    assert "refresh_token" not in tokens
    assert "client_created" in [one.event for one in entries]


def test_a_client_with_a_secret_proves_itself_with_it(playing):
    async def scene(programs, service, clock):
        grants = ["authorization_code", "refresh_token"]
        made = (await programs.register(token_endpoint_auth_method=None, grant_types=grants)).json()
        browser = Inside(service)
        asked, told = await browser.authorize(wish(made))
        auth = (made["client_id"], made["client_secret"])
        wrong = await browser.exchange(asked, told["code"], (made["client_id"], "x" * 43))
        tokens = (await browser.exchange(asked, told["code"], auth)).json()
        again = await browser.refresh(tokens["refresh_token"], made["client_id"], auth=auth)
        return made, wrong, again

    made, wrong, again = playing(scene)
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert made["client_secret_expires_at"] == 0
    assert error_of(wrong) == (401, "invalid_client")
    assert again.status_code == 200


def test_what_is_wrong_is_told_by_its_name_and_leaves_nothing(playing):
    async def scene(programs, service, clock):
        before = service.store.statements_run
        answers = [
            await programs.register(redirect_uris=["http://app.example/callback"]),
            await programs.register(backchannel_logout_uri="https://app.example/out"),
            await programs.client.post(
                "/registration", content="[]", headers={"Content-Type": "application/json"}
            ),
            await programs.client.post(
                "/registration",
                content='{"a": 1, "a": 2}',
                headers={"Content-Type": "application/json"},
            ),
            await programs.client.post("/registration", data=ASKED),
        ]
        return answers, service.store.statements_run - before

    answers, statements = playing(scene)
    assert [error_of(one) for one in answers] == [
        (400, "invalid_redirect_uri"),
        (400, "invalid_client_metadata"),
        (400, "invalid_client_metadata"),
        (400, "invalid_client_metadata"),
        (415, "invalid_request"),
    ]
    assert "redirect_uris" in answers[0].json()["error_description"]
    assert "backchannel_logout_uri" in answers[1].json()["error_description"]
    assert statements == 0


@pytest.mark.parametrize("mode", ["off", "token", "open"])
def test_it_is_off_unless_it_is_switched_on(playing, mode):
    async def scene(programs, service, clock):
        asked = [
            await programs.client.request(method, path)
            for path, methods in (
                ("/registration", ["POST"]),
                ("/registration/dynamic.x", ["GET", "PUT", "DELETE"]),
            )
            for method in methods
        ]
        document = await programs.client.get("/.well-known/oauth-authorization-server")
        return {one.status_code for one in asked}, document.json()

    statuses, document = playing(scene, mode)
    where = document.get("registration_endpoint")
    if mode == "off":
        assert (statuses, where) == ({404}, None)
    else:
        assert 404 not in statuses
        assert where == "http://127.0.0.1:8400/registration"


@pytest.mark.parametrize("path", ["/registration", "/registration/dynamic.x"])
def test_an_app_in_a_browser_may_ask(playing, path):
    async def scene(programs, service, clock):
        method = "POST" if path == "/registration" else "PUT"
        preflight = await programs.client.options(
            path,
            headers={
                "Origin": "https://app.example",
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": "authorization, content-type",
            },
        )
        asked = await programs.client.request(
            method, path, json=ASKED, headers={"Origin": "https://app.example"}
        )
        return preflight, asked

    for answer in playing(scene):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.status_code in (200, 201, 401)


def test_with_an_initial_access_token_only(playing):
    async def scene(programs, service, clock):
        tokens = service.registrations.tokens
        once, text = await tokens.create(OPERATOR, 3600, 1)
        _, endless = await tokens.create(OPERATOR, None)
        _, short = await tokens.create(OPERATOR, 60)
        gone, revoked = await tokens.create(OPERATOR, None)
        await tokens.revoke(gone.id, OPERATOR)
        wrong = [await programs.register(), await programs.register("x" * 43)]
        # What is refused for another reason uses nothing up.
        await programs.register(text, redirect_uris=[])
        good = [await programs.register(text), await programs.register(endless)]
        clock.advance(60)
        wrong += [await programs.register(one) for one in (text, short, revoked)]
        actors = [one.actor for one in await newest(service.store, 20)]
        return wrong, good, await tokens.all(), actors, once

    wrong, good, tokens, actors, once = playing(scene, "token")
    assert {error_of(one) for one in wrong} == {(401, "invalid_token")}
    assert len({one.text for one in wrong}) == 1
    assert wrong[0].headers["www-authenticate"] == "Bearer"
    assert wrong[1].headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert [one.status_code for one in good] == [201, 201]
    used = {(one.uses, one.most_uses, one.expires_at is None) for one in tokens}
    assert used == {(1, 1, False), (1, None, True), (0, None, False)}
    assert f"registration token {once.id}" in actors


def test_a_token_that_is_good_has_no_part_in_the_slots_of_those_that_guess(playing):
    async def scene(programs, service, clock):
        _, text = await service.registrations.tokens.create(OPERATOR, None)
        burst = throttle.REGISTRATION_HERE.burst
        good = [await programs.register(text) for _ in range(burst + 1)]
        wrong = [await programs.register("x" * 43) for _ in range(burst + 1)]
        return {one.status_code for one in good}, [one.status_code for one in wrong]

    good, wrong = playing(scene, "token")
    assert good == {201}
    assert (set(wrong[:-1]), wrong[-1]) == ({401}, 429)


def test_a_client_sees_to_its_own_registration(playing):
    async def scene(programs, service, clock):
        clock.advance(1)
        made = (await programs.register(client_name="Agent")).json()
        shown = await programs.manage("GET", made)
        clock.advance(1)
        changed = await programs.manage(
            "PUT", made, **ASKED, client_id=made["client_id"], client_name="Better agent"
        )
        again = await programs.manage("GET", made)
        clock.advance(1)
        removed = await programs.manage("DELETE", made)
        after = [await programs.manage(method, made) for method in ("GET", "DELETE")]
        return made, shown, changed, again, removed, after, await newest(service.store, 3)

    made, shown, changed, again, removed, after, entries = playing(scene)
    assert shown.json() == made
    assert changed.json() == again.json() == {**made, "client_name": "Better agent"}
    assert (removed.status_code, removed.content) == (204, b"")
    assert {error_of(one) for one in after} == {(401, "invalid_token")}
    events = ["client_removed", "client_changed", "client_created"]
    assert [one.event for one in entries] == events


def test_what_is_left_out_of_a_change_has_its_default_again(playing):
    async def scene(programs, service, clock):
        key = Key.generate("ES256").public.to_jwk()
        made = (await programs.register(client_name="Agent", jwks={"keys": [key]})).json()
        changed = await programs.manage(
            "PUT", made, client_id=made["client_id"], redirect_uris=[CALLBACK]
        )
        return changed.json()

    changed = playing(scene)
    assert not {"client_name", "jwks"} & set(changed)
    assert changed["token_endpoint_auth_method"] == "client_secret_basic"
    # It had none until now.
    assert len(changed["client_secret"]) == 43


def test_a_client_can_not_choose_its_secret_or_its_id(playing):
    async def scene(programs, service, clock):
        made = (await programs.register(token_endpoint_auth_method="client_secret_post")).json()
        said = {
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "client_secret_post",
            "client_id": made["client_id"],
        }
        other = (await programs.register()).json()
        answers = [
            await programs.manage("PUT", made, **said, client_secret="x" * 43),
            await programs.manage("PUT", made, **said, client_secret=5),
            await programs.manage("PUT", made, **{**said, "client_id": other["client_id"]}),
            await programs.manage("PUT", made, **{**said, "client_id": None}),
        ]
        same = await programs.manage("PUT", made, **said, client_secret=made["client_secret"])
        kept = await programs.manage("PUT", made, **said)
        form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": made["client_id"]}
        proved = await programs.client.post(
            "/token", data={**form, "client_secret": made["client_secret"]}
        )
        public = await programs.manage(
            "PUT", made, **{**said, "token_endpoint_auth_method": "none"}
        )
        after = await programs.client.post(
            "/token", data={**form, "client_secret": made["client_secret"]}
        )
        return made, answers, same, kept, proved, public, after

    made, answers, same, kept, proved, public, after = playing(scene)
    assert {error_of(one) for one in answers} == {(400, "invalid_client_metadata")}
    assert same.json() == made
    assert "client_secret" not in kept.json()
    assert error_of(proved)[1] == "unauthorized_client"
    assert "client_secret" not in public.json()
    assert error_of(after) == (401, "invalid_client")


def test_attack_anothers_registration_with_ones_own_token(playing):
    async def scene(programs, service, clock):
        victim, thief = [(await programs.register()).json() for _ in range(2)]
        own, there = thief["registration_access_token"], victim["client_id"]
        nobody = {"registration_client_uri": "/registration/dynamic.nobody"}
        strange = {"registration_client_uri": "/registration/app"}
        answers = [
            await programs.manage("GET", victim, own),
            await programs.manage("PUT", victim, own, **ASKED, client_id=there),
            await programs.manage("PUT", victim, own, **ASKED, client_id=thief["client_id"]),
            await programs.manage("DELETE", victim, own),
            await programs.manage("GET", nobody, own),
            await programs.manage("DELETE", nobody, own),
            await programs.manage("GET", strange, own),
            await programs.manage("GET", victim, "x"),
        ]
        return answers, victim, (await programs.manage("GET", victim)).json()

    answers, victim, after = playing(scene)
    assert {error_of(one) for one in answers} == {(401, "invalid_token")}
    # Nothing tells which of them there are.
    assert len({one.text for one in answers}) == 1
    assert after == victim


def test_attack_a_client_changes_its_redirect_after_it_was_let_in(playing):
    async def scene(programs, service, clock):
        grants = ["authorization_code", "refresh_token"]
        made = (await programs.register(grant_types=grants)).json()
        browser = Inside(service)
        asked, told = await browser.authorize(wish(made))
        tokens = (await browser.exchange(asked, told["code"])).json()
        waiting, unused = await browser.authorize(wish(made))

        same = {**ASKED, "grant_types": grants, "client_id": made["client_id"]}
        await programs.manage("PUT", made, **same, client_name="Only another name")
        lives = await browser.refresh(tokens["refresh_token"], made["client_id"])

        elsewhere = ["https://evil.example/callback"]
        moved = await programs.manage("PUT", made, **{**same, "redirect_uris": elsewhere})
        ended = await browser.refresh(lives.json()["refresh_token"], made["client_id"])
        code = await browser.exchange(waiting, unused["code"])
        silent = wish(moved.json(), prompt="none").parameters
        refused = await browser.client.get("/authorize", params=silent)
        old = await browser.client.get("/authorize", params=wish(made).parameters)
        account = await service.accounts.find("alice")
        return lives, ended, code, refused, old, await service.consents.applications(account.id)

    lives, ended, code, refused, old, applications = playing(scene)
    assert lives.status_code == 200
    assert error_of(ended) == (400, "invalid_grant")
    assert error_of(code) == (400, "invalid_grant")
    assert (refused.status_code, "location" in refused.headers) == (400, False)
    assert old.status_code == 400
    assert applications == []


@pytest.mark.parametrize("resource", ["orders", "default", "http://127.0.0.1:8400"])
def test_attack_a_resource_that_is_not_open_to_such_clients(playing, resource):
    async def scene(programs, service, clock):
        made = (await programs.register(redirect_uris=[LOOPBACK], first_party=True)).json()
        _, told = await Inside(service).authorize(wish(made, resource=resource))
        return told

    assert playing(scene)["error"] == "invalid_target"


def test_what_it_asks_for_by_default_is_open_to_it_and_no_more_than_that_offers(playing):
    async def scene(programs, service, clock):
        scope = "carnet:admin tools:read orders:read"
        made = (await programs.register(scope=scope, first_party=True)).json()
        browser = Inside(service)
        asked, told = await browser.authorize(wish(made, resource=None, scope=None))
        return (await browser.exchange(asked, told["code"])).json()

    claims = inspect(playing(scene)["access_token"]).claims
    assert (claims["aud"], claims["scope"]) == (TOOLS, "tools:read")
    assert "roles" not in claims


def test_attack_a_link_that_begins_here_and_ends_where_a_stranger_wants(playing):
    async def scene(programs, service, clock):
        web = (await programs.register()).json()
        device = (await programs.register(redirect_uris=[LOOPBACK])).json()
        browser, found = Inside(service), []
        wrong = ({"scope": "x"}, {"resource": "x"}, {"prompt": "none"}, {"response_type": "x"})
        for _ in ("a stranger", "somebody who has signed in"):
            asked = [(wish(web, **one), wish(device, **one)) for one in wrong]
            found.append(
                [
                    [await browser.client.get("/authorize", params=one.parameters) for one in pair]
                    for pair in asked
                ]
            )
            await browser.sign_in()
        browser.typed["decision"] = "deny"
        _, denied = await browser.authorize(wish(web))
        return found, denied

    (strange, known), denied = playing(scene)
    for answer in (one for pair in strange for one in pair):
        assert answer.headers.get("location", "/sign-in?").startswith("/sign-in?")
    for web, device in known:
        assert (web.status_code, "location" in web.headers) == (400, False)
        assert "app.example" in web.text
        # A program on the person's own device is told.
        assert device.headers["location"].startswith(LOOPBACK)
    assert denied["error"] == "access_denied"


def test_attack_the_services_own_api_with_the_token_of_such_a_client(playing):
    async def scene(programs, service, clock):
        made = (await programs.register()).json()
        browser = Inside(service)
        asked, told = await browser.authorize(wish(made))
        code = {"resource": service.settings.own_url}
        widened = await browser.exchange(asked, told["code"], **code)
        tokens = (await browser.exchange(asked, told["code"])).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        asked = [
            await programs.client.get(path, headers=headers)
            for path in ("/clients", "/accounts", "/account", "/sessions", "/resources")
        ]
        own = {"client_id": made["client_id"], "token": tokens["access_token"]}
        told = await programs.client.post("/introspection", data=own)
        return widened, asked, told

    widened, asked, told = playing(scene)
    assert error_of(widened) == (400, "invalid_target")
    assert {one.status_code for one in asked} == {401}
    assert error_of(told) == (401, "invalid_client")


def test_attack_a_flood_of_registrations(playing):
    async def scene(programs, service, clock):
        await service.background.follow()
        generation = service.registry.generation
        counters = await service.store.read("SELECT name, value FROM counter ORDER BY name")
        await programs.register()
        before = service.store.statements_run
        await programs.register()
        one = service.store.statements_run - before
        here = [await programs.register() for _ in range(throttle.REGISTRATION_HERE.burst)]
        statuses = []
        # From everywhere at once, as long as it takes.
        for network in range(throttle.REGISTRATION.burst):
            answer = await Programs(service, f"203.0.{network // 256}.{network % 256}").register()
            statuses.append(answer.status_code)
        before = service.store.statements_run
        refused = await Programs(service, "198.51.100.7").register()
        cost = service.store.statements_run - before
        [(rows,)] = await service.store.read("SELECT COUNT(*) FROM unregistered_client")
        await service.background.follow()
        after = await service.store.read("SELECT name, value FROM counter ORDER BY name")
        same = (service.registry.generation == generation, after == counters)
        remembered = len(service.registry.unregistered._remembered)
        return one, here[-1], statuses, refused, cost, rows, same, remembered

    one, here, statuses, refused, cost, rows, same, remembered = playing(scene)
    # Two slots, the client, and what the audit log says of it.
    assert one == 4
    assert error_of(here) == (429, "temporarily_unavailable")
    assert int(here.headers["retry-after"]) >= 1
    assert statuses.count(429) >= throttle.REGISTRATION_HERE.burst
    assert refused.status_code == 429
    assert cost <= 3
    assert rows == throttle.REGISTRATION.burst
    # No process reads anything again, or holds any of them.
    assert same == (True, True)
    assert remembered == 0


def test_attack_changes_take_slots_as_registrations_do(playing):
    async def scene(programs, service, clock):
        made = (await programs.register()).json()
        said = {**ASKED, "client_id": made["client_id"]}
        burst = throttle.REGISTRATION_HERE.burst
        return [(await programs.manage("PUT", made, **said)).status_code for _ in range(burst)]

    statuses = playing(scene)
    assert (set(statuses[:-1]), statuses[-1]) == ({200}, 429)


def test_there_are_as_many_clients_as_there_may_be(playing, monkeypatch):
    monkeypatch.setattr(registrations, "MOST_CLIENTS", 3)

    async def scene(programs, service, clock):
        made = [await programs.register() for _ in range(5)]
        # Another process has not seen them come.
        fresh = registrations.Registrations(
            service.store, service.registry.unregistered, service.throttle, service.settings, clock
        )
        with pytest.raises(registrations.RegistrationsFull):
            await fresh.register(ASKED, OPERATOR, None)
        await programs.manage("DELETE", made[0].json())
        clock.advance(61)
        return made, await programs.register()

    made, after = playing(scene)
    assert [one.status_code for one in made] == [201, 201, 201, 503, 503]
    assert made[-1].headers["retry-after"] == "3600"
    assert after.status_code == 201


def test_what_throttling_lets_in_never_fills_what_there_may_be():
    interval, burst = throttle.REGISTRATION.interval, throttle.REGISTRATION.burst
    most = burst + DAY * 1_000_000 // interval
    assert most * 5 < registrations.MOST_CLIENTS


def test_those_that_nobody_uses_go_after_a_day_and_the_others_after_ninety(playing):
    async def scene(programs, service, clock):
        grants = ["authorization_code", "refresh_token"]
        unused, used = [(await programs.register(grant_types=grants)).json() for _ in range(2)]
        browser = Inside(service)
        asked, told = await browser.authorize(wish(used))
        tokens = (await browser.exchange(asked, told["code"])).json()

        async def there():
            await service.background.sweep()
            return [(await programs.manage("GET", one)).status_code for one in (unused, used)]

        found = [await there()]
        clock.advance(DAY + 1)
        found.append(await there())
        clock.advance(12 * DAY)
        again = await browser.refresh(tokens["refresh_token"], used["client_id"])
        clock.advance(89 * DAY)
        found.append(await there())
        clock.advance(2 * DAY)
        found.append(await there())
        account = await service.accounts.find("alice")
        return again, found, await service.consents.applications(account.id)

    again, found, applications = playing(scene)
    assert again.status_code == 200
    assert found == [[200, 200], [401, 200], [401, 200], [401, 401]]
    assert applications == []


def test_sweeping_those_that_nobody_used_is_one_statement_for_many(playing):
    async def scene(programs, service, clock):
        _, text = await service.registrations.tokens.create(OPERATOR, None)
        for _ in range(40):
            await programs.register(text)
        clock.advance(DAY + 1)
        await service.background.sweep()
        before = service.store.statements_run
        await service.background.sweep()
        idle = service.store.statements_run - before
        for _ in range(40):
            await programs.register(text)
        clock.advance(DAY + 1)
        before = service.store.statements_run
        await service.background.sweep()
        return idle, service.store.statements_run - before

    idle, many = playing(scene, "token")
    assert many - idle <= 2


def test_a_token_for_three_registers_three_however_many_come_at_once(playing):
    async def scene(programs, service, clock):
        _, text = await service.registrations.tokens.create(OPERATOR, 60, 3)
        answers = await asyncio.gather(*(programs.register(text) for _ in range(8)))
        return sorted(one.status_code for one in answers)

    assert playing(scene, "token") == [201] * 3 + [401] * 5


def test_a_change_and_a_removal_at_once_leave_no_client_behind(playing):
    async def scene(programs, service, clock):
        left = []
        for _ in range(5):
            made = (await programs.register()).json()
            said = {**ASKED, "client_id": made["client_id"], "client_name": "Agent"}
            changed, removed = await asyncio.gather(
                programs.manage("PUT", made, **said), programs.manage("DELETE", made)
            )
            assert removed.status_code == 204
            assert changed.status_code in (200, 401)
            left.append((await programs.manage("GET", made)).status_code)
        return left

    assert playing(scene) == [401] * 5


def test_what_strangers_can_cause_looks_through_no_table(playing, engine):
    if engine:
        pytest.skip("SQLite says what it looks through, whatever there is")

    async def scene(programs, service, clock):
        plans = {}
        for name in (
            "FORGET_CONSENTS_TO_CLIENT",
            "END_SESSIONS_OF_CLIENT",
            "SWEEP_UNREGISTERED_CLIENTS",
            "HOLD_DYNAMIC_CLIENT",
            "USE_REGISTRATION_TOKEN",
            "DYNAMIC_CLIENT_COUNT",
        ):
            text = getattr(sql, name)
            values = [None] * len(set(re.findall(r"\$\d", text)))
            rows = await service.store.read(f"EXPLAIN QUERY PLAN {text}", *values)
            plans[name] = [row[-1] for row in rows]
        return plans

    for name, steps in playing(scene).items():
        assert steps, name
        assert not [step for step in steps if step.startswith("SCAN")], (name, steps)
