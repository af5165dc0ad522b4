"""A clock that is an hour wrong for a while, at any moment, or a second apart from another's."""

import asyncio

import pytest
from tests.server.conftest import PASSWORD, Clock
from tests.server.inside import Inside, register
from tests.server.oauth_clients import Prover

from carnet import inspect
from carnet.jose import jws
from carnet.server.audit import OPERATOR
from carnet.server.clock import SECOND
from carnet.server.keys.stages import Stage
from carnet.server.service import open_service
from carnet.server.sessions.sessions import NewSession
from carnet.server.settings import Settings

HOUR, DAY = 3600, 86_400
STEPS = (-HOUR, HOUR)
# After which of these the clock goes wrong; it is put right again at the end.
MOMENTS = ("nothing", "mark", "sign-in", "code", "tokens", "refresh", "end")


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


class Life:
    """A person's session with a client, from the first request to the end, on a clock that steps.

    Attributes:
        answers: the statuses of all answers.
    """

    def __init__(self, service, clock, moment, step):
        self.service, self.clock, self.step = service, clock, step
        self.waits_for = moment
        self.answers = []
        self.person = Inside(service)
        self.person.client.event_hooks["response"] = [self._note]

    async def _note(self, answer):
        self.answers.append(answer.status_code)

    async def reach(self, moment):
        """Let the clock go wrong, where it is time; the service goes on by itself."""
        if moment == self.waits_for:
            self.waits_for = None
            self.clock.advance(self.step)
        await self.service.background.follow()
        await self.service.background.sweep()

    async def authorize(self):
        """Sign in and get a code, with a page between, as a person does."""
        person = self.person
        post, get = person.client.post, person.client.get

        async def get_and_reach(address, **more):
            answer = await get(address, **more)
            if answer.is_redirect and "/sign-in" in answer.headers["location"]:
                await self.reach("mark")
            return answer

        async def post_and_reach(address, **more):
            answer = await post(address, **more)
            await self.reach("sign-in")
            return answer

        person.client.get, person.client.post = get_and_reach, post_and_reach
        try:
            return await person.authorize(prompt="login", max_age="60")
        finally:
            person.client.get, person.client.post = get, post

    async def sign_in(self):
        """Get tokens; who is refused them begins anew, once."""
        for _ in range(2):
            asked, answer = await self.authorize()
            await self.reach("code")
            given = await self.person.exchange(asked, answer["code"])
            await self.reach("tokens")
            if given.status_code == 200:
                self.asked, self.code = asked, answer["code"]
                return given.json()
            assert given.json()["error"] == "invalid_grant"
        raise AssertionError("no session begins")

    async def refresh(self, tokens):
        return await self.person.refresh(tokens["refresh_token"])

    def put_right(self):
        self.clock.advance(-self.step)


