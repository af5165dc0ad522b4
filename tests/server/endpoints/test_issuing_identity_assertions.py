"""Identity assertions (ID-JAG) that are issued here: for whom, to whom, and what they say."""

import msgspec
import pytest
import structlog
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK
from tests.server.inside import Inside, register
from tests.server.oauth_clients import Prover

from carnet import Signer, Verifier, inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import TOKEN_EXCHANGE, ClientMetadata, ClientRefused
from carnet.server.clients.identity_policy import IdentityAssertionRule
from carnet.server.sessions.sessions import NewSession

ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
CHAT = "https://chat.example"
WIKI = "https://wiki.example/"
API = "https://api.chat.example/mcp"
FILES = "https://api.chat.example/files"
RULES = {
    CHAT: {"client_id": "agent-at-chat", "resources": (API, FILES), "scopes": ("read", "write")},
    WIKI: {"client_id": "agent-at-wiki", "resources": ("https://api.wiki.example",)},
}
KEPT = {
    "grant_types": ("authorization_code", "refresh_token", TOKEN_EXCHANGE),
    "token_endpoint_auth_method": "client_secret_basic",
    "redirect_uris": (CALLBACK,),
}


def rules(**of_chat):
    return {**RULES, CHAT: {**RULES[CHAT], **of_chat}}


def typed(found):
    return msgspec.convert(found, dict[str, IdentityAssertionRule])


class World(Inside):
    """Alice, and the agent that she has signed in to."""

    async def prepare(self):
        self.secrets = {}
        self.account = await self.service.accounts.create("alice", PASSWORD, ("staff",))
        await self.agent("agent")
        await self.agent("other")
        await self.sign()

    async def agent(self, client_id, **more):
        members = {**KEPT, "scope": "openid", "identity_assertions": RULES, **more}
        members["identity_assertions"] = typed(members["identity_assertions"])
        self.secrets[client_id] = await register(self.service, client_id, **members)

    async def sign(self, client_id="agent", scope="openid", **more):
        """Sign Alice in to a client; keep the session, the refresh token and an ID token of it."""
        self.grant = await self.service.sessions.begin(
            self.account, NewSession(client_id, "orders", scope, **more)
        )
        self.refresh_token = self.grant.refresh_token
        client = self.service.registry.client(client_id)
        self.access_token, _ = self.service.access_tokens.issue(self.grant, "orders", None)
        self.id_token = await self.service.id_tokens.issue(
            self.grant, self.account, client, self.access_token
        )
        return self.id_token

    async def ask(self, client_id="agent", headers=None, **more):
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "requested_token_type": ID_JAG,
            "audience": CHAT,
            "subject_token": self.id_token,
            "subject_token_type": ID_TOKEN,
            **more,
        }
        auth = (client_id, self.secrets[client_id])
        return await self.token(auth, headers, **form)

    async def by_refresh_token(self, **more):
        given = {"subject_token": self.refresh_token, "subject_token_type": REFRESH_TOKEN}
        return await self.ask(**{**given, **more})

    async def given(self, **more):
        answer = await self.ask(**more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, how=None, **more):
        """Give the error, and why the log says."""
        with structlog.testing.capture_logs() as lines:
            answer = await (how or self.ask)(**more)
        assert answer.status_code == 400, answer.text
        told = [one["reason"] for one in lines if one["event"] == "identity_assertion_not_issued"]
        return answer.json()["error"], *told


@pytest.fixture
def scene_of(play):
    def run(scene, **settings):
        async def opened(service, clock):
            world = World(service)
            world.clock = clock
            await world.prepare()
            return await scene(world)

        return play(opened, audiences=("orders",), **settings)

    return run


def test_an_assertion_names_the_person_for_one_authorization_server_and_the_client_there(scene_of):
    async def scene(world):
        body = await world.given(resource=API, scope="read")
        assert body["issued_token_type"] == ID_JAG
        assert (body["token_type"], body["scope"], body["expires_in"]) == ("N_A", "read", 300)
        assert "refresh_token" not in body
        # By a verifier that knows of it what stands in the draft.
        claims = Verifier(
            world.service.keys.published,
            issuer=world.origin,
            audience=CHAT,
            type="oauth-id-jag+jwt",
            required=("sub", "client_id", "jti", "iat", "exp", "auth_time", "acr", "amr"),
        ).verify(body["access_token"])
        assert claims.subject == world.account.id
        assert claims.client_id == "agent-at-chat"
        assert (claims["resource"], claims["scope"]) == (API, "read")
        assert claims["auth_time"] == world.grant.authenticated_at // 1_000_000
        assert claims["exp"] - claims["iat"] == 300
        # It is no access token, and says nothing of what only concerns the service here.
        assert claims.keys().isdisjoint(("sid", "sub_ver", "roles", "cnf", "azp"))
        again = await world.given()
        assert inspect(again["access_token"]).claims["jti"] != claims["jti"]

    scene_of(scene)


