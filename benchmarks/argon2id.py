"""How many passwords a second argon2 checks, with the server's parameters and nothing around it.

The argument is for how many seconds it is tried; benchmarks/sessions.py says on which core. Prints
one line of JSON: the rate, and the milliseconds of the processor for each.
"""

from __future__ import annotations

import json
import sys
import time

from argon2 import PasswordHasher, Type

from carnet.server.accounts.passwords import LANES, MEMORY_KIB, TIME_COST

PASSWORD = "paper-boat-harbour"


def main() -> None:
    """Measure, and print the figures."""
    hasher = PasswordHasher(TIME_COST, MEMORY_KIB, LANES, type=Type.ID)
    encoded = hasher.hash(PASSWORD)
    start, spent, count = time.perf_counter(), time.process_time(), 0
    while (took := time.perf_counter() - start) < float(sys.argv[1]):
        hasher.verify(encoded, PASSWORD)
        count += 1
    processor = (time.process_time() - spent) / count * 1000
    print(json.dumps({"rate": count / took, "processor": processor}))


if __name__ == "__main__":
    main()
