"""Show that the simulation finds faults: ``python -m simulation.mutate [TEXT]``.

Each mutant of the table is put into the service of this process, and seeds are run until one fails.
"""

from __future__ import annotations

import sys
import time

from simulation.choices import Choices
from simulation.ground import Ground
from simulation.histories import ENGINES
from simulation.mutants import MUTANTS, Mutant, applied
from simulation.subjects import about
from simulation.world import Violation

SURVIVORS_SEEDS = 100
"""How many seeds are run of those that are not expected to be found."""


def find(ground: Ground, mutant: Mutant, seeds: int) -> tuple[int, str, Violation] | None:
    """Run seeds until one finds a mutant; give the seed, the engine and what did not hold.

    Args:
        ground: where, within `Ground.governed`.
        mutant: which.
        seeds: how many at most, each on every engine.
    """
    with applied(mutant), about(mutant.about):
        for seed in range(seeds):
            for engine in ENGINES:
                violation, _ = ground.history(engine, Choices(seed))
                if violation is not None:
                    return seed, engine, violation
    return None


def main(arguments: list[str]) -> int:
    """Go through the table, or the part of it with a text in its names; 1 where one is missed."""
    chosen = [mutant for mutant in MUTANTS if " ".join(arguments) in mutant.name]
    if not chosen:
        print("mutate: no mutant of the table has this in its name", file=sys.stderr)
        return 2
    ground = Ground()
    missed = found = 0
    began = time.monotonic()
    with ground.governed():
        for mutant in chosen:
            seeds = SURVIVORS_SEEDS if mutant.survives else mutant.seeds
            by = find(ground, mutant, seeds)
            found += by is not None
            if by is not None:
                seed, engine, violation = by
                print(f"found     {mutant.name}\n          seed {seed}, {engine}: {violation.name}")
                if mutant.survives:
                    missed += 1
                    print("          and was not expected to be: mend the table")
            elif mutant.survives:
                print(f"survives  {mutant.name}\n          since {mutant.survives}")
            else:
                missed += 1
                print(f"MISSED    {mutant.name}\n          in {seeds} seeds")
            sys.stdout.flush()
    seconds = time.monotonic() - began
    print(
        f"{found} of {len(chosen)} found in {seconds:.0f} seconds; {missed} not as the table says"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
