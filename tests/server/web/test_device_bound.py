"""Sessions that are bound to a device, by a browser that does as it is told."""

from __future__ import annotations

import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside

from carnet import Key
from carnet.jose import jws
from carnet.server.audit import OPERATOR

ISSUER = "https://auth.example.com"
PATH = "/sign-in/device"
FORM = {"form": "1"}
SESSION, BOUND = "__Host-carnet", "__Host-carnet-bound"


class Device:
    """A browser that holds a key."""

    def __init__(self, person):
        self.person = person
        self.key = Key.generate("ES256")
        self.session_id = ""

    async def sign_in(self):
        """Sign in, and give the challenge of the offer."""
        answer = await self.person.sign_in()
        assert answer.headers["location"] == "/me"
        return challenge_of(answer, "registration")

    def proof(self, challenge, key=None, **header):
        key = key or self.key
        more = {"typ": "dbsc+jwt", "jwk": key.to_jwk(), **header}
        return jws.sign(b'{"jti":"%s"}' % challenge.encode(), key, more)

    async def register(self, challenge, **more):
        headers = {"Secure-Session-Response": self.proof(challenge, **more)}
        answer = await self.person.client.post(PATH, headers=headers)
        if answer.status_code == 200:
            self.session_id = answer.json()["session_identifier"]
        return answer

    async def ask(self, **headers):
        headers = {"Sec-Secure-Session-Id": self.session_id, **headers}
        return await self.person.client.post(PATH, headers=headers)

    async def refresh(self, **more):
        challenge = challenge_of(await self.ask(), "challenge")
        return await self.ask(**{"Secure-Session-Response": self.proof(challenge, **more)})

    async def is_in(self):
        return (await self.person.client.get("/me")).status_code == 200

    def copy(self):
        """Give somebody a browser with a copy of all cookies."""
        thief = Inside(self.person.service)
        for name, value in self.person.client.cookies.items():
            thief.client.cookies.set(name, value)
        return thief


def challenge_of(answer, kind):
    pattern = {"registration": r'challenge="([^"]+)"', "challenge": r'^"([^"]+)";id='}[kind]
    return re.search(pattern, answer.headers[f"secure-session-{kind}"])[1]


@pytest.fixture
def scene_of(play):
    """Run a scene with alice and a browser of hers that binds sessions."""

    def run(scene, **settings):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD)
            return await scene(Device(Inside(service)), clock)

        return play(opened, **{"issuer": ISSUER, "device_bound_sessions": True, **settings})

    return run


async def bound(device):
    assert (await device.register(await device.sign_in())).status_code == 200


def test_a_bound_session_goes_on_for_whoever_holds_the_key(scene_of):
    async def scene(device, clock):
        await bound(device)
        found = [await device.is_in()]
        for _ in range(3):
            clock.advance(600)
            found.append(await device.is_in())
            assert (await device.refresh()).status_code == 200
            found.append(await device.is_in())
        return found

    assert scene_of(scene) == [True, False, True, False, True, False, True]


def test_cookies_that_were_copied_are_good_for_ten_minutes_and_no_more(scene_of):
    async def scene(device, clock):
        first = device.copy()
        plain = await device.sign_in()
        before = device.copy()
        await device.register(plain)
        thief = device.copy()
        soon = (await thief.client.get("/me")).status_code
        clock.advance(600)
        late = (await thief.client.get("/me")).status_code
        stolen = Device(thief)
        stolen.session_id = device.session_id
        refused = await stolen.refresh()
        await device.refresh()
        # What the sign-in gave in the clear ends with the first refresh.
        clear = (await before.client.get("/me")).status_code
        return first.client.cookies.get(SESSION), soon, late, refused.status_code, clear

    assert scene_of(scene) == (None, 200, 303, 403, 303)


@pytest.mark.parametrize(
    "change",
    [
        {"typ": "JWT"},
        {"typ": "dpop+jwt"},
        {"jwk": Key.generate("ES256").to_jwk()},
        {"jwk": {"kty": "EC"}},
        {"jwk": "x"},
    ],
)
def test_a_proof_that_is_not_exactly_right_binds_nothing(scene_of, change):
    async def scene(device, clock):
        answer = await device.register(await device.sign_in(), **change)
        return answer.status_code, BOUND in device.person.client.cookies, await device.is_in()

    assert scene_of(scene) == (403, False, True)


