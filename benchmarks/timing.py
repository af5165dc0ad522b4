"""Timing several callables so that the machine's noise hits all of them alike.

What is counted is the time of the processor: what other programs take of it does not count.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping
from time import process_time
from typing import Any

__all__ = ["Batch", "calls", "calls_with_new_text", "time_rounds"]

Batch = Callable[[int], float]
"""Makes that many calls and gives the seconds they took."""

BATCH_SECONDS = 0.01
MAX_CALLS = 20_000
TEXTS_AT_ONCE = 128 * 1024


def calls(operation: Callable[[], Any]) -> Batch:
    """Time an operation without arguments."""

    def batch(count: int) -> float:
        turns = range(count)
        start = process_time()
        for _ in turns:
            operation()
        return process_time() - start

    return batch


def calls_with_new_text(operation: Callable[[str], Any], text: str) -> Batch:
    """Time an operation on a text that is another object at each call, as one from a request is.

    A text keeps its hash once that was computed, so the same object again would flatter a cache.
    As in a service, a text has been made shortly before: were all of a batch made at once, those of
    long signatures would have left the processor's cache until they are used.
    """
    raw = text.encode()
    most = max(1, TEXTS_AT_ONCE // len(raw))

    def batch(count: int) -> float:
        seconds = 0.0
        while count > 0:
            texts = [raw.decode() for _ in range(min(count, most))]
            count -= most
            start = process_time()
            for each in texts:
                operation(each)
            seconds += process_time() - start
            del texts, each
        return seconds

    return batch


def time_rounds(batches: Mapping[Any, Batch], rounds: int, seed: int = 7) -> dict[Any, list[float]]:
    """Give the time of one call in each round, in microseconds, for each batch.

    Every round runs every batch once, in an order that changes, each for about 10 ms.

    Args:
        batches: what to time, by name.
        rounds: how many rounds.
        seed: of the order.
    """
    sizes = {name: _size(batch) for name, batch in batches.items()}
    found: dict[Any, list[float]] = {name: [] for name in batches}
    order = list(batches)
    shuffle = random.Random(seed).shuffle
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                found[name].append(batches[name](sizes[name]) / sizes[name] * 1e6)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return found


def _size(batch: Batch) -> int:
    count = 4
    while (seconds := batch(count)) < BATCH_SECONDS / 4 and count < MAX_CALLS:
        count *= 4
    return max(3, min(MAX_CALLS, int(count * BATCH_SECONDS / seconds)))
