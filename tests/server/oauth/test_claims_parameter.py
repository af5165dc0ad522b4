"""Single claims, asked for by the parameter ``claims`` (OpenID Connect Core section 5.5)."""

import json

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import Request, hidden
from tests.server.inside import Inside, change, register

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import Resource, ResourceMetadata
from carnet.server.clients.scopes import ScopeTable
from carnet.server.oauth.claims_request import BadClaims, read_claims
from carnet.server.settings import ScopeRelease, Settings

OWN = {"name": "Alice", "email": "alice@example.com", "department": "press", "note": "mine"}
SCOPES = {"work": ScopeRelease(claims=("department",), tokens=("userinfo",))}


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser and a client."""

    def run(scene, **metadata):
        async def opened(service, _clock):
            account = await service.accounts.create("alice", PASSWORD, (), OWN)
            await register(service, **metadata)
            return await scene(service, Inside(service), account)

        return play(opened, scopes=SCOPES)

    return run


def wishes(**places):
    return json.dumps(places)


async def told(alice, tokens):
    """Give what the ID token and UserInfo say of the account."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    userinfo = (await alice.client.get("/userinfo", headers=headers)).json()
    said = inspect(tokens["id_token"]).claims
    return (
        {name: value for name, value in said.items() if name in OWN},
        {name: value for name, value in userinfo.items() if name != "sub"},
    )


@pytest.mark.parametrize("wish", [None, {"essential": True}, {"value": "Bob"}, {"values": ["x"]}])
def test_a_claim_is_told_in_the_place_that_it_is_asked_for(scene_of, wish):
    async def scene(_service, alice, _account):
        first = await told(alice, await alice.tokens(claims=wishes(userinfo={"name": wish})))
        second = await told(alice, await alice.tokens(claims=wishes(id_token={"name": wish})))
        return first, second

    assert scene_of(scene) == (({}, {"name": "Alice"}), ({"name": "Alice"}, {}))


def test_it_is_told_after_a_refresh_too(scene_of):
    async def scene(_service, alice, _account):
        asked = wishes(userinfo={"name": None}, id_token={"email": None})
        tokens = await alice.tokens(claims=asked)
        return await told(alice, (await alice.refresh(tokens["refresh_token"])).json())

    assert scene_of(scene) == ({"email": OWN["email"]}, {"name": "Alice"})


@pytest.mark.parametrize("name", ["note", "unheard-of", "department", "name#fr", ""])
def test_what_no_scope_releases_there_is_left_out_and_no_error(scene_of, name):
    async def scene(_service, alice, _account):
        return await told(alice, await alice.tokens(claims=wishes(id_token={name: None})))

    assert scene_of(scene) == ({}, {})


def test_a_claim_of_a_scope_of_ones_own_is_told_where_that_tells_it(scene_of):
    async def scene(_service, alice, _account):
        return await told(alice, await alice.tokens(claims=wishes(userinfo={"department": None})))

    assert scene_of(scene) == ({}, {"department": "press"})


def test_a_client_gets_no_claim_of_a_scope_that_it_may_not_have(scene_of):
    async def scene(service, alice, _account):
        asked = {"scope": "openid email", "claims": wishes(userinfo={"name": None, "email": None})}
        first = await told(alice, await alice.tokens(**asked))
        # Not by naming it as a scope, nor where a resource knows one of that name.
        metadata = ResourceMetadata(scopes=("userinfo:name", "read"))
        await service.registry.add_resource("orders", metadata, OPERATOR)
        await change(service, scope="openid email userinfo:name read")
        more = {"scope": "openid email userinfo:name", "resource": "orders"}
        second = await told(alice, await alice.tokens(**more))
        return first, second

    email = {"email": OWN["email"]}
    assert scene_of(scene, scope="openid email") == ((email, email),) * 2


def test_a_client_that_has_less_now_gets_less_at_its_next_refresh(scene_of):
    async def scene(service, alice, _account):
        tokens = await alice.tokens(claims=wishes(userinfo={"name": None, "email": None}))
        await change(service, scope="openid email")
        return await told(alice, (await alice.refresh(tokens["refresh_token"])).json())

    assert scene_of(scene) == ({}, {"email": OWN["email"]})


def test_without_openid_nothing_is_asked_for(scene_of):
    async def scene(_service, alice, _account):
        asked = {"scope": "profile", "claims": wishes(userinfo={"email": None})}
        return (await alice.tokens(**asked))["scope"]

    assert scene_of(scene) == "profile"


