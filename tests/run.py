"""Runs all the tests, one half beside the other: ``python -m tests.run [options of pytest]``.

Each line of output stands behind the name of its half; what failed is told by each at its end, and
the last line counts all. The exit status is 0 only where every run of pytest has ended with 0.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections import Counter

from tests import processes

# The library's own tests reach every branch of it; they run once, with the count.
LIBRARY = ("tests/jose", "tests/jwt", "tests/test_attacks.py", "tests/test_errors.py")
COVERAGE = (
    *("--cov=carnet.jose", "--cov=carnet.jwt", "--cov=carnet.errors"),
    *("--cov-report=", "--cov-fail-under=100"),
)
SERVER = ("tests/server", "tests/pages", "tests/system")
NOTHING_COLLECTED = 5

HALVES = {
    "library": (
        (*LIBRARY, *COVERAGE),
        tuple(f"--ignore={path}" for path in (*LIBRARY, *SERVER)),
    ),
    "server": (SERVER,),
}


OUTCOME = re.compile(r"(\d+) (passed|failed|skipped|error)")


def run_half(name, runs, options, counts, failed):
    """Run one half's parts, one after the other."""
    for arguments in runs:
        # A selection may leave nothing of the library, whose branches are then not reached.
        given = [one for one in arguments if not options or not one.startswith("--cov")]
        command = [sys.executable, "-m", "pytest", "-q", "--color=no", *given, *options]
        process = processes.start(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        line = ""
        for line in process.stdout:
            print(f"{name:7} | {line}", end="", flush=True)
        counts.update({outcome: int(number) for number, outcome in OUTCOME.findall(line)})
        status = process.wait()
        if status and not (options and status == NOTHING_COLLECTED):
            failed.append(name)


def main() -> int:
    """Run both halves to their end."""
    options, counts, failed = sys.argv[1:], Counter(), []
    halves = [
        threading.Thread(target=run_half, args=(name, runs, options, counts, failed))
        for name, runs in HALVES.items()
    ]
    for half in halves:
        half.start()
    try:
        for half in halves:
            half.join()
    except KeyboardInterrupt:
        # The terminal has told both halves, too: they end by themselves.
        return 130
    wrong = counts["failed"] + counts["error"]
    print(f"{counts['passed']} passed, {wrong} failed, {counts['skipped']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
