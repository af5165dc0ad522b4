"""Whether how long an answer takes tells somebody's name from nobody's.

Each form that takes a name is sent in pairs, with a name that is somebody's and with one that is
not, in an order that is drawn: the machine's noise hits both alike. Passwords cost what they cost
in production. Asked in this process, without a network, which would only hide a difference.

Two tests say how likely such differences are where there is none: the sign test, of the pairs, and
the rank test of Mann and Whitney, of all times. With six forms and two tests one p in twelve is
below 0.08 by chance.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from tests.server.accounts.enumeration import SETTINGS, WAYS, answer_of, with_people
from tests.server.conftest import Clock

from carnet.server.service import open_service
from carnet.server.settings import Settings

WARM_UP = 10


class Times(NamedTuple):
    """Seconds that the answers of a form took, pair by pair."""

    known: list[float]
    unknown: list[float]


async def measure(tries: int, seed: int, seconds_now: Callable[[], float]) -> dict[str, Times]:
    """Send every form that often with somebody's name, and as often with nobody's."""
    draw, clock = random.Random(seed), Clock()
    found = {}
    for way in WAYS:
        times = Times([], [])
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(data=str(Path(folder) / "data"), **SETTINGS)
            async with open_service(settings, clock) as service:
                app = await with_people(service)
                for number in range(tries + WARM_UP):
                    for known in draw.sample((True, False), 2):
                        # So that nobody has to wait.
                        clock.advance(3600)
                        start = seconds_now()
                        await answer_of(app, way, number, known=known)
                        seconds = seconds_now() - start
                        if number >= WARM_UP:
                            times[not known].append(seconds)
        found[way] = times
    return found


def sign_test(times: Times) -> float:
    """Give the p-value of the number of pairs in which the known name took longer."""
    signs = [one > other for one, other in zip(*times, strict=True) if one != other]
    count, least = len(signs), min(sum(signs), len(signs) - sum(signs))
    tail = sum(math.comb(count, number) for number in range(least + 1)) / 2**count
    return min(1.0, 2 * tail)


def rank_test(times: Times) -> float:
    """Give the p-value of Mann and Whitney's U, by its normal approximation."""
    ranked = sorted((seconds, known) for known, side in enumerate(times) for seconds in side)
    ranks = sum(rank for rank, (_, side) in enumerate(ranked, 1) if side == 0)
    first, second = len(times.known), len(times.unknown)
    u = ranks - first * (first + 1) / 2
    deviation = math.sqrt(first * second * (first + second + 1) / 12)
    return math.erfc(abs(u - first * second / 2) / deviation / math.sqrt(2))


def table(found: dict[str, Times]) -> Sequence[str]:
    """Write the figures as a Markdown table."""
    lines = [
        "| form | somebody's name, ms | nobody's, ms | median of the differences, µs | sign test, "
        "p | rank test, p |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for way, times in found.items():
        differences = [one - other for one, other in zip(*times, strict=True)]
        lines.append(
            f"| {way} | {median(times.known) * 1e3:.2f} | {median(times.unknown) * 1e3:.2f} "
            f"| {median(differences) * 1e6:+.0f} | {sign_test(times):.2f} "
            f"| {rank_test(times):.2f} |"
        )
    return lines


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=200, help="pairs of each form (200)")
    parser.add_argument("--seed", type=int, default=7, help="of the order within the pairs (7)")
    parser.add_argument("--json", type=Path, help="a file for the times, in seconds")
    parser.add_argument(
        "--processor", action="store_true", help="count processor time, which others don't disturb"
    )
    given = parser.parse_args()
    clock = process_time if given.processor else perf_counter
    found = asyncio.run(measure(given.tries, given.seed, clock))
    print("\n".join(table(found)))
    if given.json:
        given.json.write_text(json.dumps({way: times._asdict() for way, times in found.items()}))


if __name__ == "__main__":
    main()
