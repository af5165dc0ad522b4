"""Programs that act for somebody: what they get, what they don't, and how they are stopped."""

import asyncio
import re
import time

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register
from tests.server.oauth_clients import Prover

from carnet import Signer, inspect
from carnet.server.audit import OPERATOR, SERVICE
from carnet.server.clients.acting import MOST_ACTORS
from carnet.server.clients.clients import TOKEN_EXCHANGE, ClientMetadata, ClientRefused
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.sessions.sessions import NewSession

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
AUDIENCES = ("orders", "billing", "ledger")
SCOPE = "bills:read bills:write"


class World(Inside):
    """Alice, the shop that she uses, and the programs behind it."""

    async def prepare(self):
        self.secrets = {}
        self.account = await self.service.accounts.create(
            "alice", PASSWORD, ("ADMIN",), {"desk": 7, "badge": 1}
        )
        await register(self.service, "shop", first_party=True, scope=f"openid {SCOPE}")
        await self.agent("orders", ("orders",), ("billing", "ledger"))
        await self.agent("billing", ("billing",), ("ledger",))
        await self.agent("ledger", ("ledger",), ("billing",))

    async def agent(self, client_id, exchange_from, exchange_to, **more):
        """Register a program that may exchange tokens."""
        members = {
            "redirect_uris": (),
            "grant_types": (TOKEN_EXCHANGE, "client_credentials"),
            "token_endpoint_auth_method": "client_secret_basic",
            "exchange_from": exchange_from,
            "exchange_to": exchange_to,
            "scope": SCOPE,
            **more,
        }
        self.secrets[client_id] = await register(self.service, client_id, **members)

    async def begin(self, client_id="shop", audience="orders", scope=SCOPE, **more):
        wanted = NewSession(client_id, audience, scope, **more)
        return await self.service.sessions.begin(self.account, wanted)

    def token(self, grant, thumbprint="", lifetime=None):
        return self.service.access_tokens.issue(grant, grant.audience, lifetime, thumbprint)[0]

    async def ask(self, subject_token, client_id="orders", headers=None, **more):
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": subject_token,
            "subject_token_type": ACCESS_TOKEN,
            **more,
        }
        form = {name: text for name, text in form.items() if text is not None}
        auth = (client_id, self.secrets[client_id])
        return await self.client.post("/token", data=form, auth=auth, headers=headers)

    async def given(self, *arguments, **more):
        answer = await self.ask(*arguments, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    async def refused(self, *arguments, **more):
        """Give error and description of what is refused."""
        answer = await self.ask(*arguments, **more)
        assert answer.status_code == 400, answer.text
        return answer.json()["error"], answer.json()["error_description"]

    async def is_good(self, token):
        claims = self.service.access_tokens.verify(token)
        return await self.service.sessions.accepts(claims["sid"], claims["sub_ver"], claims["jti"])

    async def api(self, method, path):
        grant = await self.begin("carnet", self.origin, "")
        headers = {"Authorization": f"Bearer {self.token(grant)}"}
        return await self.client.request(method, path, headers=headers)


@pytest.fixture
def scene_of(play):
    def run(scene):
        async def opened(service, clock):
            world = World(service)
            world.clock = clock
            await world.prepare()
            return await scene(world)

        return play(opened, audiences=AUDIENCES)

    return run


def said(token):
    return inspect(token).claims


def test_a_program_gets_a_token_that_names_the_person_and_the_program(scene_of):
    async def scene(world):
        grant = await world.begin()
        subject = world.token(grant)
        body = (await world.ask(subject, resource="billing", scope="bills:read")).json()
        assert body["issued_token_type"] == ACCESS_TOKEN
        assert (body["token_type"], body["scope"]) == ("Bearer", "bills:read")
        assert "refresh_token" not in body
        claims = world.service.access_tokens.verify(body["access_token"])
        assert claims.audience == ("billing",)
        assert claims.subject == world.account.id
        assert claims.client_id == "orders"
        assert claims["act"] == {"sub": "orders"}
        assert claims.actors == ("orders",)
        assert claims["sub_ver"] == grant.version
        # The session is the program's own: ending it ends the program's work and nothing else.
        assert claims.session_id not in (None, grant.session_id)
        assert await world.is_good(body["access_token"])

    scene_of(scene)


def test_without_resource_and_scope_a_program_gets_its_first_resource_and_all_that_there_is(
    scene_of,
):
    async def scene(world):
        claims = said(await world.given(world.token(await world.begin())))
        assert (claims["aud"], claims["scope"]) == ("billing", SCOPE)
        by_audience = said(await world.given(world.token(await world.begin()), audience="ledger"))
        assert by_audience["aud"] == "ledger"

    scene_of(scene)


def test_a_chain_names_the_last_program_first(scene_of):
    async def scene(world):
        first = await world.given(world.token(await world.begin()))
        second = await world.given(first, "billing", scope="bills:read")
        claims = world.service.access_tokens.verify(second)
        assert claims["act"] == {"sub": "billing", "act": {"sub": "orders"}}
        assert claims.actors == ("billing", "orders")
        assert claims.subject == world.account.id

    scene_of(scene)


def test_the_scope_is_never_wider_than_the_tokens(scene_of):
    async def scene(world):
        subject = world.token(await world.begin(scope="openid bills:read"))
        assert (await world.refused(subject, scope="bills:write"))[0] == "invalid_scope"
        assert (await world.refused(subject, scope=SCOPE))[0] == "invalid_scope"
        # What belongs to who has signed in stays with them.
        assert (await world.refused(subject, scope="openid"))[0] == "invalid_scope"
        first = await world.given(subject)
        assert said(first)["scope"] == "bills:read"
        assert (await world.refused(first, "billing", scope=SCOPE))[0] == "invalid_scope"

    scene_of(scene)


def test_the_scope_is_what_the_program_may_have_and_the_resource_knows(scene_of):
    async def scene(world):
        add = world.service.registry.add_resource
        await add("archive", ResourceMetadata(scopes=("bills:read", "archive:read")), OPERATOR)
        await add("vault", ResourceMetadata(scopes=("vault:open",)), OPERATOR)
        await world.agent(
            "reader", ("orders",), ("billing", "archive", "vault"), scope="bills:read vault:close"
        )
        subject = world.token(await world.begin())
        assert said(await world.given(subject, "reader"))["scope"] == "bills:read"
        assert said(await world.given(subject, "reader", resource="archive"))["scope"] == (
            "bills:read"
        )
        refused = await world.refused(subject, "reader", resource="vault")
        assert refused[0] == "invalid_scope"

    scene_of(scene)


def test_the_audience_is_one_of_those_that_the_program_may_get(scene_of):
    async def scene(world):
        subject = world.token(await world.begin())
        for wanted in ("orders", "nowhere", world.origin):
            assert (await world.refused(subject, resource=wanted))[0] == "invalid_target"
        first = await world.given(subject)
        assert (await world.refused(first, "billing", resource="billing"))[0] == "invalid_target"
        both = await world.refused(subject, resource="billing", audience="ledger")
        assert both[0] == "invalid_target"

    scene_of(scene)


def test_a_program_presents_only_tokens_that_its_registration_names(scene_of):
    async def scene(world):
        for audience in ("billing", world.origin):
            subject = world.token(await world.begin(audience=audience))
            error, text = await world.refused(subject)
            assert error == "invalid_request"
            assert "whose tokens this client may not exchange" in text

    scene_of(scene)


def test_a_program_without_the_grant_and_a_stranger_get_nothing(scene_of):
    async def scene(world):
        subject = world.token(await world.begin())
        world.secrets["job"] = await register(
            world.service,
            "job",
            redirect_uris=(),
            grant_types=("client_credentials",),
            token_endpoint_auth_method="client_secret_basic",
        )
        assert (await world.refused(subject, "job"))[0] == "unauthorized_client"
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
        }
        for name in ("shop", "orders", None):
            answer = await world.client.post(
                "/token", data=form if name is None else {**form, "client_id": name}
            )
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    scene_of(scene)


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        ({"exchange_from": ()}, "exchange_from"),
        ({"exchange_to": ()}, "exchange_to"),
        ({"grant_types": ("client_credentials",)}, "exchange_from"),
        ({"exchange_from": ("nowhere",)}, "exchange_from"),
        ({"exchange_to": ("nowhere",)}, "exchange_to"),
        ({"exchange_to": ("https://auth.example.com",)}, "exchange_to"),
        ({"exchange_from": ("https://auth.example.com",)}, "exchange_from"),
        ({"resources": ("orders",)}, "exchange_to"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused_with_the_member(play, members, member):
    async def scene(service, _clock):
        given = {
            "grant_types": (TOKEN_EXCHANGE,),
            "exchange_from": ("orders",),
            "exchange_to": ("billing",),
            **members,
        }
        with pytest.raises(ClientRefused) as refused:
            await service.registry.add_client(ClientMetadata(**given), OPERATOR)
        return refused.value.member

    settings = {"audiences": AUDIENCES, "issuer": "https://auth.example.com"}
    assert play(scene, **settings) == member


def test_only_access_tokens_of_people_and_of_this_issuer_are_exchanged(scene_of):
    async def scene(world):
        service = world.service
        good = world.token(await world.begin())
        claims = {**said(good), "client_id": "orders"}
        own, _ = service.access_tokens.sign({"sub": "orders", "client_id": "orders"}, "orders")
        kind = service.settings.signing_algorithms[0]
        key = service.keys.signing(kind)
        id_token = Signer(key, issuer=world.origin, audience="orders", lifetime=60).sign(
            {"sub": world.account.id, "sid": claims["sid"]}
        )
        other = Signer(
            key, issuer="https://other.example", audience="orders", lifetime=60, type="at+jwt"
        ).sign({"sub": world.account.id, "sid": claims["sid"], "client_id": "x"})
        for token in (id_token, other, own, "x", good[:-2] + "xx", f"{good}.x"):
            error, text = await world.refused(token)
            assert (error, text.startswith("the subject_token ")) == ("invalid_request", True)
            assert token not in text
        for more in (
            {"subject_token_type": ID_TOKEN},
            {"subject_token_type": None},
            {"subject_token": None},
            {"requested_token_type": ID_TOKEN},
            {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
            {"actor_token_type": ACCESS_TOKEN},
        ):
            assert (await world.refused(**{"subject_token": good, **more}))[0] == "invalid_request"

    scene_of(scene)


def test_a_token_of_an_ended_session_or_a_changed_account_is_not_exchanged(scene_of):
    async def scene(world):
        sessions, accounts = world.service.sessions, world.service.accounts
        grant = await world.begin()
        subject = world.token(grant)
        await sessions.end(grant.session_id, "signed_out")
        assert (await world.refused(subject))[0] == "invalid_request"
        grant = await world.begin()
        subject = world.token(grant)
        world.clock.advance(world.service.settings.session_lifetime)
        assert (await world.refused(subject))[0] == "invalid_request"
        grant = await world.begin()
        subject, kept = world.token(grant), await world.begin()
        await accounts.change(world.account.id, OPERATOR, roles=("USER",))
        assert (await world.refused(subject))[0] == "invalid_request"
        await accounts.change(world.account.id, OPERATOR, disabled=True)
        assert (await world.refused(world.token(kept)))[0] == "invalid_request"

    scene_of(scene)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE account SET disabled_at = 1",
        "UPDATE account SET version = version + 1",
        "UPDATE session SET ended_at = 1 WHERE parent_id IS NULL",
    ],
)
def test_a_program_that_acts_already_gets_no_token_either_once_it_has_changed(scene_of, change):
    async def scene(world):
        subject = world.token(await world.begin())
        await world.given(subject)
        await world.service.store.write(change)
        assert (await world.refused(subject))[0] == "invalid_request"

    scene_of(scene)