def test_people_are_asked_for_each_claim_once_and_again_for_another(scene_of):
    async def scene(_service, alice, _account):
        await alice.sign_in()
        both = wishes(userinfo={"name": None, "phone_number": None}, id_token={"name": None})
        asked = Request(scope="openid phone", claims=both)
        page = await alice.client.get("/authorize", params=asked.parameters)
        words = page.text.partition("<ul>")[2].partition("</ul>")[0]
        await alice.client.post("/authorize/decision", data={**alice.typed, **hidden(page.text)})
        again = await alice.client.get("/authorize", params=asked.parameters)
        more = Request(claims=wishes(userinfo={"name": None, "email": None}))
        third = await alice.client.get("/authorize", params=more.parameters)
        return words.count("<li>"), words, again.is_redirect, third.status_code

    count, words, remembered, asked_again = scene_of(scene)
    # That it is you; the number, which a scope tells, too; and the name, once for two places.
    assert (count, remembered, asked_again) == (3, True, 200)
    assert "read your name" in words
    assert "userinfo:" not in words


def test_a_claim_hides_no_scope_of_its_name():
    table = ScopeTable(Settings(scopes=SCOPES))
    resource = Resource("hr", ResourceMetadata(scopes=("department",)))
    assert table.describe(["department", "userinfo:department"], resource) == [
        ("department", ""),
        ("department", "read your department"),
    ]


@pytest.mark.parametrize("place", ["id_token", "userinfo"])
def test_a_subject_that_is_asked_for_has_to_be_the_one_who_signs_in(scene_of, place):
    async def scene(_service, alice, account):
        right = wishes(**{place: {"sub": {"value": account.id}}})
        one_of = wishes(**{place: {"sub": {"values": ["x", account.id]}}})
        wrong = wishes(**{place: {"sub": {"value": "somebody else"}}})
        found = []
        for claims in (right, one_of, wrong):
            answer = (await alice.authorize(claims=claims))[1]
            found.append(answer.get("error", "code" in answer))
        silent = (await alice.authorize(claims=wrong, prompt="none"))[1]["error"]
        return found, silent

    assert scene_of(scene) == ([True, True, "login_required"], "login_required")


def test_a_sign_in_that_is_essential_and_can_not_be_had_is_refused(scene_of):
    async def scene(_service, alice, _account):
        found = []
        for wish in ({"value": "aal9"}, {"essential": True, "values": ["aal9"]}):
            answer = (await alice.authorize(claims=wishes(id_token={"acr": wish})))[1]
            found.append(answer.get("error"))
        return found

    assert scene_of(scene) == [None, "unmet_authentication_requirements"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", '"name"', "null", '{"userinfo": ["name"]}', '{"userinfo": "name"}'),
        *('{"userinfo": {"name": true}}', '{"userinfo": {"name": {"essential": "yes"}}}'),
        *('{"id_token": {"name": {"values": "x"}}}', '{"userinfo": {}, "userinfo": {}}'),
        *('{"id_token": {"a": ' + "[" * 300 + "]" * 300 + "}}", '{"userinfo": {"\ud800": null}}'),
        json.dumps({"userinfo": {f"c{number}": None for number in range(65)}}),
    ],
)
def test_another_form_is_refused(text):
    with pytest.raises(BadClaims, match="JSON object"):
        read_claims(text)


def test_members_that_nobody_knows_mean_nothing():
    text = '{"access_token": 1, "userinfo": {"name": {"purpose": "x"}}, "id_token": null}'
    assert read_claims(text).scopes == ("userinfo:name",)


@pytest.mark.parametrize("claims", ["x", "x" * 3000])
def test_a_client_is_told_what_is_wrong(scene_of, claims):
    async def scene(_service, alice, _account):
        _, answer = await alice.authorize(claims=claims)
        return answer["error"], answer["state"]

    assert scene_of(scene) == ("invalid_request", "a state")


def test_userinfo_takes_the_token_in_the_header_or_in_a_form(scene_of):
    async def scene(_service, alice, account):
        token = (await alice.tokens())["access_token"]
        alice.client.headers["Accept"] = "application/json"
        header, form = {"Authorization": f"Bearer {token}"}, {"access_token": token}
        answers = [
            await alice.client.get("/userinfo", headers=header),
            await alice.client.post("/userinfo", headers=header),
            await alice.client.post("/userinfo", data=form),
        ]
        assert all(answer.json() == {"sub": account.id} for answer in answers)
        refused = [
            await alice.client.post("/userinfo", headers=header, data=form),
            await alice.client.post("/userinfo", data={"other": "x"}),
            await alice.client.post("/userinfo", data={"access_token": "x"}),
            await alice.client.get("/userinfo", params=form),
            await alice.client.request("GET", "/userinfo", data=form),
        ]
        return [(answer.status_code, answer.json()["error"]) for answer in refused]

    assert scene_of(scene) == [
        (400, "invalid_request"),
        (401, "invalid_request"),
        (401, "invalid_token"),
        (401, "invalid_request"),
        (401, "invalid_request"),
    ]
