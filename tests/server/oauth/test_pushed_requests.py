"""Requests that a client has pushed (RFC 9126), and what others may do with their addresses."""

from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request, hidden
from tests.server.inside import Inside, register
from tests.server.oauth.test_request_objects import KEY, signed
from tests.server.oauth_clients import Prover

ISSUER = "https://auth.example.com"
SECRET = {"token_endpoint_auth_method": "client_secret_basic"}


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser and a client with a secret."""

    def run(scene, **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD)
            secret = await register(service, **{**SECRET, **metadata})
            return await scene(Client(service, secret), Inside(service), clock)

        return play(opened, issuer=ISSUER)

    return run


class Client:
    """What the client sends by itself."""

    def __init__(self, service, secret):
        self.service = service
        self.auth = secret and ("app", secret)
        self.http = Inside(service).client
        self.http.headers["Accept"] = "application/json"

    async def push(self, asked=None, headers=None, auth=None, **more):
        form = {**(asked or Request()).parameters, **more}
        form = {name: text for name, text in form.items() if text is not None}
        return await self.http.post("/par", data=form, auth=auth or self.auth, headers=headers)

    async def uri(self, asked, **more):
        answer = await self.push(asked, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()["request_uri"]

    async def exchange(self, alice, asked, code, **more):
        sent = {"auth": self.auth, "client_id": None}
        return await alice.exchange(asked, code, **{**sent, **more})


async def come(alice, uri, **more):
    """Let the browser come with the address of a request, and give what the client is told."""
    query = {"client_id": "app", "request_uri": uri, **more}
    end = await alice.go(f"/authorize?{urlencode(query)}")
    return {name: text for name, [text] in parse_qs(urlsplit(end).query).items()}


def error_of(answer):
    return answer.status_code, answer.json()["error"]


def test_a_pushed_request_is_answered_as_it_says(scene_of):
    async def scene(client, alice, _clock):
        asked = Request(state="pushed", nonce="n-1")
        answer = await client.push(asked)
        uri = answer.json()["request_uri"]
        # Who reads the address learns nothing, and who changes what is beside it nothing either.
        assert "pushed" not in uri
        evil = {"state": "beside", "scope": "openid email", "redirect_uri": "https://evil.example"}
        told = await come(alice, uri, **evil)
        tokens = (await client.exchange(alice, asked, told["code"])).json()
        kept = answer.headers["cache-control"], answer.json()["expires_in"]
        return answer.status_code, kept, told["state"], tokens["scope"]

    assert scene_of(scene) == (201, ("no-store", 60), "pushed", "openid")


def test_it_gives_one_code(scene_of):
    async def scene(client, alice, _clock):
        uri = await client.uri(Request())
        return "code" in await come(alice, uri), (await come(alice, uri))["error"]

    assert scene_of(scene) == (True, "invalid_request_uri")


@pytest.mark.parametrize("already", [False, True])
def test_the_browser_comes_within_a_minute_and_the_person_may_take_longer(scene_of, already):
    async def scene(client, alice, clock):
        if already:
            await alice.sign_in()
        query = {"client_id": "app", "request_uri": await client.uri(Request())}
        clock.advance(59)
        page = await alice.client.get("/authorize", params=query)
        if not already:
            clock.advance(600)
            await alice.sign_in()
            page = await alice.client.get(httpx.URL(page.headers["location"]).params["continue"])
        clock.advance(600)
        form = {**alice.typed, **hidden(page.text)}
        answer = await alice.client.post("/authorize/decision", data=form)
        late = {"client_id": "app", "request_uri": await client.uri(Request())}
        clock.advance(60)
        refused = await alice.client.get("/authorize", params={**late, "redirect_uri": CALLBACK})
        # Nor is it good for ever to whoever has the page open.
        clock.advance(86_400)
        form["request"] = urlencode({**late, "redirect_uri": CALLBACK})
        never = await alice.client.post("/authorize/decision", data=form)
        return [one.headers["location"] for one in (answer, refused, never)]

    answer, refused, never = scene_of(scene)
    assert "code=" in answer
    assert "error=invalid_request_uri" in refused
    assert "error=invalid_request_uri" in never


def test_it_is_good_for_its_client_alone(scene_of):
    async def scene(client, alice, _clock):
        await register(client.service, "other")
        uri = await client.uri(Request())
        told = await come(alice, uri, client_id="other", redirect_uri=CALLBACK)
        return told["error"]

    assert scene_of(scene) == "invalid_request_uri"


@pytest.mark.parametrize("change", [lambda uri: uri[:-4] + "AAAA", lambda uri: uri[:40], str.upper])
def test_an_address_that_the_service_has_not_made_is_none(scene_of, change):
    async def scene(client, alice, _clock):
        uri = change(await client.uri(Request()))
        return (await come(alice, uri, redirect_uri=CALLBACK))["error"]

    assert scene_of(scene).startswith("request_uri_not" if change is str.upper else "invalid_req")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"scope": "payroll:write"}, "invalid_scope"),
        ({"resource": "payroll"}, "invalid_target"),
        ({"request_uri": "urn:x"}, "invalid_request"),
        ({"request": "x"}, "invalid_request_object"),
        ({"claims": "x"}, "invalid_request"),
    ],
)
def test_what_is_wrong_is_told_to_the_client_itself(scene_of, more, error):
    async def scene(client, _alice, _clock):
        return error_of(await client.push(**more))

    assert scene_of(scene) == (400, error)


def test_the_client_proves_who_it_is(scene_of):
    async def scene(client, _alice, _clock):
        wrong = await client.push(auth=("app", "wrong"))
        client.auth = None
        nothing = await client.push()
        nobody = await client.push(Request(client_id=None))
        return error_of(wrong), error_of(nothing), error_of(nobody)

    refused = (401, "invalid_client")
    assert scene_of(scene) == (refused, refused, (400, "invalid_request"))


def test_a_request_is_as_long_as_an_address_may_be(scene_of):
    async def scene(client, _alice, _clock):
        return error_of(await client.push(ui_locales="x" * 7000))

    assert scene_of(scene) == (413, "invalid_request")


def test_nothing_is_kept_of_what_is_pushed(scene_of):
    """Anybody can push for a public client, as often as they like."""

    async def scene(client, _alice, _clock):
        written = []
        write, transact = client.service.store.write, client.service.store.transact
        client.service.store.write = lambda *given: written.append(given) or write(*given)
        client.service.store.transact = lambda *given: written.append(given) or transact(*given)
        await client.uri(Request())
        return written

    assert scene_of(scene, token_endpoint_auth_method="none") == []


def test_a_client_that_has_to_push_gets_nothing_without(scene_of):
    async def scene(client, alice, _clock):
        plain = (await alice.authorize())[1]["error"]
        signed_only = (await alice.authorize(request="x"))[1]["error"]
        return plain, signed_only, "code" in await come(alice, await client.uri(Request()))

    told = scene_of(scene, require_pushed_authorization_requests=True)
    assert told == ("invalid_request", "invalid_request", True)


def test_a_client_that_has_to_sign_signs_what_it_pushes(scene_of):
    async def scene(client, alice, _clock):
        plain = error_of(await client.push())
        form = {"client_id": "app", "request": signed(Request(state="signed"))}
        answer = await client.http.post("/par", data=form, auth=client.auth)
        return plain, (await come(alice, answer.json()["request_uri"]))["state"]

    metadata = {"jwks": {"keys": [KEY.public.to_jwk()]}, "require_signed_request_object": True}
    assert scene_of(scene, **metadata) == ((400, "invalid_request"), "signed")


def test_a_proof_binds_the_code_to_its_key(scene_of):
    """RFC 9449 section 10.1."""

    async def scene(client, alice, _clock):
        mine, thief = Prover(), Prover()
        url = f"{ISSUER}/par"
        clock = {"iat": client.service.clock() // 1_000_000}
        first = await client.push(headers={"DPoP": mine.proof(url, **clock)})
        nonce = first.headers["dpop-nonce"]
        asked = Request()
        headers = {"DPoP": mine.proof(url, nonce=nonce, **clock)}
        told = await come(alice, await client.uri(asked, headers=headers))
        again = error_of(await client.push(asked, headers=headers))
        other = {"DPoP": mine.proof(url, nonce=nonce, **clock)}
        mixed = error_of(await client.push(asked, headers=other, dpop_jkt=thief.thumbprint))

        async def exchange(prover):
            proof = prover.proof(f"{ISSUER}/token", nonce=nonce, **clock)
            return await client.exchange(alice, asked, told["code"], headers={"DPoP": proof})

        return again, mixed, error_of(await exchange(thief)), (await exchange(mine)).status_code

    again, mixed, stolen, mine = scene_of(scene)
    assert again == mixed == (400, "invalid_dpop_proof")
    assert stolen == (400, "invalid_grant")
    assert mine == 200


def test_a_new_password_counts_for_the_one_request_that_was_pushed(scene_of):
    async def scene(client, alice, _clock):
        one, other = [await client.uri(Request(prompt="login", nonce=text)) for text in "ab"]
        query = {"client_id": "app", "request_uri": one}
        page = await alice.client.get("/authorize", params=query)
        await alice.sign_in()
        following = httpx.URL(page.headers["location"]).params["continue"]
        given = {**query, "request_uri": other}
        given["reauthenticated_since"] = following.partition("since=")[2]
        answers = [
            await alice.client.get(following),
            await alice.client.get("/authorize", params=given),
        ]
        return [answer.is_redirect for answer in answers]

    assert scene_of(scene) == [False, True]
