"""Pairwise subjects: what each client is told of whom, and what several find out together.

OpenID Connect Core section 8; the modules oidcc-registration-sector-uri and -bad.
"""

import json

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK
from tests.server.inside import Inside, register
from tests.server.strangers import stranger

from carnet import inspect
from carnet.errors import InvalidToken
from carnet.server.audit import OPERATOR, newest
from carnet.server.clients.clients import TOKEN_EXCHANGE, ClientMetadata, ClientRefused
from carnet.server.clients.metadata_checks import check_metadata
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.service import open_service
from carnet.verifier.revocations import RevocationList, read_event

ISSUER = "https://auth.example.com"
BANK, SHOP = "https://bank.example/callback", "https://shop.example/callback"
PAIRWISE = {"subject_type": "pairwise"}
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


@pytest.fixture
def scene_of(play):
    """Run a scene with alice, a bank and a shop, each with pairwise subjects of its own."""

    def run(scene, **settings):
        async def opened(service, clock):
            account = await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
            await register(service, "bank", redirect_uris=(BANK,), **PAIRWISE)
            await register(service, "shop", redirect_uris=(SHOP,), **PAIRWISE)
            return await scene(service, clock, Inside(service), account)

        given = {"issuer": ISSUER, "audiences": ("orders",), **settings}
        return play(opened, **given)

    return run


async def signed_in(alice, client_id="bank", address=BANK, **more):
    asked = {"client_id": client_id, "redirect_uri": address, **more}
    return await alice.tokens(**asked)


def sub(token):
    return inspect(token).claims["sub"]


async def userinfo(alice, token):
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return await alice.client.get("/userinfo", headers=headers)


def test_two_clients_know_nobody_by_the_same_name_and_each_always_by_its_own(scene_of):
    async def scene(service, _clock, alice, account):
        bank, shop = await signed_in(alice), await signed_in(alice, "shop", SHOP)
        again = await signed_in(Inside(service))
        later = (await alice.refresh(bank["refresh_token"], "bank")).json()
        told = [
            *(sub(one["id_token"]) for one in (bank, again, later)),
            *(sub(one["access_token"]) for one in (bank, later)),
            (await userinfo(alice, bank["access_token"])).json()["sub"],
        ]
        others = {sub(shop["id_token"]), sub(shop["access_token"])}
        sids = {inspect(one["id_token"]).claims["sid"] for one in (bank, shop)}
        everything = [
            str(inspect(one[name]).claims)
            for one in (bank, shop)
            for name in one
            if name.endswith("_token") and name != "refresh_token"
        ]
        return set(told), others, len(sids), any(account.id in text for text in everything)

    mine, others, sids, leaks = scene_of(scene)
    assert (len(mine), len(others), sids, leaks) == (1, 1, 2, False)
    assert mine.isdisjoint(others)
    assert len(next(iter(mine))) == 43


def test_no_rotation_and_no_restart_changes_a_name(scene_of):
    async def scene(service, clock, alice, _account):
        before = sub((await signed_in(alice))["id_token"])
        await service.keys.rotate("ES256", OPERATOR)
        await service.change_master_key(OPERATOR)
        rotated = sub((await signed_in(alice))["id_token"])
        async with open_service(service.settings, clock) as other:
            return before, rotated, sub((await signed_in(Inside(other)))["id_token"])

    assert len(set(scene_of(scene))) == 1


def test_clients_of_one_host_are_one_sector_and_programs_on_a_device_none(scene_of):
    async def scene(service, _clock, alice, _account):
        await register(service, "bank-too", redirect_uris=(f"{BANK}/other",), **PAIRWISE)
        apps = {
            "one": "com.example.app:/cb",
            "two": "http://127.0.0.1/cb",
            "three": "http://127.0.0.1/cb",
        }
        for name, address in apps.items():
            await register(service, name, redirect_uris=(address,), **PAIRWISE)
        bank = sub((await signed_in(alice))["id_token"])
        same = sub((await signed_in(alice, "bank-too", f"{BANK}/other"))["id_token"])
        found = [sub((await signed_in(alice, *app))["id_token"]) for app in apps.items()]
        return bank == same, len({bank, *found})

    assert scene_of(scene) == (True, 4)