def test_a_token_lives_no_longer_than_the_one_that_it_came_from(scene_of):
    async def scene(world):
        subject = world.token(await world.begin(), lifetime=30)
        body = (await world.ask(subject)).json()
        assert body["expires_in"] <= 30
        assert said(body["access_token"])["exp"] <= said(subject)["exp"]
        assert (await world.ask(subject, expires_in="7")).json()["expires_in"] == 7
        # With less than a second left there is nothing to give, and with none there is no token.
        short = world.token(await world.begin(), lifetime=2)
        for before in (0.8, 0):
            await asyncio.sleep(max(0, said(short)["exp"] - before - time.time()))
            assert (await world.refused(short))[0] == "invalid_request"

    scene_of(scene)


def test_what_the_token_does_not_say_of_the_person_the_new_one_does_not_say_either(scene_of):
    async def scene(world):
        await world.agent("helper", ("orders",), ("billing",), first_party=True)
        subject = world.token(await world.begin())
        claims = said(await world.given(subject, "helper"))
        assert (claims["roles"], claims["desk"], claims["badge"]) == (["ADMIN"], 7, 1)
        # A client that people let in has tokens with nothing of the account in them.
        await register(world.service, "guest", scope=SCOPE)
        claims = said(await world.given(world.token(await world.begin("guest")), "helper"))
        assert not {"roles", "desk", "badge"} & claims.keys()
        # And a program that is not first-party is told nothing, whoever has asked it.
        assert not {"roles", "desk"} & said(await world.given(subject)).keys()

    scene_of(scene)


