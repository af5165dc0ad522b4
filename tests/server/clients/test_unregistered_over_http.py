"""A client that no administrator has registered, from the consent to its end, over HTTP."""

import json
import re
from urllib.parse import quote

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, register

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import TOKEN_EXCHANGE, ClientMetadata, hash_secret
from carnet.server.clients.resources import ResourceMetadata

DYNAMIC = "dynamic.app"
DOCUMENT = "https://app.example/client.json"
SECRET = "a secret of the client's own"
FORMS = ["/sign-in", "/authorize/decision"]

SET_SECRET = """
UPDATE unregistered_client SET secret_hash = $1 WHERE client_id = $2 RETURNING client_id
"""


@pytest.fixture
def played(play):
    """Run a scene with alice, who is an administrator, a client and an open resource."""

    def run(scene, client_id=DYNAMIC, secret=None, **metadata):
        async def prepared(service, clock):
            method = "none" if secret is None else "client_secret_basic"
            given = {"redirect_uris": (CALLBACK,), "token_endpoint_auth_method": method}
            await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
            opened = ResourceMetadata(scopes=("tools:call",), unregistered_clients=True)
            await service.registry.add_resource("tools", opened, OPERATOR)
            await service.registry.unregistered.save(
                client_id, ClientMetadata(**given, **metadata), OPERATOR
            )
            if secret is not None:
                await service.store.write(SET_SECRET, hash_secret(secret), client_id)
            return await scene(service, clock, Inside(service))

        return play(prepared, audiences=("orders",), issuer="https://auth.example.com")

    return run


async def administer(person):
    """Give the header of a token for the administration."""
    said = {"username": "alice", "password": PASSWORD, "resource": "https://auth.example.com"}
    token = (await person.client.post("/sessions", json=said)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def test_it_gets_tokens_for_what_is_open_and_people_are_asked_each_time(played):
    async def scene(_service, _clock, person):
        asked, answer = await person.authorize(client_id=DYNAMIC, scope="tools:call openid")
        body = (await person.exchange(asked, answer["code"])).json()
        claims = inspect(body["access_token"]).claims
        assert (claims["aud"], claims["client_id"]) == ("tools", DYNAMIC)
        assert body["scope"] == "openid tools:call"
        assert not {"roles", "preferred_username"} & claims.keys()
        again = (await person.refresh(body["refresh_token"], DYNAMIC)).json()
        assert inspect(again["access_token"]).claims["aud"] == "tools"
        await person.authorize(client_id=DYNAMIC, scope="tools:call")
        assert person.forms == [*FORMS, "/authorize/decision"]
        silent = Request(client_id=DYNAMIC, scope="tools:call", prompt="none").parameters
        return await person.client.get("/authorize", params=silent)

    # It leads nowhere without the person's yes, not even to the client.
    answer = played(scene)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    "wrong", [{}, {"response_type": "token"}, {"redirect_uri": "https://evil.example/"}]
)
def test_nobody_is_sent_on_to_its_address_who_has_not_signed_in(played, wrong):
    async def scene(_service, _clock, person):
        parameters = Request(client_id=DYNAMIC, **wrong).parameters
        answer = await person.client.get("/authorize", params=parameters)
        assert answer.headers["location"].startswith("/sign-in?")
        silent = await person.client.get("/authorize", params={**parameters, "prompt": "none"})
        return silent.status_code, "location" in silent.headers

    assert played(scene) == (400, False)


@pytest.mark.parametrize("resource", ["orders", "https://auth.example.com", "nothing"])
def test_it_gets_nothing_of_what_is_not_open(played, resource):
    async def scene(_service, _clock, person):
        await person.sign_in()
        asked = Request(client_id=DYNAMIC, resource=resource).parameters
        return await person.client.get("/authorize", params=asked)

    answer = played(scene)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert "may not ask for tokens for this resource" in answer.text


