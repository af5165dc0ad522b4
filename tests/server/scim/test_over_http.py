"""SCIM over HTTP: who may ask, and what bad input gets."""

import httpx
import pytest
from tests.server.conftest import PASSWORD

from carnet.server.app import build_app
from carnet.server.audit import OPERATOR, newest
from carnet.server.scim.tokens import ScimTokenUnknown

PLACES = [
    ("GET", "/ServiceProviderConfig"),
    ("GET", "/Schemas"),
    ("GET", "/ResourceTypes/User"),
    ("GET", "/Users"),
    ("POST", "/Users"),
    ("PATCH", "/Users/x"),
    ("DELETE", "/Groups/x"),
    ("POST", "/Bulk"),
    ("GET", "/nothing/here"),
]


def test_nothing_is_there_unless_it_is_switched_on(play):
    async def scene(service, clock):
        _, token = await service.scim.tokens.create(OPERATOR, None)
        headers = {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(build_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return [
                (await client.request(method, f"/scim/v2{path}", headers=headers)).status_code
                for method, path in PLACES
            ]

    assert set(play(scene)) == {404}


def test_without_a_good_token_nothing_is_told_and_no_body_is_read(directory):
    async def scene(found):
        service, clock = found.service, found.clock
        await service.accounts.create("root", PASSWORD, ("carnet:admin",))
        own = {"username": "root", "password": PASSWORD, "resource": "https://auth.example"}
        signed_in = await found.client.post("https://auth.example/sessions", json=own)
        _, short = await service.scim.tokens.create(OPERATOR, 60)
        revoked_id, revoked = await service.scim.tokens.create(OPERATOR, None)
        await service.scim.tokens.revoke(revoked_id.id, OPERATOR)
        clock.advance(61)
        wrong = ["", "Bearer", "Bearer x", f"Basic {found.token}", f"Bearer {found.token[:-1]}"]
        wrong += [f"Bearer {text}" for text in (short, revoked, "scim_" + "A" * 43)]
        # Of an administrator's, too: it is good for something else.
        wrong.append(f"Bearer {signed_in.json()['access_token']}")
        body = b"x" * 2_000_000
        for given in wrong:
            for method, path in PLACES:
                answer = await found.client.request(
                    method, path, headers={"Authorization": given}, content=body
                )
                assert answer.status_code == 401, (given, path)
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.json()["status"] == "401"
        two = [("Authorization", f"Bearer {found.token}")] * 2
        del found.client.headers["Authorization"]
        assert (await found.client.get("/Users", headers=two)).status_code == 401

    directory(scene)


def test_what_has_not_the_form_of_a_token_never_costs_a_look_at_the_database(directory):
    async def scene(found):
        store = found.service.store
        before = store.statements_run
        for text in ("x", "scim_", "scim_" + "é" * 43, "A" * 43, "scim_" + "A" * 5000):
            assert await found.service.scim.tokens.good(text) is None
        assert store.statements_run == before

    directory(scene)


def test_tokens_are_kept_as_hashes_listed_and_revoked(directory):
    async def scene(found):
        service = found.service
        made, text = await service.scim.tokens.create(OPERATOR, 60)
        rows = await service.store.read("SELECT * FROM scim_token")
        assert text not in repr(rows)
        listed = await service.scim.tokens.all()
        assert made in listed
        await service.scim.tokens.revoke(made.id, OPERATOR)
        assert made not in await service.scim.tokens.all()
        with pytest.raises(ScimTokenUnknown):
            await service.scim.tokens.revoke(made.id, OPERATOR)
        await service.scim.tokens.create(OPERATOR, 60)
        found.clock.advance(60 + 2 * 86_400)
        await service.background.sweep()
        assert len(await service.scim.tokens.all()) == 1
        return [one.event for one in await newest(service.store, 9)], [
            one.reason for one in await newest(service.store, 9)
        ]

    events, reasons = directory(scene)
    assert {"scim_token_created", "scim_token_revoked"} <= set(events)
    assert "scim_" not in repr(reasons)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{}", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"x"', "application/scim+json", 400),
        (b"{", "application/scim+json", 400),
        (b'{"userName": "a", "userName": "b"}', "application/scim+json", 400),
        (b'{"userName": "\xff"}', "application/scim+json", 400),
        (b"[" * 100_000, "application/scim+json", 400),
        (b'{"userName": "' + b"a" * 2_000_000 + b'"}', "application/scim+json", 413),
    ],
)
def test_a_body_that_is_none_is_refused_in_the_words_of_scim(directory, content, kind, status):
    async def scene(found):
        answer = await found.client.post("/Users", content=content, headers={"Content-Type": kind})
        assert answer.status_code == status
        assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert answer.json()["status"] == str(status)

    directory(scene)