def test_an_assertion_lives_five_minutes_at_most(scene_of):
    async def scene(world):
        return (await world.given())["expires_in"]

    assert scene_of(scene, access_token_lifetime=3600) == 300


def test_without_resource_and_scope_there_is_the_first_resource_and_all_scopes(scene_of):
    async def scene(world):
        claims = inspect((await world.given())["access_token"]).claims
        assert (claims["resource"], claims["scope"]) == (API, "read write")
        elsewhere = await world.given(audience=WIKI)
        assert "scope" not in elsewhere
        claims = inspect(elsewhere["access_token"]).claims
        assert (claims["aud"], claims["client_id"]) == (WIKI, "agent-at-wiki")
        assert "scope" not in claims

    scene_of(scene)


def test_a_refresh_token_is_shown_and_stays_as_it_is(scene_of):
    async def scene(world):
        for _ in range(2):
            answer = await world.by_refresh_token()
            assert answer.status_code == 200, answer.text
            assert inspect(answer.json()["access_token"]).claims["sub"] == world.account.id
        auth = ("agent", world.secrets["agent"])
        refreshed = await world.token(
            auth, grant_type="refresh_token", refresh_token=world.refresh_token
        )
        assert refreshed.status_code == 200

    scene_of(scene)


def test_a_refresh_token_that_was_used_before_ends_the_session_here_too(scene_of):
    async def scene(world):
        await world.service.sessions.refresh(world.refresh_token, client_id="agent")
        # A request that is repeated is answered for a while, as at a refresh.
        assert (await world.by_refresh_token()).status_code == 200
        world.clock.advance(world.service.settings.refresh_grace + 1)
        refused = await world.refused(world.by_refresh_token)
        assert refused == ("invalid_grant", "refresh_token_reused")
        assert await world.service.sessions.of_account(world.account.id) == []

    scene_of(scene)


@pytest.mark.parametrize("how", ["by_refresh_token", "ask"])
def test_what_the_registration_does_not_name_is_refused(scene_of, how):
    async def scene(world):
        ask = getattr(world, how)
        assert await world.refused(ask, audience=f"{CHAT}/") == ("invalid_target",)
        assert await world.refused(ask, audience="orders") == ("invalid_target",)
        assert await world.refused(ask, audience=world.origin) == ("invalid_target",)
        assert await world.refused(ask, audience=None) == ("invalid_request",)
        assert await world.refused(ask, resource="https://api.wiki.example") == ("invalid_target",)
        assert await world.refused(ask, scope="read admin") == ("invalid_scope",)
        assert await world.refused(ask, audience=WIKI, scope="read") == ("invalid_scope",)

    scene_of(scene)


def test_a_service_that_has_taken_the_address_of_a_rule_makes_no_assertion_for_itself(play):
    async def before(service, _clock):
        world = World(service)
        await world.prepare()
        return world.secrets

    kept = play(before, audiences=("orders",), issuer="https://auth.example")

    async def after(service, _clock):
        world = World(service)
        world.secrets, world.account = kept, await service.accounts.find("alice")
        await world.sign()
        return await world.refused()

    assert play(after, audiences=("orders",), issuer=CHAT) == ("invalid_target",)


def test_a_client_without_rules_carries_nobodys_identity_anywhere(scene_of):
    async def scene(world):
        acting = {"exchange_from": ("orders",), "exchange_to": ("orders",)}
        await world.agent("plain", identity_assertions={}, **acting)
        await world.sign("plain")
        assert await world.refused(client_id="plain") == ("invalid_target",)
        grants = ("authorization_code", "refresh_token")
        await world.agent("web", identity_assertions={}, grant_types=grants)
        await world.sign("web")
        assert await world.refused(client_id="web") == ("unauthorized_client",)

    scene_of(scene)


def test_a_client_that_may_carry_identities_only_does_not_act_for_people(scene_of):
    async def scene(world):
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": world.access_token,
            "subject_token_type": ACCESS_TOKEN,
        }
        answer = await world.token(("agent", world.secrets["agent"]), **form)
        assert answer.json()["error"] == "invalid_request"
        assert "may not exchange" in answer.json()["error_description"]

    scene_of(scene)