def test_whoever_is_asked_is_told_which_programs_can_then_act_for_them(played):
    async def scene(service, _clock, person):
        await register(
            service,
            "tools-service",
            client_name="The tools",
            redirect_uris=(),
            grant_types=(TOKEN_EXCHANGE,),
            token_endpoint_auth_method="client_secret_basic",
            exchange_from=("tools",),
            exchange_to=("orders",),
            scope="tools:call",
        )
        await person.sign_in()
        asked = Request(client_id=DYNAMIC, scope="tools:call").parameters
        page = await person.client.get("/authorize", params=asked)
        return " ".join(re.sub("<[^>]+>", " ", page.text).split())

    assert "The tools at orders" in played(scene)


def test_a_resource_that_is_closed_again_ends_what_hangs_on_it(played):
    async def scene(service, _clock, person):
        body = await person.tokens(client_id=DYNAMIC, scope="tools:call")
        await service.registry.edit_resource("tools", {"unregistered_clients": False}, OPERATOR)
        refused = await person.refresh(body["refresh_token"], DYNAMIC)
        return refused.json()["error"]

    assert played(scene) == "invalid_grant"


def test_it_proves_itself_with_its_secret_everywhere(played):
    async def scene(_service, _clock, person):
        asked, answer = await person.authorize(client_id=DYNAMIC, scope="tools:call")
        right, wrong = (DYNAMIC, quote(SECRET)), (DYNAMIC, "another")
        assert (await person.exchange(asked, answer["code"], wrong)).status_code == 401
        body = (await person.exchange(asked, answer["code"], right)).json()
        token = {"token": body["access_token"]}
        refused = await person.client.post("/revocation", data=token, auth=wrong)
        asked_about = await person.client.post("/introspection", data=token, auth=right)
        assert (refused.status_code, asked_about.json()) == (401, {"active": False})
        assert (await person.client.post("/revocation", data=token, auth=right)).status_code == 200
        form = {"grant_type": "client_credentials"}
        return (await person.client.post("/token", data=form, auth=right)).json()["error"]

    assert played(scene, secret=SECRET) == "unauthorized_client"


def test_a_registered_client_costs_no_look_at_those_that_are_not(played):
    async def scene(service, _clock, person):
        await register(service)
        body = await person.tokens(client_id="app", resource="orders")
        looked = []
        unregistered = service.registry.unregistered
        find = unregistered.find

        async def counted(client_id):
            looked.append(client_id)
            return await find(client_id)

        unregistered.find = counted
        assert (await person.refresh(body["refresh_token"])).status_code == 200
        assert (await person.refresh("x", "nobody")).status_code == 401
        return looked

    assert played(scene) == ["nobody"]


@pytest.mark.parametrize("client_id", [DYNAMIC, DOCUMENT])
def test_administrators_see_them_apart_and_remove_them(played, client_id):
    async def scene(_service, _clock, person):
        headers, place = await administer(person), f"/clients/{quote(client_id, safe='')}"

        async def get(path):
            return (await person.client.get(path, headers=headers)).json()

        assert (await get("/clients"))["clients"] == []
        [listed] = (await get("/unregistered-clients"))["clients"]
        assert (listed["client_id"], listed["unregistered"]) == (client_id, True)
        assert (await get(f"/unregistered-clients?after={quote(client_id)}"))["clients"] == []
        assert await get(place) == listed
        # What an administrator changes of a client is no client's own.
        body = {"first_party": True, "redirect_uris": ["https://app.example/"]}
        changed = await person.client.put(place, headers=headers, json=body)
        assert changed.status_code == 404
        for path in (f"{place}/secret", f"{place}/previous-secret"):
            method = "POST" if path.endswith("/secret") else "DELETE"
            answer = await person.client.request(method, path, headers=headers)
            assert answer.status_code == 404
        removed = await person.client.delete(place, headers=headers)
        again = await person.client.delete(place, headers=headers)
        return removed.status_code, again.status_code

    assert played(scene, client_id) == (204, 404)


