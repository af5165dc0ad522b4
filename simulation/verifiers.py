"""Verifiers: services that follow the revocations, with the verifier's own code.

The connection is simulated: a `Follower` is a thread and HTTP, and what it does with an event and
with a failure stands here in the same few lines. A verifier that requires fresh revocations is one
with a clock of its own, which is set now and then, and is asked to let tokens in.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jwt.claims import Claims
from carnet.verifier.issuer import Issuer
from carnet.verifier.options import settle
from carnet.verifier.revocations import LEEWAY, RevocationList, read_event
from carnet.verifier.trusted_issuer import TrustedIssuer
from simulation.ground import SETTINGS

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import People
    from simulation.process import Process
    from simulation.world import World

HEARD: Final = "a verifier that requires it has heard of the issuer"
FRESH: Final = "a verifier that requires it knows what was revoked"

INVARIANTS: Final = {
    HEARD: "whenever it lets a token in, an event has come within the longest time that it was "
    "told, whatever its clock says",
    FRESH: "whenever it lets a token in, it refuses what was revoked until that long ago, less the "
    "leeway and what its clock is behind and a process's ahead",
}

MAX_AGE: Final = SETTINGS.revocation_heartbeat + 10
AHEAD: Final = 3.0
"""By how many seconds the clock of a process may be ahead."""
STEPS: Final = (1.0, -1.0, 3.0, -3.0, 30.0, -30.0, -400.0)
PAUSES: Final = (2.5, 8.0, 20.0, 31.0, 90.0)


class Verifier:
    """A service that follows the revocations.

    Attributes:
        list: what it knows.
    """

    def __init__(self, world: World, name: str) -> None:
        self.list = self._make_list(world)
        self._world = world
        self._name = name
        world.start(self._follow())

    def _make_list(self, _: World) -> RevocationList:
        return RevocationList()

    def unix(self) -> float:
        """Give the seconds since 1970, as this service takes them to be."""
        return self._world.unix()

    async def _follow(self) -> None:
        world = self._world
        while True:
            await world.point(None, "pause", f"{self._name} connects")
            if not world.processes:
                continue
            process = world.choices.one_of(world.processes)
            inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
            reading = process.read_stream(self.list.position, inbox)
            try:
                while (event := await inbox.get()) is not None:
                    if await world.point(None, "event", f"an event for {self._name}") == "lost":
                        break
                    self._take_in(event, process)
            except IssuerUnavailable as error:
                world.tell("{} ends the connection: {}", self._name, error)
            reading.cancel()

    def _take_in(self, event: bytes, process: Process) -> None:
        world = self._world
        text = event.decode().partition("data: ")[2].strip()
        payload = read_event(text, world.ground.keys.published, SETTINGS.own_url)
        signed_at = self.list.signed_at
        try:
            self.list.apply(payload, world.loop.now, self.unix())
        except BaseException:
            self.list.restart()
            raise
        is_proof = self.list.signed_at != signed_at
        world.facts.heard(self, payload["iat"] - process.most_ahead if is_proof else None)
        world.tell("{} takes in {} to {}.", self._name, payload["event"], payload["seq"])


class Required(Verifier):
    """A service that lets nobody in where it has had no word of the issuer for too long.

    Attributes:
        offset: seconds by which its clock is ahead.
        heard_at: the moment at which the last event came that it took in, or None.
    """

    def _make_list(self, world: World) -> RevocationList:
        self.offset = 0.0
        self.heard_at: float | None = None
        issuer = Issuer(SETTINGS.own_url, revocations="required")
        settings = settle(issuer, "default", {"clock": self.unix}, True, None)
        self._trusted = TrustedIssuer(issuer, settings, MAX_AGE)
        follower = self._trusted.follower
        assert follower is not None
        return follower.list

    def unix(self) -> float:
        """Give the seconds since 1970, as this service takes them to be."""
        return super().unix() + self.offset

    def lets_in(self, token: dict[str, Any]) -> bool:
        """Tell whether a token is let in now, whose signature and dates are right."""
        said = {"iss": SETTINGS.own_url, "client_id": "app", **token}
        try:
            self._trusted.admit(Claims(said), "its text", None)
        except (InvalidToken, IssuerUnavailable):
            return False
        return True

    def _take_in(self, event: bytes, process: Process) -> None:
        super()._take_in(event, process)
        self.heard_at = self._world.loop.now
        self.look()

    def look(self) -> int:
        """Look at which tokens are let in, and give how many."""
        facts, now = self._world.facts, self._world.unix()
        living = [token for token in facts.tokens if token["exp"] > now]
        let_in = [token for token in living if self.lets_in(token)]
        if not let_in:
            return 0
        if self.heard_at is None or self._world.loop.now - self.heard_at > MAX_AGE:
            facts.violate(HEARD, "nothing has come")
        known_until = now - MAX_AGE - LEEWAY - AHEAD - max(0.0, -self.offset)
        for entry in facts.revoked:
            if entry.at < known_until and any(facts.is_about(entry, one) for one in let_in):
                facts.violate(FRESH, f"a token of entry {entry.seq} is let in")
        return len(let_in)


def ask(people: People) -> Any:
    """Present every token to the verifier."""
    for verifier in _required(people.world.facts):
        count = verifier.look()
        people.world.tell("The verifier lets {} tokens in.", count)


def step_clock(world: World) -> None:
    """Set the verifier's clock, by as much as it may happen."""
    for verifier in _required(world.facts):
        seconds = world.choices.one_of(STEPS)
        # Somebody sets it right again.
        verifier.offset = 0.0 if verifier.offset else seconds
        world.tell("The verifier's clock is off by {:+g} seconds.", verifier.offset)
        verifier.look()


def wait(people: People) -> Any:
    """Let time pass, and present every token then."""
    if not people.world.honest:
        people.world.pass_time(people.world.choices.one_of(PAUSES))
    ask(people)


def _required(facts: Facts) -> list[Required]:
    return [one for one in facts.verifiers if isinstance(one, Required)]
