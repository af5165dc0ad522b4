"""What work a call does, counted rather than timed: the same on every machine, however busy."""

from __future__ import annotations

import sys
import tracemalloc
from contextlib import contextmanager


@contextmanager
def calls_counted():
    """Count the calls of functions, in Python and in C, that this thread makes meanwhile."""
    counted = [0]

    def see(_frame, event, _argument):
        if event in ("call", "c_call"):
            counted[0] += 1

    sys.setprofile(see)
    try:
        yield counted
    finally:
        sys.setprofile(None)
        # The exit of the block is seen too.
        counted[0] -= 2


def calls_of(operation):
    """Give how many calls an operation makes, itself among them."""
    with calls_counted() as counted:
        operation()
    return counted[0]


def bytes_of(operation):
    """Give how many bytes an operation holds at most, of Python's memory."""
    operation()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        operation()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