def test_a_chain_ends_where_it_is_too_long_or_comes_back(scene_of):
    async def scene(world):
        names = [f"agent{number}" for number in range(MOST_ACTORS + 1)]
        for name in names:
            await world.agent(name, ("orders", "billing"), ("billing",))
        token = world.token(await world.begin())
        for name in names[:-1]:
            token = await world.given(token, name)
        assert len(world.service.access_tokens.verify(token).actors) == MOST_ACTORS
        assert "no more may follow" in (await world.refused(token, names[-1]))[1]
        first = await world.given(world.token(await world.begin()), "orders")
        second = await world.given(first, "billing")
        await world.agent("round", ("ledger",), ("billing",))
        third = await world.given(second, "round")
        assert "already names this client" in (await world.refused(third, "billing"))[1]

    scene_of(scene)


def test_may_act_says_who_may_and_goes_on_with_the_token(scene_of):
    async def scene(world):
        claims = {**said(world.token(await world.begin()))}
        for name in ("iss", "aud", "exp", "iat", "nbf", "jti"):
            claims.pop(name, None)

        def allowing(may_act):
            more = {**claims, "may_act": may_act}
            return world.service.access_tokens.sign(more, "orders")[0]

        for wrong in (
            {"sub": "billing"},
            {"sub": "orders", "iss": "https://other.example"},
            {"iss": world.origin},
            {},
            "orders",
            ["orders"],
        ):
            assert "may_act" in (await world.refused(allowing(wrong)))[1]
        first = await world.given(allowing({"sub": "orders"}))
        assert said(first)["may_act"] == {"sub": "orders"}
        assert "may_act" in (await world.refused(first, "billing"))[1]

    scene_of(scene)


