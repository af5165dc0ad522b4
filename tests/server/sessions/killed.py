"""Runs `carnet` in a process that kills itself with SIGKILL at its Nth statement.

Run by the tests as a program: ``killed.py N serve …``. The count begins when the file named by
KILL_WHEN_ARMED appears, so that the start is not counted.
"""

import itertools
import os
import signal
import sys
from pathlib import Path

from carnet.cli.main import main
from carnet.server.store.sqlite import SqliteStore

steps = itertools.count(1)
last = int(sys.argv[1])
armed = Path(os.environ["KILL_WHEN_ARMED"])


def step():
    if armed.exists() and next(steps) == last:
        os.kill(os.getpid(), signal.SIGKILL)


class Counting:
    """The writer's connection, with a step before each statement: BEGIN and COMMIT are some."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, sql, *values):
        step()
        return self._connection.execute(sql, *values)


opened = SqliteStore.__init__


def open_counting(self, path, *more):
    opened(self, path, *more)
    self._writer = Counting(self._writer)


SqliteStore.__init__ = open_counting
sys.argv = ["carnet", *sys.argv[2:]]
main()
