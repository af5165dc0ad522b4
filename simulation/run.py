"""Run histories: ``python -m simulation.run [--seeds N] [--minutes N]``, or one of them again.

Without anything it goes on after the last seed of the last time, for a minute.
"""

from __future__ import annotations

import argparse
import json
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
from simulation.world import Violation

PLACE: Final = Path("build/simulation")
REPORT_SECONDS: Final = 5.0
MOST_SEED: Final = 2**63


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for, and give the exit status: 1 where something did not hold."""
    options = _parser().parse_args(arguments)
    ground = Ground()
    with ground.governed():
        if options.history is not None:
            try:
                history = read_history(options.history)
            except HistoryWrong as error:
                print(error, file=sys.stderr)
                return 2
            return _tell(ground, history)
        if options.seed is not None:
            return _one_seed(ground, options.seed)
        return _many(ground, options.seeds, options.minutes)


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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """One line says what is wrong."""
        print(f"simulate: {message}", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=_number, help="so many new seeds")
    parser.add_argument("--minutes", type=_minutes, help="new seeds for so long")
    parser.add_argument("--seed", type=_number, help="this seed again, told in words")
    parser.add_argument("--history", type=Path, help="a file that an earlier run has written")
    return parser


def _one_seed(ground: Ground, seed: int) -> int:
    for engine in ENGINES:
        choices = Choices(seed)
        violation, _ = ground.history(engine, choices)
        if violation is not None:
            return _failed(ground, seed, History(engine, choices.made), violation)
    print(f"Seed {seed}, on {ENGINES[0]}:")
    told: list[str] = []
    ground.history(ENGINES[0], Choices(seed), told)
    print("\n".join(told))
    print(f"Everything holds, on {' and '.join(ENGINES)}.")
    return 0


def _many(ground: Ground, seeds: int | None, minutes: float | None) -> int:
    PLACE.mkdir(parents=True, exist_ok=True)
    progress = PLACE / "next-seed"
    first = _read_progress(progress)
    last = None if seeds is None else first + seeds
    until = time.monotonic() + 60 * (minutes or 1) if minutes or seeds is None else float("inf")
    began, reported, steps, seed = time.monotonic(), time.monotonic(), 0, first
    try:
        for seed in _counting(first):
            now = time.monotonic()
            if seed == last or now >= until:
                break
            if now - reported >= REPORT_SECONDS:
                reported = now
                _report(seed - first, steps, now - began)
                _write_progress(progress, seed)
            for engine in ENGINES:
                choices = Choices(seed)
                violation, world = ground.history(engine, choices)
                steps += world.steps
                if violation is not None:
                    _write_progress(progress, seed + 1)
                    return _failed(ground, seed, History(engine, choices.made), violation)
    except KeyboardInterrupt:
        print("\nStopped; the next run goes on from here.")
    _write_progress(progress, seed)
    _report(seed - first, steps, time.monotonic() - began)
    print("\n".join(report(ground)))
    print(
        f"Everything holds in seeds {first} to {seed - 1}." if seed > first else "No seed was done."
    )
    return 0


def _counting(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def _read_progress(path: Path) -> int:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    return found if type(found) is int and 0 <= found < MOST_SEED else 0


def _write_progress(path: Path, seed: int) -> None:
    path.write_text(f"{seed}\n")


def _report(seeds: int, steps: int, seconds: float) -> None:
    seconds = max(seconds, 0.001)
    print(
        f"{seeds} seeds on {' and '.join(ENGINES)}: {len(ENGINES) * seeds / seconds:.0f} histories "
        f"and {steps / seconds:,.0f} steps a second",
        flush=True,
    )


def _failed(ground: Ground, seed: int, history: History, violation: Violation) -> int:
    print(f"Seed {seed} on {history.engine} does not hold: {violation.name}. Shortening it …")
    shortest = shrink(lambda shorter: shorter.play(ground), history, violation.name)
    PLACE.mkdir(parents=True, exist_ok=True)
    path = PLACE / f"seed-{seed}-{history.engine}.json"
    shortest.write(path)
    test = PLACE / f"test_seed_{seed}_{history.engine}.py"
    test.write_text(as_test(shortest, violation.name, _told(ground, shortest)))
    _tell(ground, shortest)
    print(f"It is kept in {path}, and as a test for tests/simulation beside it:")
    print(f"  make simulate SEED={seed}          the whole of it again")
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
