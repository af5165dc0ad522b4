"""An event loop without a clock and without input: time passes when it is told to.

Callbacks run in the order in which they came, as in asyncio's own loops. What may happen in another
order, the answers of databases and networks, comes from the world, which draws it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Coroutine
from contextvars import Context
from typing import Any
from weakref import ref


class _Call(list[Any]):
    """A callback that waits, its arguments and its context; nothing, where asyncio cancels it."""

    # A list is made without a call of Python's: several are for each step of a history.
    __slots__ = ()

    def cancel(self) -> None:
        self.clear()

    def cancelled(self) -> bool:
        return not self


class Loop(asyncio.AbstractEventLoop):
    """The loop of one world.

    Attributes:
        now: seconds since its beginning.
        troubles: what asyncio complains of.
        ready: what can run without anything else happening.
        tasks: those that were made.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.troubles: list[dict[str, Any]] = []
        self.ready: deque[_Call] = deque()
        # Every task of this loop, also such as are over.
        self.tasks: list[ref[asyncio.Task[Any]]] = []
        self._timers: list[tuple[float, int, _Call]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any, *arguments: Any, context: Context | None = None) -> Any:
        call = _Call((callback, arguments, context))
        self.ready.append(call)
        return call

    def call_at(
        self, when: float, callback: Any, *arguments: Any, context: Context | None = None
    ) -> Any:
        call = _Call((callback, arguments, context))
        heapq.heappush(self._timers, (when, next(self._numbers), call))
        return call

    def call_later(
        self, delay: float, callback: Any, *arguments: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now + delay, callback, *arguments, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: Any = None, context: Any = None
    ) -> Any:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.append(ref(task))
        return task

    # Every future asks, and is answered without a call of Python's: no.
    get_debug = bool

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.troubles.append(context)

    def run_ready(self) -> None:
        """Run what can run without anything else happening."""
        ready = self.ready
        while ready:
            call = ready.popleft()
            if not call:
                continue
            callback, arguments, context = call
            if context is None:
                callback(*arguments)
            else:
                context.run(callback, *arguments)

    def next_timer(self) -> float | None:
        """Give the moment of the next timer, or None."""
        timers = self._timers
        while timers and not timers[0][2]:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def advance(self, until: float) -> None:
        """Let time pass, and everything that waits for a moment happen at it."""
        while (when := self.next_timer()) is not None and when <= until:
            self.now = max(self.now, when)
            self.ready.append(heapq.heappop(self._timers)[2])
            self.run_ready()
        self.now = max(self.now, until)
