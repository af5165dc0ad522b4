"""What a million revocations cost a verifier: ``python -m benchmarks.revocation_list``.

The memory is what the process has grown by, once the entries are applied as the stream brings
them; the lookup is that of a token that none of them names, best of several rounds.
"""

from __future__ import annotations

import argparse
import gc
import os
import secrets
import time
from pathlib import Path

from benchmarks import record
from carnet.verifier.revocations import RevocationList

PART = 1000
LOOKUPS = 200_000
ROUNDS = 7


def resident() -> int:
    """Give the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fill(known: RevocationList, count: int) -> None:
    """Apply a snapshot with that many ended sessions, in parts as the server sends it."""
    parts, now = -(-count // PART), time.time()
    for number in range(parts):
        size = min(PART, count - number * PART)
        known.apply(
            {
                "event": "snapshot",
                "prev": 0,
                "seq": count,
                "iat": int(now),
                "part": number,
                "last": number == parts - 1,
                "kept": 600,
                "entries": [["sid", secrets.token_urlsafe(16)] for _ in range(size)],
            },
            0.0,
            now,
        )


def lookups(known: RevocationList) -> list[float]:
    """Give the microseconds of a check that finds nothing in each round, less the bare loop's."""
    claims = {"sid": secrets.token_urlsafe(16), "jti": secrets.token_urlsafe(16)}
    turns, check, bare, found = range(LOOKUPS), known.check, float("inf"), []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in turns:
            pass
        bare = min(bare, time.process_time() - start)
        start = time.process_time()
        for _ in turns:
            check(claims)
        found.append(time.process_time() - start)
    return [(spent - bare) / LOOKUPS * 1e6 for spent in found]


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revocation_list")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    known = RevocationList()
    gc.collect()
    before = resident()
    fill(known, given.entries)
    gc.collect()
    print(f"{'entries':34} {len(known):,}")
    memory, found = (resident() - before) / 1e6, lookups(known)
    print(f"{'MB':34} {memory:.0f}")
    print(f"{'lookup µs':34} {min(found):.3f}")
    figures = {"entries": given.entries, "MB": memory, "lookup µs": min(found)}
    series = {"lookup": record.less_is_better("µs", found)}
    record.write(given.json, "revocation_list", figures, series)


if __name__ == "__main__":
    main()
