"""Seeds in several processes: they are dealt out in small parts, to whoever is free.

So no seed is left out or run twice, wherever a run stops: what was dealt out is finished, and the
next run begins with the first seed that was not.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final, NamedTuple

from simulation.choices import Choices
from simulation.ground import Ground
from simulation.histories import ENGINES, History
from simulation.world import Violation

__all__ = ["Failure", "Part", "cores", "in_parts", "run_part"]

SEEDS: Final = 20
"""How many are dealt out at once."""


class Failure(NamedTuple):
    """A history in which something did not hold."""

    seed: int
    history: History
    violation: Violation


class Part(NamedTuple):
    """What has become of some seeds.

    Attributes:
        next_seed: the first one after them.
        steps: those in their histories.
        seconds: of processor time.
        failure: the first history that does not hold, or None; what comes after it was not run.
    """

    next_seed: int
    steps: int
    seconds: float
    failure: Failure | None


def cores() -> int:
    """Give how many processes can run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_part(ground: Ground, about: str, first: int, last: int) -> Part:
    """Run the seeds from one to the one before another on every engine, within `governed`.

    Args:
        ground: where.
        about: their subject, to which the histories are held already, or "" for all.
        first: the first seed.
        last: the one after the last.
    """
    began, steps = time.process_time(), 0
    for seed in range(first, last):
        for engine in ENGINES:
            choices = Choices(seed)
            violation, world = ground.history(engine, choices)
            steps += world.steps
            if violation is not None:
                history = History(engine, choices.made, about)
                failure = Failure(seed, history, violation)
                return Part(seed, steps, time.process_time() - began, failure)
    return Part(last, steps, time.process_time() - began, None)


def in_parts(
    ground: Ground,
    about: str,
    first: int,
    last: int | None,
    jobs: int,
    may_go_on: Callable[[], bool],
) -> Iterator[Part]:
    """Run seeds, as long as that is wanted, and give what has become of them, in their order.

    Args:
        ground: where, within `governed`; each process goes on with its own copy.
        about: the subject, or "" for all.
        first: the first seed.
        last: the one after the last, or None.
        jobs: how many processes.
        may_go_on: tells whether more seeds are to be dealt out; those that were are finished.
    """
    fork = multiprocessing.get_context("fork")
    pipes: list[Connection] = []
    processes = []
    try:
        for _ in range(jobs):
            here, there = fork.Pipe()
            process = fork.Process(target=_work, args=(ground, about, there, [*pipes, here]))
            process.start()
            there.close()
            pipes.append(here)
            processes.append(process)
        yield from _deal(pipes, first, last, may_go_on)
    finally:
        for pipe in pipes:
            # One that has died has said so before.
            with suppress(EOFError, OSError):
                pipe.send(None)
                while isinstance(said := pipe.recv(), Part):
                    """It was dealt out after one that does not hold."""
                outcomes, refreshes = said
                ground.database.outcomes.update(outcomes)
                ground.refreshes.update(refreshes)
            pipe.close()
        for process in processes:
            process.join()


def _deal(
    pipes: list[Connection], first: int, last: int | None, may_go_on: Callable[[], bool]
) -> Iterator[Part]:
    done: dict[int, Part] = {}
    working: dict[Any, int] = {}
    free, dealt, given = [*pipes], first, first
    while True:
        while free and (last is None or dealt < last) and may_go_on():
            after = dealt + SEEDS if last is None else min(dealt + SEEDS, last)
            pipe = free.pop()
            pipe.send((dealt, after))
            working[pipe], dealt = dealt, after
        if not working:
            return
        for ready in wait([*working]):
            begun = working.pop(ready)
            try:
                done[begun] = ready.recv()
            except EOFError:
                raise SystemExit("simulate: a process of the run has died") from None
            free.append(ready)
        while given in done:
            part = done.pop(given)
            given = part.next_seed
            yield part
            if part.failure is not None:
                return


def _work(ground: Ground, about: str, pipe: Connection, others: list[Connection]) -> None:
    # Ctrl-C goes to all; the one that deals out says when it is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:
        # Where it ends, whoever waits is told.
        other.close()
    ground.database.outcomes.clear()
    ground.refreshes.clear()
    try:
        while (seeds := pipe.recv()) is not None:
            pipe.send(run_part(ground, about, *seeds))
        pipe.send((ground.database.outcomes, ground.refreshes))
    except (EOFError, OSError):
        # Nobody waits for it any more.
        return
