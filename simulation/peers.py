"""Other ways to rotate refresh tokens, in the same world: ``python -m simulation.peers [SEEDS]``.

Each is a model of a page: Carnet's own sessions with another answer to a refresh. The same seeds
bring the same people, tabs, lost answers and thieves, and the same promises are looked at. Unlike
in a run of the service, nothing fails over and no clock is set: what breaks here breaks by itself.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from functools import partial
from typing import Any, Final

from carnet.server.audit import SERVICE, Origin
from carnet.server.clock import SECOND
from carnet.server.sessions import refresh_token
from carnet.server.sessions.refresh_token import RefreshToken
from carnet.server.sessions.sessions import FIRST_PARTY, Grant, RefreshRefused, Sessions
from carnet.server.store import Transaction
from carnet.server.store import statements as sql
from simulation import people
from simulation.choices import Choices
from simulation.facts import NOT_SIGNED_OUT, ONE_SUCCESSOR, REUSE_ENDS, THIEF_GONE, Before, Facts
from simulation.ground import SETTINGS, Ground
from simulation.histories import ENGINES, History, shrink
from simulation.people import People
from simulation.world import Violation, World

__all__ = ["PEERS", "PROMISES", "count", "make_ground", "shortest"]

PROMISES: Final = (NOT_SIGNED_OUT, ONE_SUCCESSOR, REUSE_ENDS, THIEF_GONE)
THEFTS: Final = "a token is stolen"
SEEDS: Final = 1000
GRACE: Final = SETTINGS.refresh_grace * SECOND

TABLE: Final = """
CREATE TABLE peer_use (token_hash BLOB PRIMARY KEY, used_at INTEGER NOT NULL)
"""
USE: Final = """
INSERT INTO peer_use (token_hash, used_at) VALUES ($1, $2) ON CONFLICT DO NOTHING
RETURNING used_at
"""
USED: Final = """
SELECT used_at FROM peer_use WHERE token_hash = $1
"""
CARRY_ON: Final = """
UPDATE session SET rotated_at = $1,
  generation = CASE WHEN generation < $2 THEN $2 ELSE generation END
WHERE secret_hash = $3 AND ended_at IS NULL AND expires_at > $1 AND rotated_at > $4
RETURNING id
"""
NAMES: Final = {USE: "USE", USED: "USED", CARRY_ON: "CARRY_ON"}


class WithoutGrace(Sessions):
    """A token is good once; a second use ends the session, whoever it is by."""

    async def _without_rotation(
        self, token: RefreshToken, now: int, origin: Origin, client_id: str, key_thumbprint: str
    ) -> Grant:
        row = self._living(await self._by_secret(token), now, client_id, key_thumbprint)
        await self.end(row.session_id, "reused", origin)
        raise RefreshRefused("the refresh token was used before", code="reused")


class Deleting(Sessions):
    """A token is deleted when it is used: what was used before is merely unknown."""

    async def _without_rotation(
        self, token: RefreshToken, now: int, origin: Origin, client_id: str, key_thumbprint: str
    ) -> Grant:
        self._living(await self._by_secret(token), now, client_id, key_thumbprint)
        raise RefreshRefused("the refresh token is unknown", code="unknown")


class NonRotating(Sessions):
    """The same token is good until the session ends."""

    async def refresh(
        self,
        text: str,
        origin: Origin = SERVICE,
        client_id: str = FIRST_PARTY,
        key_thumbprint: str = "",
        *,
        rotates: bool = True,
    ) -> Grant:
        return await super().refresh(text, origin, client_id, key_thumbprint, rotates=False)


class ForkingGrace(Sessions):
    """Each use within the grace brings a successor of its own; a later one ends the session."""

    async def refresh(
        self,
        text: str,
        origin: Origin = SERVICE,
        client_id: str = FIRST_PARTY,
        key_thumbprint: str = "",
        *,
        rotates: bool = True,
    ) -> Grant:
        token = refresh_token.parse(text.partition(".")[0], self._keys.peppers)
        token_hash = hashlib.sha256(text.encode()).digest()
        now = self._clock()

        def work() -> Transaction[sql.SessionRow | None]:
            values = now, token.generation + 1, token.secret_hash, now - self._idle
            carried_on = yield CARRY_ON, values
            rows = yield sql.SESSION_BY_SECRET, (token.secret_hash,)
            row = self._living(sql.SessionRow(*rows[0]), now, client_id, key_thumbprint)
            if not (yield USE, (token_hash, now)):
                [(used_at,)] = yield USED, (token_hash,)
                if now - used_at > GRACE:
                    return None
            return row if carried_on else None

        row = await self._store.transact(work)
        if row is None:
            found = self._living(await self._by_secret(token), now, client_id, key_thumbprint)
            await self.end(found.session_id, "reused", origin)
            raise RefreshRefused("the refresh token was used before", code="reused")
        grant = self._grant(row, token.at(token.generation + 1))
        fork = refresh_token.new_secret().hex()[:8]
        return grant._replace(refresh_token=f"{grant.refresh_token}.{fork}")

    async def end_by_refresh_token(
        self, text: str, reason: str, origin: Origin, client_id: str = FIRST_PARTY
    ) -> bool:
        return await super().end_by_refresh_token(text.partition(".")[0], reason, origin, client_id)


PEERS: Final[dict[str, tuple[type[Sessions], tuple[str, ...]]]] = {
    "Carnet": (Sessions, PROMISES),
    "no grace": (WithoutGrace, PROMISES),
    "a grace that forks": (ForkingGrace, PROMISES),
    "detection by deletion": (Deleting, PROMISES),
    # What has no successor can't have two, and is used again each time.
    "no rotation": (NonRotating, (NOT_SIGNED_OUT, THIEF_GONE)),
}
"""What each is called, and the promises that can be asked of it."""

ACTIONS: Final = (
    (8, People.refresh),
    (3, People.refresh_in_tabs),
    (3, People.steal),
    (5, People.refresh_stolen),
    (2, People.sign_in),
    (1, People.sign_out),
    (1, People.end),
)
WENT_WRONG: Final = ("(lost)", "(doubled)", "(answer lost)")
FAULTS: Final = ((1, people.cut), (1, people.kill))


class _People(People):
    """People and thieves with nothing but refresh tokens."""

    def begin(self) -> None:
        self._most_devices = 2
        self.actions, self.faults = ACTIONS, FAULTS
        self._start(People.sign_in)


class _Facts(Facts):
    """The same promises, judged by the texts of the tokens: a peer has no generations."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._used_at: dict[str, int] = {}

    def token(self, text: str) -> RefreshToken:
        return super().token(text.partition(".")[0])

    def refreshed(self, process: Any, before: Before | None, answer: Any) -> None:
        super().refreshed(process, before, answer)
        if before is not None and isinstance(answer, Grant):
            self._used_at.setdefault(before.text, before.clock)

    def refused(self, session_id: str, code: str) -> None:
        # Whose token was stolen has to sign in again with every peer.
        if session_id not in self.stolen:
            super().refused(session_id, code)

    def _is_too_old(self, before: Before) -> bool:
        return before.clock - self._used_at.get(before.text, before.clock) > GRACE


