"""Passkeys: who makes them, signs in with them, copies them, and takes them from an account again.

The authenticator is software, and what it signs is checked by the real library. Carol has no
password: she comes from a provider (`providers`), and whatever she removes, a way in is left.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import CoseKey
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from carnet.errors import CarnetError
from carnet.server.factors.passkeys import Passkeys
from carnet.server.sessions.sessions import FIRST_PARTY, Grant, NewSession
from carnet.server.store import StoreUnavailable
from carnet.server.web import passkey_sign_in, session_begin
from simulation import providers
from simulation.ground import EVERYBODY, SETTINGS

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import Device, People
    from simulation.process import Process
    from simulation.world import World

CHALLENGE_ONCE: Final = "a challenge lets somebody in once"
LAST_WAY: Final = "whoever removes a way in has another"

ITS_OWN: Final = "a passkey lets into the account that it was made for"
REMOVED_ENDS: Final = "a passkey that goes takes sessions with it"

INVARIANTS: Final = {
    REMOVED_ENDS: "when the answer is given, none lives that was there before but the one that "
    "asked",
    CHALLENGE_ONCE: "of all answers with the same challenge one signs in, and none whose counter "
    "was known when it came",
    ITS_OWN: "whatever the account was merged into since",
    LAST_WAY: "at each commit in which an owner removes a passkey or disconnects a provider, the "
    "account has a password, a passkey or a provider left",
}

PASSKEYS: Final = Passkeys(SETTINGS)
FLAG: Final = AuthenticatorData.FLAG
MOST: Final = 4
"""How many passkeys are made in a history."""
FACTOR: Final = "SELECT id, counter FROM factor WHERE credential_id = ?"
LIVING: Final = "SELECT id FROM session WHERE account_id = ? AND id <> ? AND ended_at IS NULL"
WAYS: Final = (
    "SELECT password_hash <> '' OR EXISTS (SELECT 1 FROM factor WHERE account_id = account.id "
    "AND kind = 'passkey') OR EXISTS (SELECT 1 FROM account_identity AS known "
    "WHERE known.account_id = account.id) FROM account WHERE id = ?"
)


class Passkey:
    """A passkey on some device of somebody's; one that does not count always says 0."""

    def __init__(self, world: World, owner: str, *, counts: bool) -> None:
        self.owner = owner
        self.account_id = world.ground.accounts[owner]
        self.counts = counts
        self.counter = 0
        self.credential_id = world.random.randbytes(16)
        self._key = ec.derive_private_key(
            int.from_bytes(world.random.randbytes(31)) + 1, ec.SECP256R1()
        )

    def make(self, options: str) -> str:
        """Answer what a browser is asked to make."""
        public = CoseKey.for_alg(-7).from_cryptography_key(self._key.public_key())
        credential = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public)
        data = self._data(FLAG.AT, credential)
        return self._answer(
            clientDataJSON=_said("webauthn.create", options),
            attestationObject=AttestationObject.create("none", data, {}),
        )

    def sign(self, options: str) -> str:
        """Answer what a browser is asked to sign."""
        self.counter += self.counts
        data, said = self._data(), _said("webauthn.get", options)
        return self._answer(
            clientDataJSON=said,
            authenticatorData=data,
            signature=self._key.sign(data + said.hash, ec.ECDSA(hashes.SHA256())),
            userHandle=self.account_id.encode(),
        )

    def _data(self, flags: Any = 0, credential: Any = b"") -> AuthenticatorData:
        flags = FLAG.UP | FLAG.UV | flags
        host = sha256(b"auth.example.com")
        return AuthenticatorData.create(host, flags, self.counter, credential)

    def _answer(self, **response: bytes) -> str:
        name = websafe_encode(self.credential_id)
        said = {key: websafe_encode(value) for key, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": said})


def _said(kind: str, options: str) -> CollectedClientData:
    return CollectedClientData.create(kind, json.loads(options)["challenge"], SETTINGS.issuer)


def register(people: People) -> Any:
    """Make a passkey for an account."""
    if len(people.passkeys) >= MOST:
        return None
    owner = people.world.choices.one_of(EVERYBODY[::-1])
    passkey = Passkey(people.world, owner, counts=people.world.choices.one_of((True, False)))
    return _register(people, passkey)


async def _register(people: People, passkey: Passkey) -> None:
    people.world.tell("{} makes a passkey.", passkey.owner.title())
    people.passkeys.append(passkey)
    await people.world.call(passkey.owner, lambda to: _registered(to, passkey))


async def _registered(process: Process, passkey: Passkey) -> bool | CarnetError:
    try:
        account = await process.account_of(passkey.owner)
        process.world.facts.of_task(version_read=account.version)
        asked = await passkey_sign_in.ask_for_passkey(process.service, "new", account)
        assert asked is not None
        answer = passkey.make(asked.options)
        await passkey_sign_in.add_passkey(
            process.service, account, asked.state, answer, "", process.origin
        )
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused
    return True


def use(people: People) -> Any:
    """Sign in with a passkey."""
    if not people.passkeys:
        return None
    return _use(people, people.world.choices.one_of(people.passkeys[::-1]))


def copied(people: People) -> Any:
    """Let somebody copy a passkey, and sign in with the copy."""
    if not people.passkeys:
        return None
    passkey = copy.copy(people.world.choices.one_of(people.passkeys[::-1]))
    people.world.tell("Somebody has copied a passkey of {}.", passkey.owner.title())
    people.world.facts.may_end.add(passkey.account_id)
    return _use(people, passkey)


async def _use(people: People, passkey: Passkey) -> None:
    people.world.tell("{} signs in with a passkey.", passkey.owner.title())
    who = passkey.owner
    asked = await people.world.call(
        who, lambda to: passkey_sign_in.ask_for_passkey(to.service, "sign in")
    )
    answer = passkey.sign(asked.options)
    grant = await people.world.call(who, lambda to: _signed_in(to, passkey, asked, answer))
    if isinstance(grant, Grant):
        people.has_session(f"{who}'s laptop", FIRST_PARTY, grant)


async def _signed_in(
    process: Process, passkey: Passkey, asked: passkey_sign_in.Ceremony, answer: str
) -> Grant | CarnetError:
    facts, signed = process.world.facts, json.loads(answer)["response"]["authenticatorData"]
    known = process.world.database.read(FACTOR, (passkey.credential_id,))
    try:
        found = await passkey_sign_in.sign_in_with_passkey(
            process.service, asked.state, answer, process.origin
        )
        facts.of_task(version_read=found.account.version)
        if asked.state in facts.challenges:
            facts.violate(CHALLENGE_ONCE, "it was used before")
        facts.challenges[asked.state] = signed
        if found.account.id != passkey.account_id:
            facts.violate(ITS_OWN, f"it was {passkey.owner}'s")
        if known and passkey.counts and known[0][1] >= passkey.counter:
            facts.violate(CHALLENGE_ONCE, f"its counter was at {known[0][1]}")
        new = NewSession(FIRST_PARTY, "default")
        grant = await session_begin.begin_session_of(process.service, found, new, process.origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused
    facts.granted(process, grant)
    return grant


def remove(people: People) -> Any:
    """Remove a passkey of one's account."""
    found = _own(people)
    if found is None:
        return None
    device, passkeys = found
    return _remove(people, device, people.world.choices.one_of(passkeys))


def remove_all(people: People) -> Any:
    """Remove everything that one signs in with, in several tabs."""
    found = _own(people)
    if found is None:
        return None
    device, passkeys = found
    for passkey in passkeys:
        people.world.start(_remove(people, device, passkey))
    return providers.disconnect(people)


def _own(people: People) -> tuple[Device, list[Passkey]] | None:
    device = people.device()
    if device is None:
        return None
    passkeys = [one for one in people.passkeys if one.owner == device.owner]
    return (device, passkeys[::-1]) if passkeys else None


async def _remove(people: People, device: Device, passkey: Passkey) -> None:
    people.world.tell("{} removes a passkey.", device.name)
    people.world.facts.may_end.add(passkey.account_id)
    await people.world.call(device.owner, lambda to: _removed(to, passkey, device.session_id))


async def _removed(process: Process, passkey: Passkey, session_id: str) -> bool | CarnetError:
    rows = process.world.database.read(FACTOR, (passkey.credential_id,))
    if not rows:
        return False
    account_id = passkey.account_id
    try:
        account = await process.account_of(passkey.owner)
        process.world.facts.of_task(leaves=(account_id, session_id), keeps_a_way=account_id)
        before = set(process.world.database.read(LIVING, (account_id, session_id)))
        removed = await process.factors.remove(account, rows[0][0], session_id, process.origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused
    if removed and before & set(process.world.database.read(LIVING, (account_id, session_id))):
        process.world.facts.violate(REMOVED_ENDS, "a session lives that was there before")
    return removed


def _way_changed(
    facts: Facts, _: str, old: Any, new: Any, _changes: Any, task: dict[str, Any]
) -> None:
    account_id = task.get("keeps_a_way")
    if new is None and account_id is not None and old["account_id"] == account_id:
        rows = facts.world.database.read(WAYS, (account_id,))
        if rows and not rows[0][0]:
            facts.violate(LAST_WAY, "nothing is left")


CHECKS: Final = {"factor": _way_changed, "account_identity": _way_changed}
