"""What work costs: bytecode instructions counted, and processor time where C does the work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

__all__ = ["calls_of", "instructions", "processor_time"]


def instructions(work: Callable[[], object]) -> int:
    """Count the bytecode instructions that a call executes."""
    count = 0

    def trace(frame, event, _argument):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def processor_time(work: Callable[[], object], repeats: int = 3) -> float:
    """Give the least processor time of a few calls, in seconds."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


@contextmanager
def calls_of(monkeypatch, *places):
    """Count the calls of functions, which do their work all the same; each is (module, name)."""
    calls = []
    with monkeypatch.context() as patched:
        for module, name in places:
            original = getattr(module, name)

            def counted(*arguments, _original=original, _name=name, **options):
                calls.append(_name)
                return _original(*arguments, **options)

            patched.setattr(module, name, counted)
        yield calls