def test_a_hint_counts_for_whom_it_names_and_for_nobody_else(scene_of):
    async def scene(service, _clock, alice, account):
        await service.accounts.create("bob", PASSWORD)
        bank, shop = await signed_in(alice), await signed_in(alice, "shop", SHOP)
        claims = {"id_token": {"sub": {"value": sub(bank["id_token"])}}}
        by_id = {"id_token": {"sub": {"value": account.id}}}
        found = []
        for more in (
            {"id_token_hint": bank["id_token"]},
            {"id_token_hint": shop["id_token"]},
            {"claims": json.dumps(claims)},
            {"claims": json.dumps(by_id)},
        ):
            asked = {"client_id": "bank", "redirect_uri": BANK, "prompt": "none", **more}
            found.append((await alice.authorize(**asked))[1].get("error"))
        bob = Inside(service, "bob")
        await bob.sign_in()
        hint = {"id_token_hint": bank["id_token"], "prompt": "none"}
        _, answer = await bob.authorize(client_id="bank", redirect_uri=BANK, **hint)
        return found, answer["error"]

    told = scene_of(scene)
    assert told == ([None, None, None, "login_required"], "login_required")


@pytest.mark.parametrize("whose", ["bank", "somebody else's"])
def test_signing_out_with_a_pairwise_id_token_needs_no_question(scene_of, whose):
    async def scene(service, _clock, alice, _account):
        await service.accounts.create("bob", PASSWORD)
        person = alice if whose == "bank" else Inside(service, "bob")
        token = (await signed_in(person))["id_token"]
        await alice.sign_in()
        await alice.client.get("/logout", params={"id_token_hint": token})
        return (await alice.client.get("/me")).status_code

    assert scene_of(scene) == (303 if whose == "bank" else 200)


def test_whoever_is_told_of_a_sign_out_is_told_by_its_own_name(scene_of):
    async def scene(service, _clock, alice, _account):
        address = "https://bank.example/logout"
        more = {"redirect_uris": (BANK,), "backchannel_logout_uri": address, **PAIRWISE}
        await register(service, "told", **more)
        tokens = await signed_in(alice, "told")
        told = []

        async def hear(_address, token):
            told.append(sub(token))
            return 200

        service.logout_notices._post = hear
        await service.sessions.end(inspect(tokens["id_token"]).claims["sid"], "signed_out")
        await service.logout_notices.send_due()
        return told, [sub(tokens["id_token"])]

    told, expected = scene_of(scene)
    assert told == expected


async def known_to_verifiers(service):
    """Give what a verifier knows that has read the stream up to now."""
    known = RevocationList()
    stream = service.revocation_stream.read(None)
    event = await anext(stream)
    await stream.aclose()
    data = event.decode().partition("data: ")[2].strip()
    payload = read_event(data, service.keys.published, ISSUER)
    known.apply(payload, 0.0, float(payload["iat"]))
    return known


@pytest.mark.parametrize("change", ["roles", "password", "all sessions"])
def test_what_changes_an_account_reaches_verifiers_for_pairwise_tokens_too(scene_of, change):
    async def scene(service, _clock, alice, account):
        tokens = [await signed_in(alice), await signed_in(alice, "shop", SHOP)]
        claims = [inspect(one["access_token"]).claims for one in tokens]
        before = await known_to_verifiers(service)
        for one in claims:
            before.check(one)
        if change == "roles":
            await service.accounts.set_roles(account.id, ("OTHER",), OPERATOR)
        elif change == "password":
            await service.accounts.set_password(account.id, f"{PASSWORD} other", OPERATOR)
        else:
            await service.sessions.end_all(account.id, "signed_out", OPERATOR)
        after = await known_to_verifiers(service)
        codes = []
        for one in claims:
            with pytest.raises(InvalidToken) as refused:
                after.check(one)
            codes.append(refused.value.code)
        here = [(await userinfo(alice, one["access_token"])).status_code for one in tokens]
        return codes, here

    assert scene_of(scene) == (["revoked", "revoked"], [401, 401])


def test_the_stream_has_nothing_more_for_accounts_that_have_no_other_names(scene_of):
    async def scene(service, _clock, _alice, account):
        await service.sessions.end_all(account.id, "signed_out", OPERATOR)
        return [entry.kind for entry in (await service.revocations.newest(9)).entries]

    assert scene_of(scene) == ["sub"]


