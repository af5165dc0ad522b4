"""What the token endpoint asks the database for, and when a proof is used up."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import Request
from tests.server.inside import Inside, change, register
from tests.server.oauth_clients import Prover

from carnet import Key, Signer, inspect
from carnet.server.audit import OPERATOR
from carnet.server.sessions.sessions import NewSession

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCES = ("orders", "billing")
SCOPE = "orders:read orders:write"


class Program(Inside):
    """A client that holds a key, and counts the statements that its requests cost."""

    def __init__(self, service):
        super().__init__(service)
        self.prover = Prover()

    async def proofs(self, number):
        """Make proofs for the token endpoint, with the nonce that it asks for."""
        url, moment = f"{self.origin}/token", self.service.clock() // 1_000_000
        first = await self.token(
            headers={"DPoP": self.prover.proof(url, iat=moment)}, grant_type="refresh_token"
        )
        nonce = first.headers["dpop-nonce"]
        return [{"DPoP": self.prover.proof(url, iat=moment, nonce=nonce)} for _ in range(number)]

    async def counted(self, asking):
        """Give an answer, and how many statements were run for it."""
        before = self.service.store.statements_run
        answer = await asking
        return answer, self.service.store.statements_run - before

    async def kept(self):
        """Count the proofs that the service remembers."""
        [(count,)] = await self.service.store.read("SELECT COUNT(*) FROM spent")
        return count


@pytest.fixture
def scene_of(play):
    """Run a scene with a program of a first-party client, whose people are not asked."""

    def run(scene):
        async def opened(service, _clock):
            account = await service.accounts.create("alice", PASSWORD)
            await register(service, first_party=True, scope=f"openid {SCOPE}")
            program = Program(service)

            async def begin(**more):
                wanted = NewSession("app", "orders", SCOPE, **more)
                return (await service.sessions.begin(account, wanted)).refresh_token

            return await scene(program, begin)

        return play(opened, audiences=AUDIENCES)

    return run


def test_a_refresh_is_one_statement_and_one_more_where_it_asks_for_less(scene_of):
    async def scene(program, begin):
        token, costs = await begin(), []
        for more in ({}, {"resource": "billing"}, {"scope": "orders:read"}, {"expires_in": "60"}):
            answer, cost = await program.counted(program.refresh(token, **more))
            token = answer.json()["refresh_token"]
            costs.append(cost)
        return costs

    assert scene_of(scene) == [1, 2, 2, 1]


def test_a_proof_costs_a_refresh_its_own_statement_and_one_look_at_the_session(scene_of):
    async def scene(program, begin):
        token, costs = await begin(key_thumbprint=program.prover.thumbprint), []
        for more in ({}, {"resource": "billing", "scope": "orders:read"}):
            [headers] = await program.proofs(1)
            asking = program.refresh(token, headers=headers, **more)
            answer, cost = await program.counted(asking)
            token = answer.json()["refresh_token"]
            costs.append(cost)
        return costs

    assert scene_of(scene) == [3, 3]


def test_a_proof_costs_a_code_one_statement(scene_of):
    async def scene(program, _begin):
        costs = []
        for headers in (None, *await program.proofs(1)):
            asked, answer = await program.authorize()
            asking = program.exchange(asked, answer["code"], headers=headers)
            given, cost = await program.counted(asking)
            assert given.status_code == 200
            costs.append(cost)
        return costs[1] - costs[0]

    assert scene_of(scene) == 1


def test_what_is_refused_before_anything_is_taken_uses_up_no_proof(scene_of):
    async def scene(program, begin):
        token = await begin(key_thumbprint=program.prover.thumbprint)
        asked, answer = await program.authorize()
        [one] = await program.proofs(1)
        for asking in (
            program.refresh(token, headers=one, resource="elsewhere"),
            program.refresh(token, headers=one, scope="orders:delete"),
            program.refresh(token, headers=one, expires_in="x"),
            program.exchange(asked, answer["code"], headers=one, code_verifier="short"),
        ):
            assert (await asking).status_code == 400
        assert await program.kept() == 0
        # The proof and the token are both still good, once.
        assert (await program.refresh(token, headers=one)).status_code == 200
        assert await program.kept() == 1

    scene_of(scene)


def test_a_proof_that_was_used_takes_nothing_more(scene_of):
    """Neither the code or the token that comes with it, nor the session that these gave."""

    async def scene(program, begin):
        token = await begin(key_thumbprint=program.prover.thumbprint)
        first, second, third = await program.proofs(3)
        given = (await program.refresh(token, headers=first)).json()
        again = await program.refresh(given["refresh_token"], headers=first)
        assert again.json()["error"] == "invalid_dpop_proof"
        # Of the generation before last by now: judged, it would end the session.
        following = (await program.refresh(given["refresh_token"], headers=second)).json()
        assert (await program.refresh(token, headers=first)).json()["error"] == "invalid_dpop_proof"

        asked = Request(client_id="app")
        asked, answer = await program.authorize(asked)
        body = (await program.exchange(asked, answer["code"], headers=third)).json()
        again = await program.exchange(asked, answer["code"], headers=third)
        assert again.json()["error"] == "invalid_dpop_proof"

        living = []
        for left in (following["refresh_token"], body["refresh_token"]):
            [headers] = await program.proofs(1)
            answer = await program.refresh(left, headers=headers)
            assert answer.status_code == 200, answer.text
            living.append(inspect(answer.json()["access_token"]).claims["cnf"]["jkt"])
        return living == [program.prover.thumbprint] * 2

    assert scene_of(scene)


def test_what_was_used_is_remembered_for_as_long_as_it_would_be_good(play):
    """A proof and an assertion, whatever is swept away meanwhile; each by whose it is."""

    async def scene(service, clock):
        program, key = Program(service), Key.generate("ES256")
        url = f"{program.origin}/token"
        for name in ("one", "other"):
            await register(
                service,
                name,
                redirect_uris=(),
                grant_types=("client_credentials",),
                token_endpoint_auth_method="private_key_jwt",
                jwks={"keys": [key.public.to_jwk()]},
            )
        seconds = clock() // 1_000_000

        def assertion(name, token_id="an-id"):
            signer = Signer(key, issuer=name, audience=url, lifetime=600, clock=lambda: seconds)
            return signer.sign({"sub": name, "jti": token_id})

        async def present(text, headers=None):
            given = {"client_assertion": text, "client_assertion_type": ASSERTION}
            await service.background.sweep()
            answer = await program.token(None, headers, grant_type="client_credentials", **given)
            return answer.json().get("error", answer.status_code)

        assert await present(assertion("one")) == 200
        assert await present(assertion("other")) == 200
        clock.advance(500)
        assert await present(assertion("one")) == "invalid_client"
        clock.advance(125)
        # Within the leeway for clocks.
        assert await present(assertion("one")) == "invalid_client"

        seconds = clock() // 1_000_000
        [proof] = await program.proofs(1)
        assert await present(assertion("one", "a"), proof) == 200
        clock.advance(55)
        assert await present(assertion("one", "b"), proof) == "invalid_dpop_proof"

    play(scene)


def test_a_client_that_asks_again_gets_what_it_may_have_now(play):
    """Its own tokens are decided once; so each change that matters to them has to be seen."""

    async def scene(service, clock):
        program = Program(service)
        shape = {
            "redirect_uris": (),
            "grant_types": ("client_credentials",),
            "token_endpoint_auth_method": "client_secret_basic",
        }
        secret = await register(service, "job", resources=("orders",), scope=SCOPE, **shape)

        async def ask(**more):
            form = {"grant_type": "client_credentials", **more}
            answer = await program.client.post("/token", data=form, auth=("job", secret))
            if answer.is_error:
                return answer.json()["error"]
            token = inspect(answer.json()["access_token"])
            claims = token.claims
            assert claims["exp"] - claims["iat"] == answer.json()["expires_in"]
            ids.add(claims["jti"])
            return token.header["kid"], claims["aud"], claims.get("scope")

        ids = set()
        first = await ask()
        assert first[1:] == ("orders", SCOPE)
        assert await ask() == first
        assert (await ask(scope="orders:read"))[1:] == ("orders", "orders:read")
        assert await ask(resource="billing") == "invalid_target"

        await change(service, "job", resources=("billing",), scope="orders:read", **shape)
        assert (await ask())[1:] == ("billing", "orders:read")
        assert await ask(scope="orders:write") == "invalid_scope"

        clock.advance(1)
        alg = service.settings.signing_algorithms[0]
        await service.keys.rotate(alg, OPERATOR, at_once=True)
        assert (await ask())[0] != first[0]
        assert len(ids) == 5

        await service.registry.remove_client("job", OPERATOR)
        assert await ask() == "invalid_client"

    play(scene, audiences=AUDIENCES)


def test_a_session_that_goes_on_has_what_its_client_may_have_now(scene_of):
    async def scene(program, begin):
        service = program.service

        async def refresh(token):
            answer = (await program.refresh(token)).json()
            return answer.get("scope", answer.get("error")), answer.get("refresh_token")

        token = await begin()
        scope, token = await refresh(token)
        again, token = await refresh(token)
        assert scope == again == SCOPE
        await change(service, first_party=True, scope="openid orders:read")
        narrower, token = await refresh(token)
        assert narrower == "orders:read"
        await change(service, first_party=True, scope="openid")
        return (await refresh(token))[0]

    assert scene_of(scene) == "invalid_grant"