def test_only_people_with_one_of_the_roles_are_named(scene_of):
    async def scene(world):
        await world.agent("strict", identity_assertions=rules(roles=("board", "staff")))
        await world.sign("strict")
        assert (await world.ask("strict")).status_code == 200
        await world.service.accounts.set_roles(world.account.id, ("guest",), OPERATOR)
        assert await world.refused(client_id="strict") == ("invalid_grant", "role_missing")

    scene_of(scene)


def test_another_clients_tokens_are_refused(scene_of):
    async def scene(world):
        await world.sign("other")
        assert await world.refused() == ("invalid_grant", "id_token_audience_mismatch")
        found = await world.refused(world.by_refresh_token)
        assert found == ("invalid_grant", "refresh_token_client_mismatch")
        # It lives on: whoever shows another's token ends nothing.
        assert (await world.ask("other")).status_code == 200

    scene_of(scene)


def test_an_id_token_of_another_clients_session_is_refused(scene_of):
    async def scene(world):
        await world.sign("other")
        client = world.service.registry.client("agent")
        token = await world.service.id_tokens.issue(world.grant, world.account, client, "x")
        assert await world.refused(subject_token=token) == ("invalid_grant", "session_ended")

    scene_of(scene)


def test_an_id_token_that_names_another_than_its_session_is_refused(scene_of):
    async def scene(world):
        bob = await world.service.accounts.create("bob", PASSWORD)
        client = world.service.registry.client("agent")
        grant = world.grant._replace(account_id=bob.id)
        token = await world.service.id_tokens.issue(grant, bob, client, "x")
        assert await world.refused(subject_token=token) == ("invalid_grant", "session_mismatch")

    scene_of(scene)


def test_other_tokens_of_this_issuer_are_no_id_tokens(scene_of):
    async def scene(world):
        service = world.service
        client = service.registry.client("agent")
        assertion = (await world.given())["access_token"]
        logout = await service.id_tokens.logout(client, world.account.id, world.grant.session_id)
        key = service.keys.signing(service.settings.signing_algorithms[0])
        claims = {**inspect(world.id_token).claims}
        old = {**claims, "iat": claims["iat"] - 600, "exp": claims["exp"] + 600}
        elsewhere = Signer(key, issuer="https://other.example").sign(
            {**claims, "iss": "https://other.example"}
        )
        told = {
            world.access_token: "id_token_type_mismatch",
            assertion: "id_token_type_mismatch",
            logout: "id_token_type_mismatch",
            elsewhere: "id_token_issuer_mismatch",
            f"{world.id_token}x": None,
            world.refresh_token: None,
            "x": None,
        }
        for token, reason in told.items():
            error, found = await world.refused(subject_token=token)
            assert error == "invalid_grant"
            assert reason in (None, found)
        good = Signer(key, issuer=world.origin).sign(old)
        assert (await world.ask(subject_token=good)).status_code == 200
        late = Signer(key, issuer=world.origin, clock=lambda: claims["iat"] - 900)
        past = {name: claims[name] for name in claims if name not in ("iat", "exp")}
        refused = await world.refused(subject_token=late.sign(past))
        assert refused == ("invalid_grant", "id_token_expired")

    scene_of(scene)


def test_of_an_ended_session_or_a_disabled_person_nothing_is_told(scene_of):
    async def scene(world):
        ends = [
            lambda: world.service.sessions.end(world.grant.session_id, "signed_out"),
            lambda: world.service.accounts.disable(world.account.id, OPERATOR),
        ]
        for end in ends:
            await world.sign()
            await end()
            assert await world.refused() == ("invalid_grant", "session_ended")
            found = await world.refused(world.by_refresh_token)
            assert found == ("invalid_grant", "refresh_token_ended")

    scene_of(scene)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE account SET disabled_at = 1",
        "UPDATE session SET ended_at = 1",
        "UPDATE session SET expires_at = 1",
        "UPDATE session SET rotated_at = 1",
    ],
)
def test_each_thing_about_session_and_account_is_asked_of_the_database(scene_of, change):
    async def scene(world):
        await world.service.store.write(change)
        assert (await world.refused())[0] == "invalid_grant"
        assert (await world.refused(world.by_refresh_token))[0] == "invalid_grant"

    scene_of(scene)


