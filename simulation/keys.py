"""Keys that rotate, begin at once or are retired: who signs, publishes and verifies with which.

Everywhere else in a history the keys are those of its beginning. Here each process keeps its own
up, as its background task does every ten seconds; one that could not for a minute is not ready, and
nobody asks it. A verifier may keep a key set for nearly as long as a key is published before it
signs: for as long as a process may be behind, and by how much clocks may differ, it may not.

Where an operator has a key begin at once, or retires one, nobody has been told before. Then a
verifier fetches the keys again for one that it doesn't know, and what holds is about processes that
have kept up since.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from carnet.server.audit import OPERATOR
from carnet.server.keys.master_key import MasterKey
from carnet.server.keys.signing_keys import SigningKeys
from simulation.ground import SETTINGS
from simulation.world import PATIENCE

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import People
    from simulation.process import Process

VERIFIES: Final = "a token verifies wherever keys are as old as allowed"
RETIRED_GONE: Final = "a retired key is gone"
BEGINS: Final = "a key that begins at once signs"
HAS_KEY: Final = "there is always a key to sign with"

INVARIANTS: Final = {
    VERIFIES: "whoever has fetched the keys of a ready process of late enough has the key of every "
    "token that a ready process signs, and of those that were signed before and live; where a key "
    "has begun at once or was retired, whoever fetches from a process that has kept up since the "
    "token was signed has its key, unless that is retired",
    RETIRED_GONE: "whoever has retired it, and every process that has kept up since, neither signs "
    "with it nor publishes it",
    BEGINS: "a process that has kept up since then signs with it, or with one that came later",
    HAS_KEY: "a process that is ready has one",
}

ALGORITHM: Final = SETTINGS.signing_algorithms[0]
KEYS_SETTINGS: Final = msgspec.structs.replace(SETTINGS, key_lifetime=500, key_publish_lead=300)
PAUSES: Final = (50.0, 8.0, 90.0, 150.0)
HURRIED_PAUSES: Final = (8.0, 20.0, 50.0, 90.0)
READY: Final = 60.0
CLOCKS: Final = 6.0
ALLOWED: Final = KEYS_SETTINGS.key_publish_lead - READY - CLOCKS - PATIENCE
"""For how many seconds a verifier may keep a key set."""


class Signed(NamedTuple):
    """A token: the key that it names, when it expires, and after how many commits it was signed."""

    kid: str
    expires: float
    version: int


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
    began, version = process.world.loop.now, process.world.facts.version()
    keys = process.own_keys
    if keys is None:
        master_key = MasterKey(bytes(32))
        keys = SigningKeys(process.store, master_key, KEYS_SETTINGS, process.clock)
        process.own_keys = keys
    if not keys.peppers:
        await keys.read()
    await keys.keep_up()
    process.kept_up_at, process.kept_up_version = began, version


def wait(people: People) -> Any:
    """Let time pass in which nobody rotates anything."""
    if not people.world.honest:
        people.world.pass_time(people.world.choices.one_of(people.world.pauses))


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


def begin_at_once(people: People) -> Any:
    """Have an administrator make a key that signs at once."""
    process = _ready(people)
    if process is not None:
        people.is_hurried = True
        people.world.tell("An administrator has a new key begin at once.")
        process.work(lambda: _begun(process))


async def _begun(process: Process) -> None:
    process.world.facts.of_task(at_once=True)
    await process.own_keys.rotate(ALGORITHM, OPERATOR, at_once=True)


def retire(people: People) -> Any:
    """Have an administrator retire the key that signs, or all that there are."""
    process = _ready(people)
    if process is None:
        return
    known = [dates.kid for dates, _ in process.own_keys.overview()]
    kids = people.world.choices.one_of(([_signing(process)], [_signing(process)], known))
    people.is_hurried = True
    people.world.tell("An administrator retires {} keys.", len(kids))
    for kid in kids:
        process.work(partial(_retired, process, kid))


async def _retired(process: Process, kid: str) -> None:
    if await process.own_keys.retire(kid, OPERATOR):
        _look_for_retired(process, (kid,))


def sign(people: People) -> Any:
    """Let a process sign a token."""
    process = _ready(people)
    if process is None:
        return
    world = people.world
    _look_at(process)
    lifetime = KEYS_SETTINGS.access_token_lifetime
    token = Signed(_signing(process), world.loop.now + lifetime, world.facts.version())
    people.tokens.append(token)
    world.tell("Process {} signs a token.", process.number)
    for fetched in people.key_sets:
        age = world.loop.now - fetched.at
        if age <= ALLOWED and token.kid not in fetched.kids and not people.is_hurried:
            world.violate(VERIFIES, f"the keys of {age:g} seconds ago don't have the token's")


def fetch(people: People) -> Any:
    """Let a verifier fetch the keys of a process."""
    process = _ready(people)
    if process is None:
        return
    world = people.world
    _look_at(process)
    fetched = Fetched(_published(process), world.loop.now)
    people.key_sets.append(fetched)
    world.tell("A verifier fetches {} keys of process {}.", len(fetched.kids), process.number)
    for token in people.tokens:
        if token.expires < world.loop.now or token.kid in fetched.kids:
            continue
        knows = process.kept_up_version >= token.version
        if not people.is_hurried or (knows and token.kid not in world.facts.retired_keys):
            world.violate(VERIFIES, "the key of a living token is not published any more")


def _ready(people: People) -> Any:
    world = people.world
    ready = [one for one in world.processes if world.loop.now - one.kept_up_at <= READY]
    return world.choices.one_of(ready) if ready else None


def _signing(process: Process) -> str:
    try:
        return process.own_keys.signing(ALGORITHM).kid or ""
    except (LookupError, StopIteration):
        process.world.violate(HAS_KEY, f"process {process.number} has none")
        return ""


def _published(process: Process) -> frozenset[str]:
    return frozenset(key.kid or "" for key in process.own_keys.published)


def _look_at(process: Process) -> None:
    """Look at what a process signs with and publishes, beside what it must know."""
    facts, known = process.world.facts, process.kept_up_version
    _look_for_retired(process, [kid for kid, at in facts.retired_keys.items() if at <= known])
    order = {dates.kid: place for place, (dates, _) in enumerate(process.own_keys.overview())}
    signing = order.get(_signing(process), -1)
    for kid, (version, at) in facts.keys_at_once.items():
        # A process whose clock is behind takes its moment for one that comes.
        is_due = version <= known and process.kept_up_at >= at + CLOCKS
        if is_due and kid not in facts.retired_keys and order.get(kid, -1) > signing:
            process.world.violate(BEGINS, f"process {process.number} signs with an older one")


def _look_for_retired(process: Process, retired: Iterable[str]) -> None:
    in_use = {_signing(process), *_published(process)}
    if not in_use.isdisjoint(retired):
        process.world.violate(RETIRED_GONE, f"process {process.number} has it in use")


def _key_changed(facts: Facts, key: str, old: Any, new: Any, _: Any, task: dict[str, Any]) -> None:
    if new is None:
        return
    if old is None and "at_once" in task:
        facts.keys_at_once[key] = facts.version(), facts.world.loop.now
    if new["retired_at"] is not None:
        facts.retired_keys.setdefault(key, facts.version())


CHECKS: Final = {"signing_key": _key_changed}