def test_an_actor_token_is_the_clients_own_and_nobody_elses(scene_of):
    async def scene(world):
        subject = world.token(await world.begin())

        async def own(client_id):
            auth = (client_id, world.secrets[client_id])
            answer = await world.client.post(
                "/token", data={"grant_type": "client_credentials"}, auth=auth
            )
            return answer.json()["access_token"]

        more = {"actor_token_type": ACCESS_TOKEN}
        mine = await own("orders")
        assert said(await world.given(subject, actor_token=mine, **more))["act"] == {
            "sub": "orders"
        }
        for token in (await own("billing"), subject, "x"):
            assert "the actor_token" in (await world.refused(subject, actor_token=token, **more))[1]
        await world.service.sessions.revoke_token(said(mine)["jti"], None, SERVICE)
        assert "was revoked" in (await world.refused(subject, actor_token=mine, **more))[1]
        bound, _ = world.service.access_tokens.sign(
            {"sub": "orders", "client_id": "orders"}, "orders", None, "x" * 43
        )
        assert "another key" in (await world.refused(subject, actor_token=bound, **more))[1]

    scene_of(scene)


def test_a_bound_token_gives_a_bound_token_or_none(scene_of):
    async def scene(world):
        person, program = Prover(), Prover()
        grant = await world.begin(key_thumbprint=person.thumbprint)
        subject = world.token(grant, person.thumbprint)
        assert "bound to a key" in (await world.refused(subject))[1]
        url, moment = f"{world.origin}/token", world.service.clock() // 1_000_000
        headers = {"DPoP": program.proof(url, iat=moment)}
        asked = await world.ask(subject, headers=headers)
        assert asked.json()["error"] == "use_dpop_nonce"
        nonce = asked.headers["dpop-nonce"]
        headers = {"DPoP": program.proof(url, iat=moment, nonce=nonce)}
        assert (await world.refused(subject, headers=headers, scope="x"))[0] == "invalid_scope"
        body = (await world.ask(subject, headers=headers)).json()
        assert body["token_type"] == "DPoP"
        assert said(body["access_token"])["cnf"] == {"jkt": program.thumbprint}
        again = await world.ask(subject, headers=headers)
        assert again.json()["error"] == "invalid_dpop_proof"

    scene_of(scene)


