"""Tells two runs of a benchmark apart: ``python -m benchmarks.compare before.json after.json``.

Each file is what a benchmark wrote with ``--json``. Rounds of the same number are a pair: of each
pair it counts which was better, and asks how likely so many wins of one side are where both are
alike (the sign test, two-sided). Noise that comes and goes spoils single pairs and no more; a
difference is told only where that chance is under one in a hundred.

A machine changes with the hours, so two files should be of runs in turn. That is done by

    python -m benchmarks.compare --beside ../before -- library --only HS256 --alone

which runs a benchmark of this folder on the code of another checkout, ``../before``, and on the
code here, ``--pairs`` times one after the other, in an order that changes, and compares all rounds.

Python takes another 1 % or so depending on where things come to lie in memory, anew in each
process: many short pairs tell more than few long ones.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
CERTAIN = 0.01
FEWEST_PAIRS = 8

Rounds = Mapping[str, Mapping[str, Any]]


class Difference(NamedTuple):
    """How a series of rounds changed.

    Attributes:
        name: of the series.
        unit: of its values.
        pairs: how many rounds both runs have.
        before: the median of the rounds before.
        after: the median of the rounds after.
        ratio: the median of what was measured after, as a multiple of that before, pair by pair.
        chance: that as many pairs or more are on one side where nothing differs.
        verdict: better, worse, no difference told, or too few pairs.
    """

    name: str
    unit: str
    pairs: int
    before: float
    after: float
    ratio: float
    chance: float
    verdict: str


def sign_test(wins: int, losses: int) -> float:
    """Give the chance of so uneven a result, or a more uneven one, where both sides are alike."""
    count = wins + losses
    rarer = sum(comb(count, number) for number in range(min(wins, losses) + 1))
    return min(1.0, 2 * rarer / 2**count)


def differences(before: Rounds, after: Rounds) -> list[Difference]:
    """Compare the series that both runs have, round by round."""
    found = []
    for name, series in before.items():
        if name not in after:
            continue
        if series["better"] != after[name]["better"] or series["unit"] != after[name]["unit"]:
            raise SystemExit(f"{name} is not the same figure in both files")
        pairs = list(zip(series["values"], after[name]["values"], strict=False))
        if not pairs:
            continue
        sign = 1 if series["better"] == "less" else -1
        wins = sum(sign * (was - now) > 0 for was, now in pairs)
        losses = sum(sign * (was - now) < 0 for was, now in pairs)
        chance = sign_test(wins, losses)
        verdict = "no difference told"
        if len(pairs) < FEWEST_PAIRS:
            verdict = "too few pairs"
        elif chance < CERTAIN:
            verdict = "better" if wins > losses else "worse"
        found.append(
            Difference(
                name,
                series["unit"],
                len(pairs),
                median(was for was, _ in pairs),
                median(now for _, now in pairs),
                median(now / was for was, now in pairs),
                chance,
                verdict,
            )
        )
    return found


def table(found: Sequence[Difference]) -> str:
    """Lay the comparison out as Markdown."""
    lines = [
        "| measured | unit | pairs | before | after | change | chance | verdict |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    lines += [
        f"| {one.name} | {one.unit} | {one.pairs} | {one.before:.4g} | {one.after:.4g} | "
        f"{(one.ratio - 1) * 100:+.1f} % | {one.chance:.2g} | {one.verdict} |"
        for one in found
    ]
    return "\n".join(lines)


def joined(runs: Sequence[Rounds]) -> dict[str, dict[str, Any]]:
    """Put the rounds of several runs behind each other."""
    together: dict[str, dict[str, Any]] = {}
    for run in runs:
        for name, series in run.items():
            values = together.setdefault(name, {**series, "values": []})["values"]
            values += series["values"]
    return together


def run_in_turn(
    other: Path, command: Sequence[str], pairs: int
) -> tuple[list[Rounds], list[Rounds]]:
    """Run a benchmark on the code of another checkout and on ours, again and again."""
    sides = (other / "src", HERE.parent / "src")
    runs: dict[Path, list[Rounds]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory(prefix="carnet-compare-") as folder:
        path = Path(folder) / "run.json"
        for number in range(pairs):
            for side in sides if number % 2 else reversed(sides):
                print(f"pair {number + 1} of {pairs}: {side}", file=sys.stderr, flush=True)
                subprocess.run(
                    [
                        sys.executable,
                        "-m",
                        f"benchmarks.{command[0]}",
                        *command[1:],
                        "--json",
                        path,
                    ],
                    cwd=HERE.parent,
                    env={**os.environ, "PYTHONPATH": str(side)},
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
                runs[side].append(json.loads(path.read_text("utf-8"))["rounds"])
    before, after = runs.values()
    return before, after


def read(path: Path) -> dict[str, Any]:
    """Read a run's record, and say of which."""
    try:
        record = json.loads(path.read_text("utf-8"))
        print(f"{path}: {record['benchmark']}, {record['date']}, commit {record['commit']}")
        print(f"  {record['machine']}, {record['cores']} cores, load {record['load']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is not what a benchmark wrote with --json: {error}") from None
    return record


def main(given: Sequence[str] | None = None) -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--beside", metavar="FOLDER", type=Path, help="another checkout")
    parser.add_argument("--pairs", type=int, default=8, help="how often each of the two runs")
    parser.add_argument("given", nargs="+", metavar="FILE", help="two files; or the command to run")
    arguments = parser.parse_args(given)
    if arguments.beside is not None:
        if not (arguments.beside / "src" / "carnet").is_dir():
            parser.error(f"{arguments.beside} is no checkout: it has no src/carnet")
        before, after = run_in_turn(arguments.beside.resolve(), arguments.given, arguments.pairs)
        print(table(differences(joined(before), joined(after))))
        return
    if len(arguments.given) != 2:
        parser.error("two files are compared")
    records = [read(Path(name)) for name in arguments.given]
    if records[0]["benchmark"] != records[1]["benchmark"]:
        parser.error("the files are of two different benchmarks")
    print(f"\n{table(differences(records[0]['rounds'], records[1]['rounds']))}")


if __name__ == "__main__":
    main()