def test_a_service_is_told_of_a_token_what_stands_in_it(scene_of):
    async def scene(service, _clock, alice, account):
        introspects = {
            "introspects": ("orders",),
            "token_endpoint_auth_method": "client_secret_basic",
        }
        secret = await register(service, "orders", **introspects)
        token = (await signed_in(alice, resource="orders"))["access_token"]

        async def ask():
            form = {"token": token}
            answer = await alice.client.post("/introspection", data=form, auth=("orders", secret))
            return answer.json()

        good = await ask()
        await service.accounts.set_roles(account.id, ("OTHER",), OPERATOR)
        return good["active"], good["sub"] == sub(token), account.id in str(good), await ask()

    assert scene_of(scene) == (True, True, False, {"active": False})


def test_a_program_that_goes_on_with_a_token_learns_no_other_name(scene_of):
    async def scene(service, _clock, alice, account):
        for name in ("orders", "billing", "ledger"):
            await service.registry.add_resource(name, ResourceMetadata(scopes=("pay",)), OPERATOR)
        acts = {
            "grant_types": (TOKEN_EXCHANGE,),
            "token_endpoint_auth_method": "client_secret_basic",
            "exchange_from": ("orders",),
            "exchange_to": ("billing",),
            "redirect_uris": (),
        }
        secret = await register(service, "agent", **acts)
        token = (await signed_in(alice, scope="openid pay", resource="orders"))["access_token"]
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
        }
        given = (await alice.token(("agent", secret), **form)).json()["access_token"]
        # Nor does the one after it.
        acts |= {"exchange_from": ("billing",), "exchange_to": ("ledger",)}
        further = ("further", await register(service, "further", **acts))
        last = await alice.token(further, **{**form, "subject_token": given})
        assert sub(last.json()["access_token"]) == sub(token)
        listed = {one.client_id for one in await service.agents.of_account(account.id)}
        await service.accounts.set_roles(account.id, ("OTHER",), OPERATOR)
        stale = await known_to_verifiers(service)
        with pytest.raises(InvalidToken):
            stale.check(inspect(given).claims)
        again = (await alice.token(("agent", secret), **form)).json()["error"]
        return sub(given) == sub(token), account.id in str(inspect(given).claims), listed, again

    assert scene_of(scene) == (True, False, {"agent", "further"}, "invalid_request")


def test_administration_by_such_a_client_is_the_accounts(scene_of):
    async def scene(service, _clock, alice, account):
        more = {"scope": "openid carnet:admin", "resources": (ISSUER,)}
        await register(service, "console", redirect_uris=(BANK,), **more, **PAIRWISE)
        asked = {"scope": "openid carnet:admin", "resource": ISSUER}
        token = (await signed_in(alice, "console", **asked))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        made = await alice.client.post(
            "/accounts", json={"username": "bob", "password": PASSWORD}, headers=headers
        )
        events = [e for e in await newest(service.store, 20) if e.actor is not None]
        return made.status_code, sub(token) == account.id, {e.actor for e in events} - {account.id}

    status, same, others = scene_of(scene)
    assert (status, same) == (201, False)
    assert not {one for one in others if len(one) == 43}


SECTOR = {"redirect_uris": (BANK, SHOP), **PAIRWISE}


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


def named(there):
    return {"sector_identifier_uri": f"{there.url}/sector.json"}


def test_clients_that_one_document_lists_are_one_sector(there, scene_of):
    """oidcc-registration-sector-uri"""
    there.put("/sector.json", json.dumps([BANK, SHOP, "https://more.example/"]).encode())

    async def scene(service, _clock, alice, _account):
        await register(service, "one", **SECTOR, **named(there))
        await register(service, "two", **{**SECTOR, "redirect_uris": (SHOP,)}, **named(there))
        one = sub((await signed_in(alice, "one"))["id_token"])
        fetched = len(there.requests)
        # What was checked is not fetched again, unless something about it is new.
        await service.registry.edit_client("one", {"client_name": "One"}, OPERATOR)
        unchanged = len(there.requests)
        await service.registry.edit_client("one", {"redirect_uris": (BANK,)}, OPERATOR)
        return (
            one == sub((await signed_in(alice, "two", SHOP))["id_token"]),
            one == sub((await signed_in(alice))["id_token"]),
            (fetched, unchanged, len(there.requests)),
        )

    assert scene_of(scene, private_hosts=("localhost",)) == (True, False, (2, 2, 3))


