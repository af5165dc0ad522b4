"""Runs all the tests, several parts at once: ``python -m tests.run [options of pytest]``.

A part is a folder of tests. As many run at once as the machine has cores, and two more, for they
wait about half of their time; those that take longest begin first. Each line of output stands
behind the name of its part; what failed is told by each at its end, and named again when all have
ended, and so is what each took; the last line counts all.
The exit status is 0 only where every run of pytest has ended with 0.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import memory, processes

ROOT = Path(__file__).parents[1]
# The library's own tests reach every branch of it; they run once, with the count.
LIBRARY = ("tests/jose", "tests/jwt", "tests/test_attacks.py", "tests/test_errors.py")
COVERAGE = (
    *("--cov=carnet.jose", "--cov=carnet.jwt", "--cov=carnet.errors"),
    *("--cov-report=", "--cov-fail-under=100"),
)
LONGEST_FIRST = (
    *("server/store", "server", "pages", "system", "docs", "cli", "verifier", "server/oauth"),
    *("server/sessions", "library", "server/accounts", "server/running", "server/endpoints"),
    *("mcp_proxy", "examples", "deploy", "server/clients", "server/web", "simulation", "conform"),
    *("server/upstream", "adversarial", "packaging"),
)
NOTHING_COLLECTED = 5
LAST_LINES = 12

OUTCOME = re.compile(r"(\d+) (passed|failed|skipped|error)")
SUMMARY = re.compile(r"\d+ (passed|failed|skipped|error).* in \d")
WRONG = ("FAILED ", "ERROR ", "FAIL ")


def find_parts():
    """Give the arguments of each part's pytest, by its name: every test is in one part."""
    found = {"library": (*LIBRARY, *COVERAGE)}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        path = file.relative_to(ROOT)
        if str(path).startswith(LIBRARY):
            continue
        # The tests that lie in a folder beside other folders are a part of their own.
        folder, name = path.parent, str(path.parent.relative_to("tests"))
        if any(child.is_dir() and any(child.rglob("test_*.py")) for child in folder.iterdir()):
            name = "tests" if name == "." else name
            found[name] = (*found.get(name, ()), str(path))
        else:
            found[name] = (str(folder),)
    first = {name: place for place, name in enumerate(LONGEST_FIRST)}
    return sorted(found.items(), key=lambda part: first.get(part[0], len(first)))


class Run:
    """One run of all the parts.

    Args:
        options: what every pytest is told besides its part.
    """

    def __init__(self, options):
        self.options = options
        self.counts = Counter()
        self.failed = []
        self.wrong = []
        self.took = {}
        self._waiting = queue.SimpleQueue()
        for part in find_parts():
            self._waiting.put(part)

    def begin_no_more(self):
        """Leave the parts that have not begun."""
        self._waiting = queue.SimpleQueue()

    def work(self):
        """Run parts until none is left."""
        while True:
            try:
                name, arguments = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._run(name, arguments)

    def _run(self, name, arguments):
        # A selection may leave nothing of the library, whose branches are then not reached.
        given = [one for one in arguments if not self.options or not one.startswith("--cov")]
        command = [sys.executable, "-m", "pytest", "-q", "--color=no", *given, *self.options]
        began = time.monotonic()
        process = processes.start(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        summary, wrong, last = "", [], deque(maxlen=LAST_LINES)
        for line in process.stdout:
            print(f"{name:18} | {line}", end="", flush=True)
            if line.startswith(WRONG):
                wrong.append(line.rstrip())
            if SUMMARY.match(line):
                # It is not always the last line: what goes wrong at the very end comes after it.
                summary = line
            last.append(line.rstrip())
        self.counts.update({outcome: int(number) for number, outcome in OUTCOME.findall(summary)})
        _, waited, used = os.wait4(process.pid, 0)
        status = process.returncode = os.waitstatus_to_exitcode(waited)
        self.took[name] = (time.monotonic() - began, used.ru_utime + used.ru_stime)
        if status and not (self.options and status == NOTHING_COLLECTED):
            self.failed.append(f"{name} (exit status {status})")
            # Without a test that failed, its last lines say what did.
            self.wrong += wrong or [f"{name}: {line}" for line in last]


@contextmanager
def files_in_memory():
    """Have the temporary files of every part in memory, where there is room and nothing else said.

    What a test has left there is gone in the end: run it alone to look at that.
    """
    folder = None if "TMPDIR" in os.environ else memory.find_folder()
    if folder is None:
        yield
        return
    with TemporaryDirectory(prefix="carnet-tests-", dir=folder, ignore_cleanup_errors=True) as name:
        # Servers that run as another user pass through it.
        Path(name).chmod(0o755)
        os.environ["TMPDIR"] = name
        yield


def main() -> int:
    """Run every part to its end."""
    run = Run(sys.argv[1:])
    with files_in_memory():
        return run_all(run)


def run_all(run) -> int:
    """Run the parts, several at once; tell what came of it, and give the exit status."""
    at_once = len(os.sched_getaffinity(0)) + 2
    workers = [threading.Thread(target=run.work) for _ in range(at_once)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        # The terminal has told those that run, too: they end by themselves.
        run.begin_no_more()
        return 130
    for name, (seconds, processor) in sorted(run.took.items(), key=lambda part: -part[1][1]):
        print(f"{name:18} | {seconds:4.0f} s, {processor:4.0f} s of processor time")
    counts, wrong = run.counts, run.counts["failed"] + run.counts["error"]
    if run.failed:
        print(*run.wrong, f"failed: {', '.join(run.failed)}", sep="\n")
    print(f"{counts['passed']} passed, {wrong} failed, {counts['skipped']} skipped")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