def test_filters_find_users_and_say_what_is_wrong_with_them(directory):
    async def scene(found):
        await found.user("ada", externalId="1", emails=[{"value": "a@example.com", "type": "work"}])
        await found.user("grace", externalId="2", active=False)
        for text, names in (
            ('userName eq "ADA"', ["ada"]),
            ('userName eq "ada" and active eq false', []),
            ('externalId eq "2"', ["grace"]),
            ('externalId eq "2" or userName eq "ada"', ["ada", "grace"]),
            ('emails[type eq "work"].value eq "a@example.com"', None),
            ('emails[type eq "work" and value eq "a@example.com"]', ["ada"]),
            ("active eq false", ["grace"]),
            ('userName eq "nobody"', []),
        ):
            answer = await found.send("GET", "/Users", params={"filter": text})
            if names is None:
                assert answer.status_code == 400
                continue
            found_names = sorted(one["userName"] for one in answer.json()["Resources"])
            assert (found_names, answer.json()["totalResults"]) == (names, len(names))
        for wrong in ('nobody eq "x"', "userName", 'groups.value eq "x"'):
            answer = await found.send("GET", "/Users", params={"filter": wrong}, status=400)
            assert answer.json()["scimType"] == "invalidFilter"

    directory(scene)


def test_looking_through_all_users_has_an_end(directory, monkeypatch):
    monkeypatch.setattr("carnet.server.scim.users.MOST_SCANNED", 2)
    monkeypatch.setattr("carnet.server.scim.groups.MOST_SCANNED", 2)

    async def scene(found):
        for number in range(3):
            await found.user(f"user{number}")
            await found.group(f"group{number}", externalId=str(number))
        for path, easy in (("/Users", 'userName eq "user1"'), ("/Groups", 'externalId eq "1"')):
            query = {"filter": 'displayName co "x"'}
            answer = await found.send("GET", path, params=query, status=400)
            assert answer.json()["scimType"] == "tooMany"
            assert len(await found.found(path, easy)) == 1

    directory(scene)


def test_a_row_that_can_not_be_read_hides_no_other(directory):
    async def scene(found):
        made = await found.user("ada")
        grace = await found.user("grace")
        damage = "UPDATE scim_user SET created_at = $1, changed_at = $2 WHERE account_id = $3"
        await found.service.store.write(damage, 2**62, -(2**62), grace["id"])
        poison = "UPDATE scim_user SET content = 'x' WHERE account_id = $1"
        await found.service.store.write(poison, made["id"])
        listed = await found.send("GET", "/Users", status=200)
        assert [one["userName"] for one in listed.json()["Resources"]] == ["grace"]
        assert await found.found("/Users", "active eq true") == ["grace"]

    directory(scene)


def test_both_kinds_of_selection_at_once_are_refused(directory):
    async def scene(found):
        made = await found.user(name={"givenName": "A", "familyName": "L"}, title="x")
        path = f"/Users/{made['id']}"
        few = await found.send("GET", path, params={"attributes": "name.givenName"}, status=200)
        assert few.json().keys() == {"id", "schemas", "name"}
        assert few.json()["name"] == {"givenName": "A"}
        query = {"excludedAttributes": "name.givenName,title"}
        rest = await found.send("GET", path, params=query, status=200)
        assert rest.json()["name"] == {"familyName": "L"}
        assert "title" not in rest.json()
        both = {"attributes": "name", "excludedAttributes": "title"}
        await found.send("GET", path, params=both, status=400)

    directory(scene)
