"""Keys that rotate: whoever signs, publishes and verifies, each with what it has read last.

Everywhere else in a history the keys are those of its beginning. Here each process keeps its own
up, as its background task does every ten seconds; one that could not for a minute is not ready, and
nobody asks it. A verifier may keep a key set for nearly as long as a key is published before it
signs: for as long as a process may be behind, and by how much clocks may differ, it may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from carnet.server.audit import OPERATOR
from carnet.server.keys.master_key import MasterKey
from carnet.server.keys.signing_keys import SigningKeys
from simulation.ground import SETTINGS
from simulation.world import PATIENCE

if TYPE_CHECKING:
    from simulation.people import People
    from simulation.process import Process

VERIFIES: Final = "a token verifies wherever keys are as old as allowed"

INVARIANTS: Final = {
    VERIFIES: "whoever has fetched the keys of a ready process of late enough has the key of every "
    "token that a ready process signs, and of those that were signed before and live",
}

ALGORITHM: Final = SETTINGS.signing_algorithms[0]
KEYS_SETTINGS: Final = msgspec.structs.replace(SETTINGS, key_lifetime=500, key_publish_lead=300)
PAUSES: Final = (50.0, 8.0, 90.0, 150.0)
READY: Final = 60.0
CLOCKS: Final = 6.0
ALLOWED: Final = KEYS_SETTINGS.key_publish_lead - READY - CLOCKS - PATIENCE
"""For how many seconds a verifier may keep a key set."""


class Signed(NamedTuple):
    """A token: the key that it names, and when it expires, by the true clock."""

    kid: str
    expires: float


class Fetched(NamedTuple):
    """A key set of a verifier, and when it was fetched."""

    kids: frozenset[str]
    at: float


def keep_up(people: People) -> Any:
    """Let a process do what is due for its keys, and then somebody sign and somebody verify."""
    # A rotation takes hours, in which this is done again and again: mostly nothing comes between.
    return _keep_up(people, people.world.choices.one_of((True, True, True, False)))


async def _keep_up(people: People, at_once: bool) -> None:
    await people.ask("the background task", lambda to: _kept_up(to, at_once))
    sign(people)
    fetch(people)


async def _kept_up(process: Process, at_once: bool) -> None:
    process.is_alone = at_once
    try:
        await _do_what_is_due(process)
    finally:
        process.is_alone = False


async def _do_what_is_due(process: Process) -> None:
    began = process.world.loop.now
    keys = process.own_keys
    if keys is None:
        master_key = MasterKey(bytes(32))
        keys = SigningKeys(process.store, master_key, KEYS_SETTINGS, process.clock)
        await keys.read()
    await keys.keep_up()
    process.own_keys, process.kept_up_at = keys, began


def wait(people: People) -> Any:
    """Let time pass in which nobody rotates anything."""
    if not people.world.honest:
        people.world.pass_time(people.world.choices.one_of(PAUSES))


def rotate(people: People) -> Any:
    """Have an administrator make the next key."""
    process = _ready(people)
    if process is None:
        return None
    keys = process.own_keys
    people.world.tell("An administrator rotates the keys.")
    make = people.world.choices.one_of((keys.prepare_next, keys.rotate))
    process.work(lambda: make(ALGORITHM, OPERATOR))
    return None


def sign(people: People) -> Any:
    """Let a process sign a token."""
    process = _ready(people)
    if process is None:
        return
    world = people.world
    lifetime = KEYS_SETTINGS.access_token_lifetime
    token = Signed(process.own_keys.signing(ALGORITHM).kid or "", world.loop.now + lifetime)
    people.tokens.append(token)
    world.tell("Process {} signs a token.", process.number)
    for fetched in people.key_sets:
        if world.loop.now - fetched.at <= ALLOWED and token.kid not in fetched.kids:
            age = world.loop.now - fetched.at
            world.violate(VERIFIES, f"the keys of {age:g} seconds ago don't have the token's")


def fetch(people: People) -> Any:
    """Let a verifier fetch the keys of a process."""
    process = _ready(people)
    if process is None:
        return
    world = people.world
    fetched = Fetched(
        frozenset(key.kid or "" for key in process.own_keys.published), world.loop.now
    )
    people.key_sets.append(fetched)
    world.tell("A verifier fetches {} keys of process {}.", len(fetched.kids), process.number)
    for token in people.tokens:
        if token.expires >= world.loop.now and token.kid not in fetched.kids:
            world.violate(VERIFIES, "the key of a living token is not published any more")


def _ready(people: People) -> Any:
    world = people.world
    ready = [one for one in world.processes if world.loop.now - one.kept_up_at <= READY]
    return world.choices.one_of(ready) if ready else None