def test_a_key_of_another_algorithm_is_refused(scene_of):
    async def scene(device, clock):
        device.key = Key.generate("RS256")
        return (await device.register(await device.sign_in())).status_code

    assert scene_of(scene) == 403


def test_a_challenge_is_for_its_session_five_minutes_and_once(scene_of):
    async def scene(device, clock):
        other = Device(Inside(device.person.service))
        theirs = await other.sign_in()
        own = await device.sign_in()
        foreign = await device.register(theirs)
        clock.advance(300)
        late = await device.register(own)
        await bound(device)
        challenge = challenge_of(await device.ask(), "challenge")
        proof = {"Secure-Session-Response": device.proof(challenge)}
        answers = [await device.ask(**proof) for _ in range(2)]
        return [one.status_code for one in (foreign, late, *answers)]

    assert scene_of(scene) == [403, 403, 200, 403]


def test_a_session_that_is_bound_stays_with_its_key(scene_of):
    async def scene(device, clock):
        challenge = await device.sign_in()
        await device.register(challenge)
        thief = Device(device.copy())
        known = challenge_of(await device.ask(), "challenge")
        return [(await thief.register(one)).status_code for one in (challenge, known)]

    assert scene_of(scene) == [403, 403]


@pytest.mark.parametrize("end", ["sign-out", "elsewhere", "password", "disabled"])
def test_a_session_that_has_ended_is_kept_fresh_no_more(scene_of, end):
    async def scene(device, clock):
        await bound(device)
        service = device.person.service
        account = await service.accounts.find("alice")
        if end == "sign-out":
            await device.person.client.post("/sign-out", data=FORM)
        elif end == "elsewhere":
            await service.sessions.end_all(account.id, "signed_out", OPERATOR)
        elif end == "password":
            await service.accounts.set_password(account.id, "another-long-password", OPERATOR)
        else:
            await service.accounts.disable(account.id, OPERATOR)
        answer = await device.ask()
        return answer.status_code, answer.json(), await device.is_in()

    assert scene_of(scene) == (200, {"continue": False}, False)


def test_a_session_of_before_takes_nothing_from_whoever_has_signed_in_since(scene_of):
    async def scene(device, clock):
        await bound(device)
        await device.person.service.accounts.create("bob", PASSWORD)
        before, device.person.typed["username"] = device.session_id, "bob"
        challenge = await device.sign_in()
        early = await device.ask(**{"Sec-Secure-Session-Id": before})
        found = [await device.is_in()]
        await device.register(challenge)
        late = await device.ask(**{"Sec-Secure-Session-Id": before})
        found.append(await device.is_in())
        return found, early.json(), late.json(), (await device.refresh()).status_code

    over = {"continue": False}
    assert scene_of(scene) == ([True, True], over, over, 200)


def test_another_site_neither_binds_nor_refreshes(scene_of):
    async def scene(device, clock):
        challenge = await device.sign_in()
        headers = {
            "Secure-Session-Response": device.proof(challenge),
            "Origin": "https://a.example",
        }
        binds = await device.person.client.post(PATH, headers=headers)
        await bound(device)
        return binds.status_code, (await device.ask(Origin="https://a.example")).status_code

    assert scene_of(scene) == (403, 403)


def test_the_service_s_own_token_is_in_no_cookie_of_a_bound_session(scene_of):
    async def scene(device, clock):
        challenge = await device.sign_in()
        token = device.person.client.cookies[SESSION]
        await device.register(challenge)
        return token, list(device.person.client.cookies.values())

    token, cookies = scene_of(scene)
    assert len(token) > 40
    assert not any(token in text for text in cookies)


@pytest.mark.parametrize(
    "given", [{"device_bound_sessions": False}, {"issuer": "http://localhost:8400"}]
)
def test_where_it_is_off_or_there_is_no_tls_nothing_changes(scene_of, given):
    async def scene(device, clock):
        answer = await device.person.sign_in()
        headers = {"Secure-Session-Response": "x"}
        binds = await device.person.client.post(PATH, headers=headers)
        return "secure-session-registration" in answer.headers, binds.status_code

    assert scene_of(scene, **given) == (False, 403)