def test_a_client_that_was_never_told_who_somebody_is_can_tell_nobody(scene_of):
    async def scene(world):
        await world.sign(scope="")
        found = await world.refused(world.by_refresh_token)
        assert found == ("invalid_grant", "openid_missing")

    scene_of(scene)


def test_what_the_assertion_would_not_say_is_refused(scene_of):
    async def scene(world):
        more = {"actor_token": "x", "actor_token_type": ACCESS_TOKEN}
        assert await world.refused(**more) == ("invalid_request",)
        assert await world.refused(authorization_details="[]") == ("invalid_request",)
        assert await world.refused(subject_token_type=ACCESS_TOKEN) == ("invalid_request",)
        assert await world.refused(subject_token_type=None) == ("invalid_request",)
        assert await world.refused(subject_token=None) == ("invalid_request",)
        saml = "urn:ietf:params:oauth:token-type:saml2"
        assert await world.refused(requested_token_type=saml) == ("invalid_request",)

    scene_of(scene)


def test_a_stranger_gets_nothing(scene_of):
    async def scene(world):
        world.secrets["agent"] = "wrong"
        answer = await world.ask()
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    scene_of(scene)


def test_with_a_proof_the_assertion_is_bound_to_its_key(scene_of):
    async def scene(world):
        prover = Prover()
        url, moment = f"{world.origin}/token", world.service.clock() // 1_000_000
        first = await world.ask(headers={"DPoP": prover.proof(url, iat=moment)})
        nonce = first.headers["dpop-nonce"]
        headers = {"DPoP": prover.proof(url, iat=moment, nonce=nonce)}
        body = await world.given(headers=headers)
        claims = inspect(body["access_token"]).claims
        assert claims["cnf"] == {"jkt": prover.thumbprint}
        assert body["token_type"] == "N_A"
        again = await world.ask(headers=headers)
        assert again.json()["error"] == "invalid_dpop_proof"
        await world.agent("bound", dpop_bound_access_tokens=True)
        await world.sign("bound")
        assert await world.refused(client_id="bound") == ("invalid_dpop_proof",)

    scene_of(scene)


def test_the_metadata_say_what_is_issued(scene_of):
    async def scene(world):
        found = (await world.client.get("/.well-known/oauth-authorization-server")).json()
        assert found["identity_chaining_requested_token_types_supported"] == [ID_JAG]

    scene_of(scene)


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        ({"grant_types": ("authorization_code",)}, "identity_assertions"),
        ({"identity_assertions": {"http://chat.example": RULES[CHAT]}}, "identity_assertions"),
        ({"identity_assertions": {f"{CHAT}?a=b": RULES[CHAT]}}, "identity_assertions"),
        ({"identity_assertions": {f"{CHAT}#a": RULES[CHAT]}}, "identity_assertions"),
        ({"identity_assertions": {"chat": RULES[CHAT]}}, "identity_assertions"),
        ({"identity_assertions": {"https://auth.example": RULES[CHAT]}}, "identity_assertions"),
        ({"identity_assertions": {"https://AUTH.example/": RULES[CHAT]}}, "identity_assertions"),
        ({"identity_assertions": rules(scopes=("a b",))}, "identity_assertions"),
        ({"identity_assertions": rules(resources=("a b",))}, "identity_assertions"),
        ({"identity_assertions": {}}, "exchange_from"),
        ({"exchange_from": ("orders",)}, "exchange_to"),
        ({"exchange_to": ("orders",)}, "exchange_from"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused_with_the_member(play, members, member):
    async def scene(service, _clock):
        given = ClientMetadata(**KEPT, identity_assertions=typed(RULES))
        made, _ = await service.registry.add_client(given, OPERATOR)
        with pytest.raises(ClientRefused) as refused:
            await service.registry.edit_client(made.id, members, OPERATOR)
        return refused.value.member

    settings = {"audiences": ("orders",), "issuer": "https://auth.example"}
    assert play(scene, **settings) == member


@pytest.mark.parametrize("missing", [{"client_id": ""}, {"resources": ()}, {"tenant": "x"}])
def test_a_rule_names_a_client_and_a_resource_and_nothing_unknown(play, missing):
    async def scene(service, _clock):
        made, _ = await service.registry.add_client(
            ClientMetadata(**KEPT, identity_assertions=typed(RULES)), OPERATOR
        )
        members = {"identity_assertions": rules(**missing)}
        with pytest.raises(ClientRefused) as refused:
            await service.registry.edit_client(made.id, members, OPERATOR)
        return refused.value.member

    assert play(scene, audiences=("orders",)) == "identity_assertions"