@pytest.mark.parametrize(
    ("put", "about"),
    [
        ((json.dumps([BANK]).encode(),), "does not list https://shop.example/callback"),
        ((b"[]",), "does not list"),
        ((b"{}",), "JSON array"),
        ((b"[1]",), "JSON array"),
        ((b'["' + b"x" * 70_000 + b'"]',), "longer"),
        ((b"", {"Location": "https://bank.example/"}, "302 Found"), "answers 302"),
        ((b"[]", {}, "404 Not Found"), "answers 404"),
    ],
    ids=str,
)
@pytest.mark.parametrize("engine", [""])
def test_a_client_that_its_sector_does_not_list_is_refused(there, scene_of, put, about, engine):
    """oidcc-registration-sector-bad; whoever names another's host learns nothing by it"""
    there.put("/sector.json", *put)

    async def scene(service, _clock, _alice, _account):
        with pytest.raises(ClientRefused) as refused:
            await register(service, "one", **SECTOR, **named(there))
        return refused.value.member, str(refused.value), service.registry.client("one")

    member, text, made = scene_of(scene, private_hosts=("localhost",))
    assert (member, made) == ("sector_identifier_uri", None)
    assert about in text


@pytest.mark.parametrize("engine", [""])
def test_nothing_is_fetched_from_a_private_address(there, scene_of, engine):
    there.put("/sector.json", json.dumps([BANK, SHOP]).encode())

    async def scene(service, _clock, _alice, _account):
        with pytest.raises(ClientRefused, match="no public address"):
            await register(service, "one", **SECTOR, **named(there))
        return there.connections

    assert scene_of(scene) == 0


@pytest.mark.parametrize(
    ("more", "member"),
    [
        ({"redirect_uris": (BANK, SHOP)}, "sector_identifier_uri"),
        ({"sector_identifier_uri": "http://127.0.0.1/sector"}, "sector_identifier_uri"),
        ({"sector_identifier_uri": "https://user@bank.example/"}, "sector_identifier_uri"),
        ({"subject_type": "public", "sector_identifier_uri": BANK}, "sector_identifier_uri"),
        (
            {
                "grant_types": ("authorization_code", TOKEN_EXCHANGE),
                "exchange_from": ("a",),
                "exchange_to": ("b",),
            },
            "subject_type",
        ),
    ],
    ids=str,
)
def test_what_makes_no_sector_is_refused(more, member):
    with pytest.raises(ClientRefused) as refused:
        check_metadata(ClientMetadata(**{"redirect_uris": (BANK,), **PAIRWISE, **more}))
    assert refused.value.member == member


@pytest.mark.parametrize("engine", [""])
@pytest.mark.parametrize("mode", ["open", "token"])
def test_whoever_has_no_token_for_registrations_makes_the_service_fetch_nothing(
    there, scene_of, mode, engine
):
    there.put("/sector.json", json.dumps([BANK, SHOP]).encode())
    asked = {
        "redirect_uris": [BANK, SHOP],
        "token_endpoint_auth_method": "none",
        "subject_type": "pairwise",
        **named(there),
    }

    async def scene(service, _clock, alice, _account):
        async def send(token, **more):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return await alice.client.post("/registration", json={**asked, **more}, headers=headers)

        refused = [await send(None), await send("made-up")]
        fetched = there.connections
        _, token = await service.registrations.tokens.create(OPERATOR, None)
        good = await send(token)
        bad = await send(token, redirect_uris=[BANK, CALLBACK])
        return [one.status_code for one in refused], fetched, good, bad

    settings = {"client_registration": mode, "private_hosts": ("localhost",)}
    refused, fetched, good, bad = scene_of(scene, **settings)
    assert fetched == 0
    assert refused == ([400, 400] if mode == "open" else [401, 401])
    if mode == "open":
        assert good.json()["error"] == "invalid_client_metadata"
        assert there.connections == 0
    else:
        assert (good.status_code, good.json()["subject_type"]) == (201, "pairwise")
        assert (bad.status_code, bad.json()["error"]) == (400, "invalid_client_metadata")
