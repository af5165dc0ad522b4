"""Timing several callables so that the machine's noise hits all of them alike."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

__all__ = ["Batch", "best_of_rounds", "calls", "calls_with_new_text"]

Batch = Callable[[int], float]
"""Makes that many calls and gives the seconds they took."""

BATCH_SECONDS = 0.01
MAX_CALLS = 20_000


def calls(operation: Callable[[], Any]) -> Batch:
    """Time an operation without arguments."""

    def batch(count: int) -> float:
        turns = range(count)
        start = perf_counter()
        for _ in turns:
            operation()
        return perf_counter() - start

    return batch


def calls_with_new_text(operation: Callable[[str], Any], text: str) -> Batch:
    """Time an operation on a text that is another object at each call, as one from a request is.

    A text keeps its hash once that was computed, so the same object again would flatter a cache.
    """
    raw = text.encode()

    def batch(count: int) -> float:
        texts = [raw.decode() for _ in range(count)]
        start = perf_counter()
        for each in texts:
            operation(each)
        return perf_counter() - start

    return batch


def best_of_rounds(batches: Mapping[Any, Batch], rounds: int, seed: int = 7) -> dict[Any, float]:
    """Give the least time of one call, in microseconds, for each batch.

    Every round runs every batch once, in an order that changes, each for about 10 ms.

    Args:
        batches: what to time, by name.
        rounds: how many rounds.
        seed: of the order.
    """
    sizes = {name: _size(batch) for name, batch in batches.items()}
    best = dict.fromkeys(batches, float("inf"))
    order = list(batches)
    shuffle = random.Random(seed).shuffle
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                best[name] = min(best[name], batches[name](sizes[name]) / sizes[name])
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return {name: seconds * 1e6 for name, seconds in best.items()}


def _size(batch: Batch) -> int:
    count = 4
    while (seconds := batch(count)) < BATCH_SECONDS / 4 and count < MAX_CALLS:
        count *= 4
    return max(3, min(MAX_CALLS, int(count * BATCH_SECONDS / seconds)))