class _World(World):
    """A history of a peer: it goes on when a promise is broken, and takes down which.

    Args:
        peer: its name.
        wanted: the promise at which it stops, or "".
    """

    def __init__(self, *arguments: Any, peer: str, wanted: str = "") -> None:
        super().__init__(*arguments)
        self.sessions_type, self._asked = PEERS[peer]
        self.facts = _Facts(self)
        self.database.on_commit = self.facts.committed
        self.people = _People(self)
        self.broken: set[str] = set()
        self._wanted = wanted

    def violate(self, name: str, what: str) -> None:
        if name not in PROMISES:
            raise AssertionError(f"the model is wrong: {name}: {what}")
        if name in self._asked:
            self.broken.add(name)
        if name == self._wanted:
            super().violate(name, what)


def make_ground() -> Ground:
    """Make what every history begins with, and what the peers need besides."""
    ground = Ground(TABLE)
    ground.names |= NAMES
    return ground


def count(ground: Ground, peer: str, seeds: int) -> tuple[Counter[str], dict[str, History]]:
    """Run seeds on every engine, and count in how many histories each promise is broken.

    Args:
        ground: where, within `Ground.governed`.
        peer: its name.
        seeds: how many.

    Returns:
        The counts, also of histories with a theft, and for each promise the first history that
        breaks it.
    """
    broken: Counter[str] = Counter()
    first: dict[str, History] = {}
    for seed in range(seeds):
        for engine in ENGINES:
            choices = Choices(seed)
            _, world = ground.history(engine, choices, world_type=partial(_World, peer=peer))
            broken[THEFTS] += bool(world.facts.stolen)
            for name in world.broken:
                broken[name] += 1
                first.setdefault(name, History(engine, choices.made))
    return broken, first


def shortest(ground: Ground, peer: str, promise: str, history: History) -> list[str]:
    """Make a history short that breaks a promise, and tell what people and thieves do in it."""
    made = partial(_World, peer=peer, wanted=promise)

    def play(one: History, told: list[str] | None = None) -> Violation | None:
        choices = Choices(given=one.draws)
        return ground.history(one.engine, choices, told, world_type=made)[0]

    told: list[str] = []
    play(shrink(play, history, promise), told)
    # Of what processes and messages do, what goes wrong is enough.
    return [line for line in told if not line.startswith("  ") or line.endswith(WENT_WRONG)]


def main(arguments: list[str]) -> int:
    """Print the table, and the shortest history of each promise that a peer breaks."""
    text = arguments[0] if arguments else str(SEEDS)
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        print(f"peers: {text[:40]!r} is no number of seeds", file=sys.stderr)
        return 2
    seeds = int(text[:9])
    ground = make_ground()
    with ground.governed():
        print(f"Of {len(ENGINES) * seeds} histories, so many break a promise:\n")
        print("| rotation |", " | ".join(PROMISES), "|")
        print("|---" * (len(PROMISES) + 1) + "|")
        found = {}
        for peer, (_, asked) in PEERS.items():
            broken, found[peer] = count(ground, peer, seeds)
            cells = [f"{broken[name]:,}" if name in asked else "" for name in PROMISES]
            print(f"| {peer} |", " | ".join(cells), "|")
            sys.stdout.flush()
        print(f"\nIn {broken[THEFTS]:,} of them somebody steals a token.")
        for peer, first in found.items():
            for promise, history in first.items():
                print(f"\n{peer} breaks {promise!r}:")
                print("\n".join(shortest(ground, peer, promise, history)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
