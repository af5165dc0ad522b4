"""A place in memory for the files of tests, where the machine has plenty of it.

The tests make and remove some hundred thousand small files, a database each and more; on a disk
that takes half of the processor time of those that do.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PLACE = Path("/dev/shm")
# Of what is free in memory; a whole run has at most three in use.
NEEDED = 10 << 30


def find_folder() -> str | None:
    """Give the folder in memory, or None where temporary files are better left on the disk."""
    try:
        found = os.statvfs(PLACE)
        told = Path("/proc/meminfo").read_text()
        [free] = re.findall(r"^MemAvailable: +(\d+) kB$", told, re.MULTILINE)
    except (OSError, ValueError):
        return None
    room = min(found.f_bavail * found.f_frsize, int(free) << 10)
    usable = os.access(PLACE, os.W_OK | os.X_OK) and not found.f_flag & os.ST_NOEXEC
    return str(PLACE) if usable and room >= NEEDED else None
