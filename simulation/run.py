"""Run histories: ``python -m simulation.run [--seeds N] [--minutes N]``, or one of them again.

Without anything it goes on after the last seed of the last time, for a minute.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from simulation.choices import Choices
from simulation.coverage import report
from simulation.facts import INVARIANTS, NEVER
from simulation.ground import Ground
from simulation.histories import ENGINES, History, HistoryWrong, as_test, read_history, shrink
from simulation.jobs import Failure, Part, cores, in_parts, run_part
from simulation.subjects import about, names
from simulation.totals import Totals

PLACE: Final = Path("build/simulation")
REPORT_SECONDS: Final = 5.0
MOST_SEED: Final = 2**63
MOST_JOBS: Final = 256


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for, and give the exit status: 1 where something did not hold."""
    options = _parser().parse_args(arguments)
    ground = Ground()
    with ground.governed(), about(options.about):
        if options.history is not None:
            try:
                history = read_history(options.history)
            except HistoryWrong as error:
                print(error, file=sys.stderr)
                return 2
            return _tell(ground, history)
        if options.seed is not None:
            return _one_seed(ground, options.seed, options.about)
        return _Run(ground, options).many()


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:20]) < MOST_SEED):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 < minutes < 100_000:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of minutes")
    return minutes


def _jobs(text: str) -> int:
    jobs = _number(text) or cores()
    if jobs > MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} are more than {MOST_JOBS} processes")
    return jobs


def _subject(text: str) -> str:
    known = names()
    if text and text.upper() not in known:
        every = ", ".join(name.lower() for name in known)
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no subject; these are: {every}")
    return text.upper()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """One line says what is wrong."""
        print(f"simulate: {message}", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=_number, help="so many new seeds")
    parser.add_argument("--minutes", type=_minutes, help="new seeds for so long")
    parser.add_argument("--jobs", type=_jobs, default=1, help="in so many processes; 0: one a core")
    parser.add_argument("--about", type=_subject, default="", help="histories of one subject alone")
    parser.add_argument("--seed", type=_number, help="this seed again, told in words")
    parser.add_argument("--history", type=Path, help="a file that an earlier run has written")
    return parser


def _one_seed(ground: Ground, seed: int, subject: str) -> int:
    part = run_part(ground, subject, seed, seed + 1)
    if part.failure is not None:
        return _failed(ground, part.failure)
    print(f"Seed {seed}, on {ENGINES[0]}:")
    told: list[str] = []
    ground.history(ENGINES[0], Choices(seed), told)
    print("\n".join(told))
    print(f"Everything holds, on {' and '.join(ENGINES)}.")
    return 0


class _Run:
    """New seeds, from where the last run has stopped.

    Args:
        ground: where, within `governed`.
        options: of the command.
    """

    def __init__(self, ground: Ground, options: argparse.Namespace) -> None:
        PLACE.mkdir(parents=True, exist_ok=True)
        self._ground = ground
        self._about = options.about
        self._jobs = options.jobs
        # Each subject has seeds of its own.
        suffix = f"-{self._about.lower()}" if self._about else ""
        self._progress = PLACE / f"next-seed{suffix}"
        self._first = self._next = _read_progress(self._progress)
        self._last = None if options.seeds is None else self._first + options.seeds
        minutes = options.minutes or (1 if options.seeds is None else float("inf"))
        self._began = self._reported = time.monotonic()
        self._until = self._began + 60 * minutes
        self._totals = Totals(PLACE / "totals.json", self._about, self._first)
        self._steps, self._seconds, self._stopped = 0, 0.0, False

    def many(self) -> int:
        """Run them, and give the exit status."""
        failure = None
        try:
            for part in self._parts():
                self._next = part.next_seed
                self._steps += part.steps
                self._seconds += part.seconds
                failure = part.failure
                if time.monotonic() - self._reported >= REPORT_SECONDS:
                    self._reported = time.monotonic()
                    self._report()
                    self._write()
                if failure is not None:
                    break
        except KeyboardInterrupt:
            self._stopped = True
        if self._stopped:
            print("\nStopped; the next run goes on from here.")
        self._write()
        if failure is not None:
            _write_progress(self._progress, failure.seed + 1)
            return _failed(self._ground, failure)
        self._report()
        print("\n".join(report(self._ground)))
        print(self._totals.report())
        held = f"Everything holds in seeds {self._first} to {self._next - 1}."
        print(held if self._next > self._first else "No seed was done.")
        return 0

    def _parts(self) -> Iterator[Part]:
        if self._jobs == 1:
            while self._next != self._last and self._may_go_on():
                yield run_part(self._ground, self._about, self._next, self._next + 1)
            return
        before = signal.signal(signal.SIGINT, self._stop)
        try:
            seeds = self._first, self._last
            yield from in_parts(self._ground, self._about, *seeds, self._jobs, self._may_go_on)
        finally:
            signal.signal(signal.SIGINT, before)

    def _may_go_on(self) -> bool:
        return not self._stopped and time.monotonic() < self._until

    def _stop(self, *_: object) -> None:
        """Let what was dealt out end; a second Ctrl-C is Python's own."""
        self._stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    @property
    def _histories(self) -> int:
        return len(ENGINES) * (self._next - self._first)

    def _write(self) -> None:
        _write_progress(self._progress, self._next)
        self._totals.write(self._next, self._histories, self._steps, self._seconds)

    def _report(self) -> None:
        seconds = max(time.monotonic() - self._began, 0.001)
        processor = max(self._seconds, 0.001)
        print(
            f"{self._next - self._first} seeds on {' and '.join(ENGINES)}: "
            f"{self._histories / seconds:.0f} histories and {self._steps / seconds:,.0f} steps a "
            f"second, {self._histories / processor:.0f} in one of processor time",
            flush=True,
        )


def _read_progress(path: Path) -> int:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    return found if type(found) is int and 0 <= found < MOST_SEED else 0


def _write_progress(path: Path, seed: int) -> None:
    path.write_text(f"{seed}\n")


def _failed(ground: Ground, failure: Failure) -> int:
    seed, history, violation = failure
    print(f"Seed {seed} on {history.engine} does not hold: {violation.name}. Shortening it …")
    shortest = shrink(lambda shorter: shorter.play(ground), history, violation.name)
    PLACE.mkdir(parents=True, exist_ok=True)
    path = PLACE / f"seed-{seed}-{history.engine}.json"
    shortest.write(path)
    test = PLACE / f"test_seed_{seed}_{history.engine}.py"
    test.write_text(as_test(shortest, violation.name, _told(ground, shortest)))
    _tell(ground, shortest)
    print(f"It is kept in {path}, and as a test for tests/simulation beside it:")
    held = f" ABOUT={history.about.lower()}" if history.about else ""
    print(f"  make simulate SEED={seed}{held}          the whole of it again")
    print(f"  make simulate HISTORY={path}   what is left of it")
    print(f"  pytest {test}")
    return 1


def _told(ground: Ground, history: History) -> list[str]:
    told: list[str] = []
    history.play(ground, told)
    return told


def _tell(ground: Ground, history: History) -> int:
    told: list[str] = []
    violation = history.play(ground, told)
    print("\n".join(told))
    if violation is None:
        print("Everything holds.")
        return 0
    says = INVARIANTS.get(violation.name) or NEVER[violation.name][0]
    print(f"What must hold: {violation.name}: {says}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