def sid_of(tokens):
    return inspect(tokens["access_token"]).claims["sid"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_session_lives_and_ends_whenever_the_clock_goes_wrong(play, moment, step):
    async def scene(service, clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service)
        life = Life(service, clock, moment, step)
        await life.reach("nothing")
        tokens = await life.sign_in()
        tokens = (await life.refresh(tokens)).json()
        await life.reach("refresh")
        if moment != "end":
            # What an hour more or less makes of it is not for good.
            tokens = (await life.refresh(tokens)).json()
            life.put_right()
        again = await life.refresh(tokens)
        assert again.status_code == 200, again.text
        tokens = again.json()

        await service.sessions.end(sid_of(tokens), "signed_out", OPERATOR)
        await life.reach("end")
        if moment == "end":
            life.put_right()
        for wrong in (0, *STEPS):
            clock.advance(wrong)
            await service.background.follow()
            await service.background.sweep()
            assert (await life.refresh(tokens)).status_code == 400
            claims = inspect(tokens["access_token"]).claims
            state = claims["sid"], claims["sub_ver"], claims["jti"]
            assert not await service.sessions.accepts(*state)
            # The code that began it begins no other.
            assert (await life.person.exchange(life.asked, life.code)).status_code == 400
            clock.advance(-wrong)
        # Verifiers that begin now are told.
        assert sid_of(tokens) in [
            entry.value for entry in (await service.revocations.newest(100)).entries
        ]
        assert (await life.person.tokens())["access_token"]
        assert max(life.answers) < 500
        assert life.answers

    play(scene)


@pytest.mark.parametrize(("step", "idle"), [(HOUR, HOUR // 2), (-HOUR, 2 * HOUR)])
def test_a_session_that_an_hour_makes_idle_goes_on_when_the_clock_is_right(play, step, idle):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        person, token = Inside(service), grant.refresh_token
        clock.advance(idle // 2)
        for wrong, status in ((step, 400 if step > 0 else 200), (-step, 200)):
            clock.advance(wrong)
            await service.background.sweep()
            answer = await person.refresh(token, client_id=None)
            assert answer.status_code == status
            token = answer.json().get("refresh_token", token)
        clock.advance(idle)
        assert (await person.refresh(token, client_id=None)).status_code == 400

    play(scene, session_idle_lifetime=idle, session_lifetime=DAY)


@pytest.mark.parametrize("step", STEPS)
def test_the_browsers_session_outlives_a_wrong_clock(play, step):
    async def scene(service, clock):
        await service.accounts.create("alice", PASSWORD)
        person = Inside(service)
        await person.sign_in()
        for wrong in (step, -step):
            clock.advance(wrong)
            await service.background.sweep()
            assert (await person.client.get("/me")).status_code == 200
        clock.advance(step)
        assert (await person.sign_in()).status_code == 303
        clock.advance(-step)
        assert (await person.client.get("/me")).status_code == 200

    play(scene)


# Seconds after the service has begun, with keys that sign for a day and are published for two
# hours before: when the second is made, just before it signs, when it does, and around the removal
# of the first.
KEY_MOMENTS = {
    "first": 0,
    "before the next is made": DAY - 2 * HOUR - 1,
    "published": DAY - 2 * HOUR,
    "about to sign": DAY - 1,
    "signing": DAY,
    "retired": DAY + 300,
    "about to be removed": DAY + 359,
    "removed": DAY + 360,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", KEY_MOMENTS)
def test_keys_sign_and_go_on_whenever_the_clock_goes_wrong(play, moment, step):
    async def scene(service, clock):
        keys = service.keys
        account = await service.accounts.create("alice", PASSWORD)
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        began = clock.now

        async def sign():
            await service.background.follow()
            token, _ = service.access_tokens.issue(grant, "default", None)
            jws.verify(token, keys.published)
            assert service.access_tokens.verify(token).subject == account.id
            stages = [stage for _, stage in keys.overview()]
            assert stages.count(Stage.SIGNING) == 1
            return token

        while clock.now < began + KEY_MOMENTS[moment] * SECOND:
            left = began // SECOND + KEY_MOMENTS[moment] - clock.now // SECOND
            await sign()
            clock.advance(min(HOUR, left))
        before = await sign()
        clock.advance(step)
        await sign()
        clock.advance(-step)
        await sign()
        if moment not in ("retired", "about to be removed") and step < 0:
            jws.verify(before, keys.published)
        # The life of keys goes on: in two days another one signs, and not more than two are kept.
        signing = keys.signing("ES256").kid
        for _ in range(49):
            clock.advance(HOUR)
            await sign()
        assert keys.signing("ES256").kid != signing
        assert len(keys.overview()) <= 2

    play(scene, key_lifetime=DAY, key_publish_lead=2 * HOUR)


@pytest.mark.parametrize("behind", [1, HOUR])
def test_replicas_whose_clocks_differ_sign_what_each_of_them_takes(tmp_path, engine, behind):
    """Around the moment at which a key begins to sign, and at the first start."""

    async def scene():
        settings = Settings(
            data=str(tmp_path / "data"),
            database=engine,
            key_lifetime=DAY,
            key_publish_lead=2 * HOUR,
        )
        ahead, late = Clock(), Clock()
        late.advance(-behind)
        async with open_service(settings, ahead) as one, open_service(settings, late) as other:
            account = await one.accounts.create("alice", PASSWORD)
            grant = await one.sessions.begin(account, NewSession("carnet", "default"))
            used = set()

            async def both():
                for service in (one, other):
                    await service.background.follow()
                for signer in (one, other):
                    token, _ = signer.access_tokens.issue(grant, "default", None)
                    used.add(inspect(token).header["kid"])
                    for service in (one, other):
                        assert service.access_tokens.verify(token).subject == account.id
                    # A refresh at the other replica is one of the same session.
                    async with Inside(signer).client as client:
                        answer = await client.get("/.well-known/jwks.json")
                    assert inspect(token).header["kid"] in answer.text

            def advance(seconds):
                for clock in (ahead, late):
                    clock.advance(seconds)

            await both()
            advance(DAY - 2 * HOUR)
            await both()
            advance(2 * HOUR - 2)
            for _ in range(5):
                await both()
                advance(1)
            advance(behind)
            await both()
            assert len(used) == 2
            assert one.keys.signing("ES256").kid == other.keys.signing("ES256").kid

    asyncio.run(scene())


@pytest.mark.parametrize("step", STEPS)
def test_a_nonce_and_a_proof_outlive_no_wrong_clock_and_are_used_once(play, step):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        prover = Prover()
        new = NewSession("carnet", "default", key_thumbprint=prover.thumbprint)
        grant = await service.sessions.begin(account, new)
        person = Inside(service)
        url = f"{person.origin}/token"

        async def ask(nonce, **claims):
            # The client's own clock is right.
            said = {"iat": right // SECOND, "nonce": nonce, **claims}
            headers = {"DPoP": prover.proof(url, **said)}
            return await person.refresh(grant.refresh_token, client_id=None, headers=headers)

        right = clock.now
        nonce = (await ask(None)).headers["dpop-nonce"]
        first = await ask(nonce, jti="one")
        assert first.status_code == 200
        clock.advance(step)
        await service.background.sweep()
        refused = await ask(nonce)
        assert refused.status_code == 400
        assert refused.json()["error"] in ("use_dpop_nonce", "invalid_dpop_proof")
        clock.advance(-step)
        again = await ask(nonce, jti="one")
        assert again.json()["error"] == "invalid_dpop_proof"
        assert (await ask(nonce)).status_code == 200

    play(scene)
