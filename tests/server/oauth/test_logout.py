"""Signing out at a client's request: who may, where to, and who is asked first."""

from urllib.parse import urlencode

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register

from carnet import Key
from carnet.jose import jws
from carnet.jose.encoding import b64url_decode, b64url_encode

HERE, ELSEWHERE = "https://app.example.com/out", "https://other.example.com/out"


@pytest.fixture
def scene_of(play):
    """Run a scene in which alice and bob have signed in, each with an ID token of app."""

    def run(scene):
        async def opened(service, _clock):
            for name, address in (("app", HERE), ("other", ELSEWHERE)):
                await register(
                    service, name, first_party=True, post_logout_redirect_uris=(address,)
                )
            people = {}
            for name in ("alice", "bob"):
                await service.accounts.create(name, PASSWORD)
                people[name] = Inside(service, name)
            hints = {
                name: (await one.tokens(scope="openid"))["id_token"] for name, one in people.items()
            }
            return await scene(people["alice"], hints)

        return play(opened)

    return run


async def sign_out(person, *parameters):
    """Ask for it, and give the answer and whether the browser is signed in still."""
    answer = await person.client.get(f"/logout?{urlencode(parameters)}")
    return answer, (await person.client.get("/me")).status_code == 200


def test_whose_id_token_is_sent_is_signed_out_and_led_to_the_clients_address(scene_of):
    async def scene(alice, hints):
        wish = {"id_token_hint": hints["alice"], "post_logout_redirect_uri": HERE, "state": "s"}
        answer, signed_in = await sign_out(alice, *wish.items())
        return answer.status_code, answer.headers["location"], signed_in

    assert scene_of(scene) == (303, f"{HERE}?state=s", False)


@pytest.mark.parametrize("hint", ["bob", "nobody", "changed"])
def test_without_ones_own_id_token_one_is_asked_first(scene_of, hint):
    async def scene(alice, hints):
        given = {**hints, "nobody": "x.y.z", "changed": f"{hints['alice'][:-4]}AAAA"}[hint]
        answer, signed_in = await sign_out(alice, ("id_token_hint", given))
        return answer.status_code, "Sign out?" in answer.text, signed_in

    assert scene_of(scene) == (200, True, True)


@pytest.mark.parametrize(
    "more",
    [
        [("client_id", "other")],
        [("client_id", "app"), ("client_id", "app")],
        [("state", "a"), ("state", "b")],
        [("post_logout_redirect_uri", ELSEWHERE)],
        [("post_logout_redirect_uri", f"{HERE}/")],
        [("post_logout_redirect_uri", f"{HERE}?x=1")],
        [("post_logout_redirect_uri", HERE), ("client_id", "other")],
    ],
)
def test_a_request_that_can_not_be_the_clients_signs_nobody_out(scene_of, more):
    async def scene(alice, hints):
        answer, signed_in = await sign_out(alice, ("id_token_hint", hints["alice"]), *more)
        return answer.status_code, "You are not signed out" in answer.text, signed_in

    assert scene_of(scene) == (400, True, True)


def test_an_address_needs_a_client_that_has_registered_it(scene_of):
    async def scene(alice, _hints):
        seen = []
        for more in ([], [("client_id", "nobody")], [("client_id", "other")]):
            asked = [("post_logout_redirect_uri", HERE), *more]
            answer, signed_in = await sign_out(alice, *asked)
            seen.append((answer.status_code, signed_in))
        return seen

    assert scene_of(scene) == [(400, True)] * 3


def unsigned(token):
    """The same ID token, said to need no signature."""
    header = b64url_encode(b'{"alg":"none","typ":"JWT"}')
    return f"{header}.{token.split('.')[1]}."


def signed_by_another(token):
    return jws.sign(b64url_decode(token.split(".")[1]), Key.generate("ES256"), {"typ": "JWT"})


@pytest.mark.parametrize("forge", [unsigned, signed_by_another])
def test_an_id_token_that_is_not_ours_leads_nowhere_and_signs_nobody_out(scene_of, forge):
    async def scene(alice, hints):
        wish = {"id_token_hint": forge(hints["alice"]), "post_logout_redirect_uri": HERE}
        answer, signed_in = await sign_out(alice, *wish.items(), ("state", "s"))
        named, _ = await sign_out(alice, *wish.items(), ("client_id", "app"))
        return answer.status_code, signed_in, "Sign out?" in named.text

    assert scene_of(scene) == (400, True, True)


def test_without_state_none_comes_back(scene_of):
    async def scene(alice, hints):
        wish = {"id_token_hint": hints["alice"], "post_logout_redirect_uri": HERE}
        answer, signed_in = await sign_out(alice, *wish.items())
        return answer.headers["location"], signed_in

    assert scene_of(scene) == (HERE, False)


def test_without_an_address_the_person_is_told(scene_of):
    async def scene(alice, hints):
        answer, signed_in = await sign_out(alice, ("id_token_hint", hints["alice"]))
        return answer.status_code, "You are signed out" in answer.text, signed_in

    assert scene_of(scene) == (200, True, False)


@pytest.mark.parametrize("query", ["", "state=s"])
def test_whoever_confirms_it_is_signed_out(scene_of, query):
    async def scene(alice, _hints):
        await alice.client.get(f"/logout?{query}")
        answer = await alice.client.post("/logout/decision", data={"request": query})
        return "You are signed out" in answer.text, (await alice.client.get("/me")).status_code

    told, status = scene_of(scene)
    assert told
    assert status != 200
