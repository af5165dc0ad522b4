"""Passkeys without a browser: everything that one could answer and that must not be taken."""

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import CoseKey
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR, Origin, newest
from carnet.server.factors.levels import acr_of
from carnet.server.factors.passkeys import PasskeyRefused
from carnet.server.web.passkey_sign_in import add_passkey, ask_for_passkey, sign_in_with_passkey
from carnet.server.web.password_sign_in import SignedIn, SignInRefused

ISSUER = "https://auth.example.com"
HERE = Origin("192.0.2.1")
FLAG = AuthenticatorData.FLAG


class Authenticator:
    """An authenticator, in software, that does as it is told."""

    def __init__(self, account_id, credential_id=b"c" * 16):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.account_id = account_id
        self.credential_id = credential_id
        self.counter = 0
        self.flags = FLAG.UP | FLAG.UV | FLAG.BE | FLAG.BS
        self.origin = ISSUER
        self.rp_id = "auth.example.com"
        self.cross_origin = False
        self.alg = None
        self.user = account_id.encode()

    def _client_data(self, kind, options):
        challenge = json.loads(options)["challenge"]
        return CollectedClientData.create(kind, challenge, self.origin, self.cross_origin)

    def make(self, options):
        public = CoseKey.for_alg(-7).from_cryptography_key(self.key.public_key())
        if self.alg is not None:
            public[3] = self.alg
        credential = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public)
        flags = self.flags | FLAG.AT
        data = AuthenticatorData.create(
            sha256(self.rp_id.encode()), flags, self.counter, credential
        )
        return self._answer(
            clientDataJSON=self._client_data("webauthn.create", options),
            attestationObject=AttestationObject.create("none", data, {}),
        )

    def sign(self, options):
        self.counter += 1
        data = AuthenticatorData.create(sha256(self.rp_id.encode()), self.flags, self.counter)
        said = self._client_data("webauthn.get", options)
        signature = self.key.sign(data + said.hash, ec.ECDSA(hashes.SHA256()))
        more = {} if self.user is None else {"userHandle": self.user}
        return self._answer(
            clientDataJSON=said, authenticatorData=data, signature=signature, **more
        )

    def _answer(self, **response):
        name = websafe_encode(self.credential_id)
        return json.dumps(
            {
                "id": name,
                "rawId": name,
                "type": "public-key",
                "response": {key: websafe_encode(value) for key, value in response.items()},
                "clientExtensionResults": {},
            }
        )


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


@pytest.fixture
def scene_of(play):
    """Run a scene with alice, who has a passkey."""

    def run(scene, *, registered=True):
        async def opened(service, clock):
            account = await service.accounts.create("alice", PASSWORD)
            device = Authenticator(account.id)
            if registered:
                await made(service, account, device)
            return await scene(service, clock, account, device)

        return play(opened, issuer=ISSUER)

    return run


async def made(service, account, device, name="Laptop"):
    asked = await ask_for_passkey(service, "new", account)
    answer = device.make(asked.options)
    await add_passkey(service, account, asked.state, answer, name, OPERATOR)


async def signed_in(service, device, proved=None, options=None, state=None):
    """Sign in, and give what is reached; None where it is refused."""
    purpose = "sign in" if proved is None else "second factor"
    asked = await ask_for_passkey(service, purpose, proved and proved.account)
    answer = device.sign(options or asked.options)
    try:
        found = await sign_in_with_passkey(service, state or asked.state, answer, HERE, proved)
    except SignInRefused:
        return None
    return found.account.username, found.amr


def test_a_passkey_alone_is_two_factors(scene_of):
    async def scene(service, clock, account, device):
        found = [await signed_in(service, device) for _ in range(2)]
        [factor] = await service.factors.of_account(account.id)
        return found, factor.kind, factor.name, factor.used_at == clock()

    found, *factor = scene_of(scene)
    assert found == [("alice", "pop user mfa")] * 2
    assert acr_of("pop user mfa") == "aal2"
    assert factor == ["passkey", "Laptop", True]


def test_a_passkey_after_the_password_needs_no_finger(scene_of):
    async def scene(service, clock, account, device):
        device.flags = FLAG.UP | FLAG.BE
        proved = SignedIn(account, "pwd", clock())
        return await signed_in(service, device, proved), await signed_in(service, device)

    assert scene_of(scene) == (("alice", "pwd pop user mfa"), None)