def test_the_pages_of_administrators_show_them_apart_and_remove_them(played):
    async def scene(_service, _clock, person):
        await person.sign_in()
        page = (await person.client.get("/admin/clients")).text
        assert "Clients that nobody has registered" in page
        assert f"/admin/clients/client?id={quote(DOCUMENT, safe='')}" in page
        assert "Open to clients that nobody has registered" in page
        place = {"id": DOCUMENT}
        shown = (await person.client.get("/admin/clients/client", params=place)).text
        assert "this is what it says about itself" in shown
        assert "Remove the client" in (
            (await person.client.get("/admin/clients/remove", params=place)).text
        )
        removed = await person.client.post("/admin/clients/remove", data=place)
        assert removed.headers["location"].endswith("done=removed")
        return "nobody has registered</h2>" in (await person.client.get("/admin/clients")).text

    assert played(scene, DOCUMENT) is False


def test_who_has_let_one_in_sees_its_name_and_takes_that_back(played):
    async def scene(service, _clock, person):
        await service.consents.grant(
            (await service.accounts.find("alice")).id, DOCUMENT, "tools", "tools:call", OPERATOR
        )
        headers = await administer(person)
        [consent] = (await person.client.get("/account/consents", headers=headers)).json()[
            "consents"
        ]
        assert (consent["client_id"], consent["client_name"]) == (DOCUMENT, "App")
        await person.sign_in()
        shown = (await person.client.get("/me/applications")).text
        assert "app.example (calls itself “App”)" in shown
        place = f"/account/consents/{quote(DOCUMENT, safe='')}"
        assert (await person.client.delete(place, headers=headers)).status_code == 204
        return (await person.client.get("/account/consents", headers=headers)).json()

    assert played(scene, DOCUMENT, client_name="App") == {"consents": []}


def test_nobody_is_led_to_where_such_a_client_leads_after_a_sign_out(played):
    address = "https://evil.example/"

    async def scene(_service, _clock, person):
        asked = {"client_id": DYNAMIC, "post_logout_redirect_uri": address}
        return (await person.client.get("/logout", params=asked)).status_code

    assert played(scene, post_logout_redirect_uris=(address,)) == 400


def test_the_page_for_a_new_resource_opens_it(played):
    async def scene(service, _clock, person):
        await person.sign_in()
        form = {"audience": "more", "unregistered_clients": "yes"}
        await person.client.post("/admin/clients/new-resource", data=form)
        return service.registry.open_audiences

    assert played(scene) == ("more", "tools")


def test_the_command_line_opens_a_resource_and_tells_of_such_clients(carnet, tmp_path, play):
    data = tmp_path / "data"

    def run(*arguments):
        done = carnet(*arguments, data=data)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("resource", "add", "tools", "--scope", "tools:call", "--unregistered-clients")
    assert "open to unregistered clients" in run("resource", "list")
    assert "unregistered_clients = true" in run("export")

    async def save(service, _clock):
        metadata = ClientMetadata(
            client_name="An \u202eApp",
            redirect_uris=(CALLBACK,),
            token_endpoint_auth_method="none",
        )
        await service.registry.unregistered.save(DOCUMENT, metadata, OPERATOR)

    play(save)
    assert "There are no clients yet" in run("client", "list")
    listed = run("client", "list", "--unregistered")
    assert listed.endswith(f"{DOCUMENT}  not yet  'An \\u202eApp'\n")
    assert listed.startswith("CLIENT_ID ")
    [listed] = json.loads(run("client", "list", "--unregistered", "--json"))
    assert (listed["client_id"], listed["unregistered"]) == (DOCUMENT, True)
    assert json.loads(run("client", "show", DOCUMENT, "--json")) == listed
    assert "is removed; ended 0 sessions" in run("client", "remove", DOCUMENT)
    assert "There are no unregistered clients" in run("client", "list", "--unregistered")
    run("resource", "edit", "tools", "--no-unregistered-clients")
    assert "open to" not in run("resource", "list")