async def chain(world):
    """Give the session of a person, and the tokens of two programs, one below the other."""
    grant = await world.begin()
    first = await world.given(world.token(grant))
    return grant, first, await world.given(first, "billing")


async def entries(world):
    """Give the sessions that verifiers are told to refuse."""
    newest = await world.service.revocations.newest(100)
    return {entry.value for entry in newest.entries if entry.kind == "sid"}


ENDS = {
    "the session": lambda world, grant, _: world.service.sessions.end(grant.session_id, "x"),
    "one session of the account": lambda world, grant, _: world.service.sessions.end_of_account(
        world.account.id, grant.session_id, "x", OPERATOR
    ),
    "the person's client": lambda world, *_: world.service.registry.remove_client("shop", OPERATOR),
    "the first program": lambda world, *_: world.service.registry.remove_client("orders", OPERATOR),
    "the first program's work": lambda world, *_: world.service.agents.stop(
        world.account.id, "orders", OPERATOR
    ),
    "the first program's session": lambda world, _, first: world.service.sessions.end(
        said(first)["sid"], "x"
    ),
    "the person's token": lambda world, grant, first: world.service.sessions.revoke_token(
        "its jti", grant.session_id, OPERATOR
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_with_any_link_everything_below_it_ends(scene_of, end):
    async def scene(world):
        grant, first, second = await chain(world)
        before = await entries(world)
        await ENDS[end](world, grant, first)
        assert not await world.is_good(first)
        assert not await world.is_good(second)
        told = await entries(world) - before
        assert {said(first)["sid"], said(second)["sid"]} <= told
        assert (await world.refused(first, "billing"))[0] == "invalid_request"

    scene_of(scene)


def test_with_a_browser_ends_what_was_granted_in_it_and_all_below(scene_of):
    async def scene(world):
        login = await world.begin("carnet:browser", scope="")
        grant = await world.begin(login_id=login.session_id)
        first = await world.given(world.token(grant))
        await world.service.sessions.end(login.session_id, "signed_out")
        assert not await world.is_good(first)

    scene_of(scene)


def test_with_all_sessions_of_an_account_and_with_a_consent_the_programs_end(scene_of):
    async def scene(world):
        _, first, second = await chain(world)
        await world.service.sessions.end_all(world.account.id, "signed_out", OPERATOR)
        assert not await world.is_good(first)
        assert not await world.is_good(second)
        await register(world.service, "guest", scope=SCOPE)
        consents, account_id = world.service.consents, world.account.id
        world.account = await world.service.accounts.by_id(account_id)
        await consents.grant(account_id, "guest", "orders", SCOPE, OPERATOR)
        third = await world.given(world.token(await world.begin("guest")))
        await consents.withdraw(account_id, "guest", OPERATOR)
        assert not await world.is_good(third)

    scene_of(scene)


def test_what_ends_below_leaves_what_is_above(scene_of):
    async def scene(world):
        grant, first, second = await chain(world)
        await world.service.agents.stop(world.account.id, "billing", OPERATOR)
        assert not await world.is_good(second)
        assert await world.is_good(first)
        assert await world.is_good(world.token(grant))

    scene_of(scene)


def test_a_stopped_program_gets_nothing_until_the_person_signs_in_again(scene_of):
    async def scene(world):
        grant, first, _ = await chain(world)
        other, subject = await world.begin(), world.token(grant)
        assert await world.service.agents.stop(world.account.id, "billing", OPERATOR) == 1
        # Not with the same token, not for another resource, not from another session of before,
        # and not through another program.
        await world.agent("mail", ("orders",), ("billing",))
        for token in (first, await world.given(subject), await world.given(world.token(other))):
            assert (await world.refused(token, "billing"))[0] == "invalid_request"
        through = await world.given(subject, "mail")
        assert (await world.refused(through, "billing"))[0] == "invalid_request"
        world.clock.advance(1)
        again = await world.given(world.token(await world.begin()))
        assert await world.given(again, "billing")

    scene_of(scene)


def test_a_stop_is_remembered_as_long_as_any_session_of_before_may_live(scene_of):
    async def scene(world):
        lifetime = world.service.settings.session_lifetime
        await chain(world)
        world.clock.advance(lifetime - 100)
        later = await world.begin()
        await world.service.agents.stop(world.account.id, "orders", OPERATOR)
        world.clock.advance(86_400 + 200)
        await world.service.background.sweep()
        assert (await world.refused(world.token(later)))[0] == "invalid_request"

    scene_of(scene)


def test_a_program_whose_session_was_ended_by_itself_is_stopped(scene_of):
    async def scene(world):
        grant, first, _ = await chain(world)
        ended = said(first)["sid"]
        sessions = world.service.sessions
        assert await sessions.end_of_account(world.account.id, ended, "signed_out", OPERATOR)
        assert (await world.refused(world.token(grant)))[0] == "invalid_request"

    scene_of(scene)


def test_signing_out_with_a_programs_token_ends_the_programs_session_alone(scene_of):
    async def scene(world):
        grant, first, _ = await chain(world)
        headers = {"Authorization": f"Bearer {first}"}
        answer = await world.client.delete("/sessions/current", headers=headers)
        assert answer.status_code == 204
        assert not await world.is_good(first)
        assert await world.is_good(world.token(grant))

    scene_of(scene)


def test_a_revoked_token_ends_what_came_of_it_and_is_exchanged_no_more(scene_of):
    async def scene(world):
        grant, first, second = await chain(world)
        subject = world.token(grant)
        form = {"token": subject, "client_id": "shop"}
        assert (await world.client.post("/revocation", data=form)).status_code == 200
        assert not await world.is_good(first)
        assert not await world.is_good(second)
        assert (await world.refused(subject))[0] == "invalid_request"
        # Another token of the session, which still lives, may be exchanged.
        assert await world.given(world.token(grant))

    scene_of(scene)


def test_a_programs_token_opens_nothing_of_the_services_own(scene_of):
    async def scene(world):
        _, first, _ = await chain(world)
        headers = {"Authorization": f"Bearer {first}"}
        for path in ("/account", "/sessions", "/account/agents", "/clients"):
            assert (await world.client.get(path, headers=headers)).status_code == 401
        assert (await world.client.get("/userinfo", headers=headers)).status_code == 403

    scene_of(scene)


def test_there_is_one_session_for_a_program_and_a_resource_however_often_it_asks(scene_of):
    async def scene(world):
        grant = await world.begin(scope="bills:read")
        tokens = await asyncio.gather(*(world.given(world.token(grant)) for _ in range(10)))
        assert len({said(token)["sid"] for token in tokens}) == 1
        # A token costs one look, and nothing is written.
        subject = world.token(grant)
        before = world.service.store.statements_run
        await world.given(subject)
        assert world.service.store.statements_run - before == 1
        # What it may do grows, and that it is used is written down every few minutes.
        [seen] = await world.service.agents.of_account(world.account.id)
        assert seen.scope == "bills:read"
        await world.given(world.token(grant._replace(scope=SCOPE)))
        [seen] = await world.service.agents.of_account(world.account.id)
        assert (seen.scope, seen.used_at) == (SCOPE, world.clock.now)
        world.clock.advance(299)
        await world.given(subject)
        [same] = await world.service.agents.of_account(world.account.id)
        assert same.used_at == seen.used_at
        world.clock.advance(2)
        await world.given(subject)
        [used] = await world.service.agents.of_account(world.account.id)
        assert used.used_at == world.clock.now
        assert (await world.ask(world.token(grant), resource="ledger")).status_code == 200
        assert len(await world.service.agents.of_account(world.account.id)) == 2

    scene_of(scene)


def test_nobody_is_shown_a_program_as_a_place_where_they_are_signed_in(scene_of):
    async def scene(world):
        grant, *_ = await chain(world)
        sessions = await world.service.sessions.of_account(world.account.id)
        assert [one.id for one in sessions] == [grant.session_id]

    scene_of(scene)


def test_one_sees_over_http_who_acts_for_one_and_stops_it(scene_of):
    async def scene(world):
        _, first, second = await chain(world)
        listed = (await world.api("GET", "/account/agents")).json()["agents"]
        moment = world.clock.now // 1_000_000
        assert {one["client_id"]: one["resource"] for one in listed} == {
            "orders": "billing",
            "billing": "ledger",
        }
        assert listed[0]["scope"] == SCOPE
        assert listed[0]["since"] == listed[0]["used_at"] == moment
        for _ in range(2):
            assert (await world.api("DELETE", "/account/agents/billing")).status_code == 204
        assert not await world.is_good(second)
        assert await world.is_good(first)
        [left] = (await world.api("GET", "/account/agents")).json()["agents"]
        assert left["client_id"] == "orders"
        rows = await world.service.store.read("SELECT event, reason, actor FROM audit")
        assert ("agent_begun", "billing", None) in rows
        assert ("agent_stopped", "billing", world.account.id) in rows

    scene_of(scene)


def test_nobody_stops_the_programs_of_another(scene_of):
    async def scene(world):
        _, first, _ = await chain(world)
        other = await world.service.accounts.create("bob", PASSWORD)
        assert await world.service.agents.stop(other.id, "orders", OPERATOR) == 0
        assert await world.is_good(first)

    scene_of(scene)


def test_the_account_page_shows_who_acts_for_one_and_stop_stops_it(scene_of):
    async def scene(world):
        await world.sign_in()
        assert "Acting for you" not in (await world.client.get("/me/applications")).text
        await world.agent("named", ("orders",), ("billing",), client_name="The <b>Agent</b>")
        token = await world.given(world.token(await world.begin()), "named")
        page = (await world.client.get("/me/applications")).text
        assert "Acting for you" in page
        assert "The &lt;b&gt;Agent&lt;/b&gt;" in page
        assert '<span class="mono">billing</span>, may use: bills:read, bills:write' in page
        answer = await world.client.post("/me/agents/stop", data={"id": "named"})
        assert answer.status_code == 303
        done = (await world.client.get(answer.headers["location"])).text
        assert "The program is stopped" in done
        assert "Acting for you" not in done
        assert not await world.is_good(token)

    scene_of(scene)


def test_administrators_see_who_acts_for_an_account_and_stop_it(scene_of):
    async def scene(world):
        role = world.service.settings.admin_role
        await world.service.accounts.create("root", PASSWORD, (role,))
        root = Inside(world.service, "root")
        await root.sign_in()
        _, first, second = await chain(world)
        address = f"/admin/users/{world.account.id}"
        page = (await root.client.get(address)).text
        assert "Acting for the user" in page
        assert 'aria-label="Stop billing at ledger"' in page
        answer = await root.client.post(f"{address}/stop", data={"id": "orders"})
        assert answer.status_code == 303
        assert not await world.is_good(first)
        assert not await world.is_good(second)
        told = (await root.client.get("/admin/clients/client?id=orders")).text
        assert "With their tokens for orders, at billing, ledger" in told

    scene_of(scene)


def test_an_administrator_makes_a_program_that_acts_for_people(scene_of):
    async def scene(world):
        role = world.service.settings.admin_role
        await world.service.accounts.create("root", PASSWORD, (role,))
        root = Inside(world.service, "root")
        await root.sign_in()
        form = {
            "id": "made",
            "client_name": "Made",
            "kind": "agent",
            "scope": SCOPE,
            "exchange_from": "orders",
        }
        refused = await root.client.post("/admin/clients/new", data=form)
        assert refused.status_code == 422
        assert "exchange_to names at least one audience" in refused.text
        form["exchange_to"] = "billing ledger"
        made = await root.client.post("/admin/clients/new", data=form)
        assert made.status_code == 201
        world.secrets["made"] = re.search(r'<code id="secret">([^<]+)<', made.text)[1]
        subject = world.token(await world.begin())
        assert said(await world.given(subject, "made", resource="ledger"))["aud"] == "ledger"

    scene_of(scene)
