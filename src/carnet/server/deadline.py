"""Waiting for an answer no longer than it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["within"]

T = TypeVar("T")

# Tasks that were given up and have not ended yet: the event loop itself forgets them.
_given_up: Final[set[asyncio.Task[Any]]] = set()


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Do a piece of work, and stop waiting for it when its time is over.

    Unlike ``asyncio.timeout`` this does not wait for the work to notice: a database driver whose
    server hangs tidies up for as long again.

    Args:
        seconds: the time that it has.
        work: a coroutine.

    Raises:
        TimeoutError: if the time was not enough. The work is cancelled, and ends when it can.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
    finally:
        if not task.done():
            _give_up(task)
    raise TimeoutError(f"no answer within {seconds:g} seconds")


def _give_up(task: asyncio.Task[Any]) -> None:
    _given_up.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    _given_up.discard(task)
    if not task.cancelled():
        # Nobody waits for its failure any more; asyncio would complain that nobody has seen it.
        task.exception()
