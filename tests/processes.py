"""Starting processes in tests: the one way, for all of them.

They end with the tests, even when those are killed, and a signal does to them what it does by
default, also where the tests run in the background or under nohup, with SIGINT or SIGHUP ignored.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests import fork_server

from carnet import child_processes

# Nothing fails for being slow: this is only how long a test that hangs is waited for.
PATIENCE = 180


def start(command, *, user=None, ending=signal.SIGTERM, **options):
    """Start a process, as ``subprocess.Popen`` does."""
    if user is None and fork_server.can_start(command, options):
        return fork_server.start(command, ending=ending, **options)
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


class Drained:
    """The text that a process writes into a pipe, taken out of it as it comes.

    A pipe holds 64 KiB; a process that has filled one which nobody reads is stopped.

    Args:
        stream: the pipe.
    """

    def __init__(self, stream):
        self.closed = False
        self._stream = stream
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._take_all, daemon=True)
        self._reader.start()

    def __iter__(self):
        return iter(self.readline, "")

    def readline(self):
        """Wait for a line, and give it; "" is the end."""
        line = self._lines.get()
        if not line:
            self._lines.put("")
        return line

    def read(self):
        """Wait for the end, and give what has not been read."""
        return "".join(self)

    def close(self):
        """Wait for the end, and close the pipe; who else writes into it keeps it open."""
        self.closed = True
        self._reader.join(10)
        if not self._reader.is_alive():
            self._stream.close()

    def _take_all(self):
        for line in self._stream:
            self._lines.put(line)
        self._lines.put("")


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


def workers_of(pid):
    """Give the ids of the workers that a server has, the oldest first."""
    found = []
    for child in sorted(descendants(pid)):
        with contextlib.suppress(OSError):  # it has ended
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                found.append(child)
    return found


def wait_for_successor(pid, dead, workers=2):
    """Wait until a server has all its workers again, of which none is the dead one."""

    def is_there():
        found = workers_of(pid)
        return len(found) == workers and dead not in found

    wait_until(is_there)


def has_ended(pid):
    """Tell whether a process has ended, whoever has yet to take note of that."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
