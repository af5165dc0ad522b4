"""The world of one history: its time, its network, its processes, and who draws what happens next.

Every statement of a process and every message between people, processes and verifiers waits here
until it is drawn. Which goes on, whether it or its answer is lost, whether somebody begins
something new, whether a process is killed or a clock is set: all of it are draws of `Choices`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from carnet.server import deadline
from carnet.server.sessions.sessions import Sessions
from carnet.server.store import StoreUnavailable
from simulation.choices import Choices, spread
from simulation.database import Transaction
from simulation.loop import Loop

if TYPE_CHECKING:
    from simulation.ground import Ground
    from simulation.process import Process
    from simulation.stores import Recorded

BEGINNING: Final = 1_800_000_000
MICROSECONDS: Final = 1_000_000
PATIENCE: Final = 20.0
"""Seconds that may pass while somebody waits who does nothing wrong: less than the grace."""
SHORTEST, LONGEST = 4, 20
"""What people begin in a history."""
ENDLESS: Final = 4000
"""Steps after which a history is taken for one without an end."""


class Lost(Exception):
    """A request or its answer did not arrive, and whoever sent it can't tell which."""


class Violation(NamedTuple):
    """Something that must hold and did not.

    Attributes:
        name: of the invariant.
        what: happened.
    """

    name: str
    what: str


_Point: TypeAlias = "tuple[asyncio.Future[str], Process | None, str, str]"
"""Something that waits until it is drawn: of whom, of what kind, and what it is in words."""


# What may become of what waits, in so many draws; the first is what should.
FATES: Final = {
    "statement": spread(((50, "goes on"), (8, "slow"), (1, "lost"), (1, "answer lost"))),
    "request": spread(((27, "goes on"), (1, "lost"), (2, "doubled"))),
    "answer": spread(((28, "goes on"), (2, "lost"))),
    "event": spread(((29, "goes on"), (1, "lost"))),
    "pause": ["goes on"],
}
SMALL: Final = (0.01, 0.5, 2.5)
LARGE: Final = (8.0, 31.0, 90.0, 400.0, 1100.0)


