"""What of the service's statements and tables the histories have reached."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from carnet.server.store.statements import (
    accounts,
    agents,
    codes,
    deletion,
    email_addresses,
    factors,
    identities,
    keys,
    links,
    merging,
    revocations,
    sessions,
)
from simulation.facts import GRANTED
from simulation.ground import Ground

__all__ = ["report"]

SUBJECTS: Final = (
    *(sessions, agents, codes, accounts, factors, identities, email_addresses, links, deletion),
    *(merging, keys, revocations),
)
ROWS: Final = {True: "rows", False: "no rows"}
REFRESHES: Final = (*GRANTED.values(), "reused", "ended", "expired", "unknown", "client_mismatch")


def outcomes(module: ModuleType) -> dict[tuple[str, bool], str]:
    """Give what may become of each statement of a module, with what it is called.

    Of one that gives no rows, that it was run.
    """
    found: dict[tuple[str, bool], str] = {}
    for name, text in vars(module).items():
        if not name.isupper() or not isinstance(text, str):
            continue
        if "RETURNING" in text or text.lstrip().startswith("SELECT"):
            found |= {(text, some): f"{name} ({ROWS[some]})" for some in ROWS}
        else:
            found[text, False] = name
    return found


def report(ground: Ground) -> list[str]:
    """Say in lines what was reached, as x of y, and name what was not."""
    seen = ground.database.outcomes
    lines, reached, total = [], 0, 0
    for module in SUBJECTS:
        every = outcomes(module)
        missing = [name for outcome, name in every.items() if outcome not in seen]
        reached += len(every) - len(missing)
        total += len(every)
        subject = module.__name__.rpartition(".")[2]
        rest = f"; never {', '.join(missing)}" if missing else ""
        lines.append(f"  {subject}: {len(every) - len(missing)} of {len(every)}{rest}")
    refreshes = [f"{name} {ground.refreshes[name]:,}" for name in REFRESHES]
    return [
        f"Outcomes of statements that were reached: {reached} of {total}.",
        *lines,
        f"Refreshes: {', '.join(refreshes)}.",
    ]
