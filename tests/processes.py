"""Starting processes in tests: the one way, for all of them.

They end with the tests, even when those are killed, and a signal does to them what it does by
default, also where the tests run in the background or under nohup, with SIGINT or SIGHUP ignored.
"""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from carnet import child_processes

# Nothing fails for being slow: this is only how long a test that hangs is waited for.
PATIENCE = 180


def start(command, *, user=None, ending=signal.SIGTERM, **options):
    """Start a process, as ``subprocess.Popen`` does."""
    return child_processes.start(command, user=user, ending=ending, **options)


def run(command, *, input=None, capture_output=False, timeout=PATIENCE, check=False, **options):
    """Run a process to its end, as ``subprocess.run`` does."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    if capture_output:
        options["stdout"] = options["stderr"] = subprocess.PIPE
    with start(command, **options) as process:
        try:
            output, errors = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done


def wait_until(true, seconds=PATIENCE):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def descendants(pid):
    """Give the ids of a process's children, of theirs, and so on."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the program, in parentheses, may hold anything.
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def has_ended(pid):
    """Tell whether a process has ended, whoever has yet to take note of that."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