WRONG = {
    "another origin": {"origin": "https://evil.example"},
    "another port": {"origin": f"{ISSUER}:8443"},
    "a host below": {"origin": "https://a.auth.example.com"},
    "plain http": {"origin": "http://auth.example.com"},
    "another relying party": {"rp_id": "example.com"},
    "a frame of another site": {"cross_origin": True},
    "nobody present": {"flags": FLAG.UV | FLAG.BE},
    "nobody verified": {"flags": FLAG.UP | FLAG.BE},
    "no copies any more": {"flags": FLAG.UP | FLAG.UV},
    "no user": {"user": None},
    "another user": {"user": b"somebody"},
    "another credential": {"credential_id": b"x" * 16},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "an older counter": {"counter": -1},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_an_answer_keeps_it_out(scene_of, wrong):
    async def scene(service, clock, account, device):
        device.counter = 5
        right = await signed_in(service, device)
        for name, value in WRONG[wrong].items():
            setattr(device, name, value)
        return right, await signed_in(service, device)

    right, found = scene_of(scene)
    assert right == ("alice", "pop user mfa")
    assert found is None


@pytest.mark.parametrize("wrong", ["another origin", "a frame of another site", "nobody present"])
def test_what_is_wrong_when_a_passkey_is_made_keeps_it_out(scene_of, wrong):
    async def scene(service, clock, account, device):
        for name, value in WRONG[wrong].items():
            setattr(device, name, value)
        with pytest.raises(PasskeyRefused):
            await made(service, account, device)
        return await service.factors.kinds(account.id)

    assert scene_of(scene, registered=False) == ()


@pytest.mark.parametrize("alg", [-47, -65535, -35])
def test_a_key_of_an_algorithm_that_was_not_asked_for_is_refused(scene_of, alg):
    async def scene(service, clock, account, device):
        device.alg = alg
        with pytest.raises(PasskeyRefused):
            await made(service, account, device)

    scene_of(scene, registered=False)


def test_a_challenge_is_for_its_purpose_its_account_and_ten_minutes(scene_of):
    async def scene(service, clock, account, device):
        bob = await service.accounts.create("bob", PASSWORD)
        his = Authenticator(bob.id, b"b" * 16)
        await made(service, bob, his)
        proved = SignedIn(account, "pwd", clock())
        states = {
            "second": await ask_for_passkey(service, "second factor", account),
            "new": await ask_for_passkey(service, "new", account),
            "bob's": await ask_for_passkey(service, "second factor", bob),
        }
        alone = [
            await signed_in(service, device, None, one.options, one.state)
            for one in states.values()
        ]
        second = [
            await signed_in(service, device, proved, one.options, one.state)
            for one in (states["bob's"], states["new"])
        ]
        asked = await ask_for_passkey(service, "sign in")
        answer = Authenticator(account.id, b"o" * 16).make(asked.options)
        with pytest.raises(PasskeyRefused):
            await add_passkey(service, account, asked.state, answer, "", OPERATOR)
        asked = await ask_for_passkey(service, "sign in")
        clock.advance(600)
        late = await signed_in(service, device, None, asked.options, asked.state)
        return [*alone, *second, late]

    assert scene_of(scene) == [None] * 6


def test_an_answer_is_taken_once_however_often_it_comes_at_once(scene_of):
    async def scene(service, clock, account, device):
        asked = await ask_for_passkey(service, "sign in")
        # One that does not count, so that its counter can't be what is in the way.
        device.counter = -1
        answer, found = device.sign(asked.options), []
        await service.store.write("UPDATE factor SET counter = 0")
        for _ in range(3):
            try:
                await sign_in_with_passkey(service, asked.state, answer, HERE)
                found.append(True)
            except SignInRefused:
                found.append(False)
        return found

    assert scene_of(scene) == [True, False, False]


def test_the_passkey_of_another_account_is_no_second_factor(scene_of):
    async def scene(service, clock, account, device):
        bob = await service.accounts.create("bob", PASSWORD)
        await made(service, bob, Authenticator(bob.id, b"b" * 16))
        return await signed_in(service, device, SignedIn(bob, "pwd", clock()))

    assert scene_of(scene) is None


def test_a_credential_is_one_accounts_and_added_once(scene_of):
    async def scene(service, clock, account, device):
        await made(service, account, device)
        bob = await service.accounts.create("bob", PASSWORD)
        with pytest.raises(PasskeyRefused):
            await made(service, bob, device)
        return [await service.factors.kinds(one.id) for one in (account, bob)]

    assert scene_of(scene) == [("passkey",), ()]


def test_a_disabled_account_has_no_way_in_by_its_passkey(scene_of):
    async def scene(service, clock, account, device):
        await service.accounts.disable(account.id, OPERATOR)
        return await signed_in(service, device)

    assert scene_of(scene) is None


def test_a_copied_passkey_is_written_down_with_its_account(scene_of):
    async def scene(service, clock, account, device):
        await signed_in(service, device)
        device.counter = 0
        clock.advance(1)
        found = await signed_in(service, device)
        [entry, *_] = await newest(service.store, 1)
        return found, (entry.event, entry.reason, entry.account_id == account.id)

    assert scene_of(scene) == (None, ("sign_in_refused", "wrong_passkey", True))


def test_what_the_device_says_of_copies_is_kept(scene_of):
    async def scene(service, clock, account, device):
        device.flags &= ~FLAG.BS
        await signed_in(service, device)
        return json.loads((await service.store.read("SELECT details FROM factor"))[0][0])

    assert scene_of(scene) == {"backup_eligible": True, "backed_up": False}


def test_the_options_say_what_is_wanted_and_nothing_of_the_person(scene_of):
    async def scene(service, clock, account, device):
        alone = json.loads((await ask_for_passkey(service, "sign in")).options)
        second = json.loads((await ask_for_passkey(service, "second factor", account)).options)
        new = json.loads((await ask_for_passkey(service, "new", account)).options)
        return alone, second, new, account.id

    alone, second, new, account_id = scene_of(scene)
    assert alone.keys() == {"challenge", "rpId", "userVerification"}
    assert (alone["rpId"], alone["userVerification"]) == ("auth.example.com", "required")
    assert [one["id"] for one in second["allowCredentials"]] == [websafe_encode(b"c" * 16)]
    assert [one["id"] for one in new["excludeCredentials"]] == [websafe_encode(b"c" * 16)]
    assert websafe_decode(new["user"]["id"]) == account_id.encode()
    assert new["attestation"] == "none"
    assert [one["alg"] for one in new["pubKeyCredParams"]] == [-8, -7, -257]
    assert len({websafe_decode(one["challenge"]) for one in (alone, second, new)}) == 3