class World:
    """One history.

    Args:
        ground: what every history begins with.
        engine: ``sqlite`` or ``postgres``.
        choices: what happens.
        told: takes what happens, in words; None where nobody wants to know.
        recorded: takes what the connections to PostgreSQL do, in a history without faults, in which
            whoever has waited for a row goes on at once.

    Attributes:
        violation: the first thing that did not hold, or None.
        processes: those of the service that live.
        honest: how many wait at this moment who have done nothing wrong.
        at_once: what is waited for where there is nothing to wait for.
        sessions_type: what each process keeps its sessions with.
        pauses: how many seconds may pass while nobody waits.
    """

    sessions_type: type[Sessions] = Sessions
    pauses: tuple[float, ...] = LARGE

    def __init__(
        self,
        ground: Ground,
        engine: str,
        choices: Choices,
        told: list[str] | None = None,
        recorded: list[Recorded] | None = None,
    ) -> None:
        from simulation.facts import Facts
        from simulation.process import Process

        self.ground = ground
        self.database: Any = ground.database
        self.engine = engine
        self.choices = choices
        self.told = told
        self.recorded = recorded
        self.loop = Loop()
        self.at_once: asyncio.Future[str] = asyncio.Future(loop=self.loop)
        self.at_once.set_result("goes on")
        self.violation: Violation | None = None
        self.steps = 0
        self.honest = 0
        self._hurried = 0.0
        self._pending: list[_Point] = []
        self._numbers = 0
        self._connections = 0
        self._make = Process
        self._kept: list[_Point] = []
        self._killed: list[Process] = []
        self.processes: list[Process] = []
        self.facts = Facts(self)
        self.people: Any = None
        ground.database.reset()
        ground.database.on_commit = self.facts.committed

    @cached_property
    def random(self) -> random.Random:
        """Give what is by chance in the world, and the same in each history."""
        return random.Random(1)

    def number_connection(self) -> int:
        """Give the number of a new connection."""
        self._connections += 1
        return self._connections

    def unix(self) -> float:
        """Give the true seconds since 1970."""
        return BEGINNING + self.loop.now

    def tell(self, words: str, *values: object) -> None:
        """Say what happens, where somebody wants to know."""
        if self.told is not None:
            self.told.append(words.format(*values))

    def violate(self, name: str, what: str) -> None:
        """Take down that something did not hold."""
        if self.violation is None:
            self.violation = Violation(name, what)
            self.tell("BROKEN: {}: {}", name, what)

    def run(self) -> Violation | None:
        """Let the history happen, to its end or to the first thing that does not hold."""
        asyncio._set_running_loop(self.loop)
        try:
            self.with_faults = bool(self.choices.draw(2)) and self.recorded is None
            self._left = SHORTEST + self.choices.draw(LONGEST - SHORTEST)
            for _ in range(2):
                self.add_process()
            self.people.begin()
            while self.violation is None and self._step():
                self.steps += 1
                if self.steps > ENDLESS:
                    self.violate("every request is answered", "the history has no end")
            if self.violation is None:
                self._settle()
            return self.violation
        finally:
            asyncio._set_running_loop(None)
            for process in [*self.processes, *self._killed]:
                process.store.end()

    def let_go(self) -> None:
        """Take apart what refers to each other when nobody needs it any more.

        Python forgets it then at once, and has it not to be looked for among all that there is.
        """
        asyncio._set_running_loop(self.loop)
        try:
            for weak in self.loop.tasks:
                task = weak()
                if task is None or task.done():
                    continue
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                # What is under way at the end of a history stays so.
                with suppress(RuntimeError):
                    task.get_coro().close()
                waits_for = task._fut_waiter  # type: ignore[attr-defined]
                if type(waits_for) is asyncio.Future:
                    # Begun anew: it does not know any more who waits for it.
                    waits_for.__init__(loop=self.loop)
        finally:
            asyncio._set_running_loop(None)
        deadline._given_up.clear()
        for one in (*self.processes, *self._killed, self.loop, self):
            one.__dict__.clear()

    def add_process(self) -> Process:
        """Start a process of the service."""
        self._numbers += 1
        process = self._make(self, self._numbers)
        self.processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """End a process as SIGKILL does: what it was doing is not done, and nobody is told."""
        self.tell("Process {} is killed.", process.number)
        process.alive = False
        self.processes.remove(process)
        self._killed.append(process)
        # Kept to the end of the history, so that nothing of it runs on when Python forgets it.
        self._kept += [point for point in self._pending if point[1] is process]
        self._pending = [point for point in self._pending if point[1] is not process]
        process.store.end()
        process.broken()

    def point(self, process: Process | None, kind: str, text: str) -> asyncio.Future[str]:
        """Give what is to be waited for until it is drawn: it tells what becomes of it."""
        future: asyncio.Future[str] = asyncio.Future(loop=self.loop)
        # A timer of a process that was killed may come, and nothing comes of it.
        waiting = self._pending if process is None or process.alive else self._kept
        waiting.append((future, process, kind, text))
        return future

    async def until_ended(self, process: Process, transaction: Transaction, text: str) -> None:
        """Wait until a transaction has ended, and then to be drawn."""
        self.tell("  process {} waits for a row: {}", process.number, self._short(text))
        future: asyncio.Future[str] = self.loop.create_future()
        one = (future, process, "pause", text)

        def may_go_on() -> None:
            if self.recorded is not None:
                future.set_result("")
                return
            (self._pending if process.alive else self._kept).append(one)

        if transaction.is_open:
            transaction.on_end.append(may_go_on)
        else:
            may_go_on()
        await future

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let somebody do something, who is not a process of the service."""
        task = self.loop.create_task(work)
        task.add_done_callback(self._look_at)
        return task

    async def call(self, who: str, handle: Callable[[Process], Coroutine[Any, Any, Any]]) -> Any:
        """Send a request to some process, and give its answer.

        Raises:
            Lost: if one of both did not arrive.
            StoreUnavailable: if the service says that its database is away.
        """
        fate = await self.point(None, "request", f"{who}'s request")
        if fate == "lost" or not self.processes:
            raise Lost
        process = self.choices.one_of(self.processes)
        answer: asyncio.Future[Any] = self.loop.create_future()
        process.serve([handle(process) for _ in range(2 if fate == "doubled" else 1)], answer)
        outcome = await answer
        if await self.point(None, "answer", f"the answer to {who}") == "lost":
            raise Lost
        if isinstance(outcome, Lost | StoreUnavailable):
            raise outcome
        return outcome

    async def insist(self, who: str, handle: Callable[[Process], Coroutine[Any, Any, Any]]) -> Any:
        """Send a request again until it is answered, as whoever does nothing wrong does."""
        if not self.honest:
            self._hurried = 0.0
        self.honest += 1
        try:
            while True:
                try:
                    return await self.call(who, handle)
                except (Lost, StoreUnavailable):
                    self.tell("{} gets no answer and tries again.", who)
        finally:
            self.honest -= 1

    def cut_connections(self) -> None:
        """Lose every connection to the database."""
        for process in self.processes:
            process.store.end()

    def _look_at(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Lost | StoreUnavailable):
            self.violate("nothing dies in silence", f"{type(error).__name__}: {error}")

    def _step(self) -> bool:
        """Let one thing happen; tell whether anything did."""
        if self.loop.ready:
            self.loop.run_ready()
        draw = self.choices.draw
        pending = self._live_points()
        if not pending:
            return self._idle()
        kind = draw(20)
        if kind < 13 or (kind < 17 and not self._left):
            self._go_on(draw(len(pending)))
        elif kind < 17:
            self._act()
        elif kind < 19 or not self.with_faults:
            self.pass_time(self.choices.one_of(SMALL))
        else:
            self.people.go_wrong()
        return True

    def _idle(self) -> bool:
        """Nothing waits: somebody begins something, time passes, or the history ends."""
        kind = self.choices.draw(24)
        if kind == 0:
            # Whoever waits for a moment, such as the next attempt, is not forgotten.
            when = self.loop.next_timer()
            if not self.honest or when is None:
                return False
            self.loop.advance(when)
        elif kind < 13:
            if not self._left:
                return False
            self._act()
        elif kind < 19 or not self.with_faults:
            large = not self.honest
            self.pass_time(self.choices.one_of(self.pauses if large else SMALL))
        else:
            self.people.go_wrong()
        return True

    def _act(self) -> None:
        self._left -= 1
        self.people.act()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, as long as nobody waits for too long who does nothing wrong."""
        if self.honest:
            if self._hurried + seconds > PATIENCE:
                return
            self._hurried += seconds
        self.tell("{:g} seconds pass.", seconds)
        self.loop.advance(self.loop.now + seconds)
        for process in self.processes:
            process.store.end_standstill()

    def _live_points(self) -> list[_Point]:
        for future, _, _, _ in self._pending:
            if future.done():
                self._pending = [point for point in self._pending if not point[0].done()]
                break
        return self._pending

    def _go_on(self, place: int, *, quietly: bool = False) -> None:
        point = self._pending.pop(place)
        fates = FATES[point[2]]
        fate = fates[0]
        if self.with_faults and len(fates) > 1 and not quietly:
            fate = fates[self.choices.draw(len(fates))]
        if self.told is not None:
            self._tell_of(point, fate)
        point[0].set_result(fate)
        self.loop.run_ready()

    def _tell_of(self, point: _Point, fate: str) -> None:
        _, process, kind, what = point
        if process is not None and kind in ("statement", "pause"):
            what = f"process {process.number}: {self._short(what)}"
        self.tell("  {}{}", what, "" if fate == "goes on" else f" ({fate})")

    def _short(self, text: str) -> str:
        """Give the name of a statement, or its beginning."""
        return self.ground.names.get(text) or " ".join(text.split())[:60]

    def _settle(self) -> None:
        """Let everything that is under way end, without another fault, and look at what is left."""
        for _ in range(2):
            self._calm_down()
            # Whoever pauses before the next attempt goes on.
            self.loop.advance(self.loop.now + 0.5)
        last_visits = self.people.last_visits()
        if last_visits is not None:
            self.start(last_visits)
            self._calm_down()
        for process in self.processes if self.facts.verifiers else ():
            process.poll()
        self._calm_down()
        if self.violation is not None:
            return
        self.facts.settled()
        for trouble in self.loop.troubles:
            self.violate("nothing dies in silence", str(trouble.get("message")))

    def _calm_down(self) -> None:
        """Let what waits go on, one after the other, until nothing does."""
        for _ in range(ENDLESS):
            if self.violation is not None:
                return
            self.loop.run_ready()
            pending = self._live_points()
            if pending:
                self._go_on(0, quietly=True)
            elif self.honest and (when := self.loop.next_timer()) is not None:
                self.loop.advance(when)
            else:
                return
