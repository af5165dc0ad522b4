"""What happens in a history: numbers that a seed gives, or that are given to replay it.

Everything that could be otherwise is one draw. 0 is always the quietest: the oldest piece of work
goes on, no fault, nothing new begins. So a history is shrunk by leaving draws out and making them
smaller, whatever they mean, and one that is cut off runs quietly to its end.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Of each table that was drawn from, every entry as often as its weight says.
_spread: Final[dict[int, tuple[Sequence[Any], list[Any]]]] = {}


class Choices:
    """The draws of one history.

    Args:
        seed: of a new history.
        given: the draws of an old one, instead; 0 follows after them.

    Attributes:
        made: the draws so far.
    """

    def __init__(self, seed: int | None = None, given: Sequence[int] | None = None) -> None:
        self.made: list[int] = []
        self._fraction = random.Random(seed if given is None else 0).random
        self._given = None if given is None else iter(given)

    def draw(self, bound: int) -> int:
        """Give a number from 0 to the one before ``bound``."""
        if self._given is None:
            number = int(self._fraction() * bound)
        else:
            number = next(self._given, 0) % bound
        self.made.append(number)
        return number

    def one_of(self, several: Sequence[T]) -> T:
        """Give one of several; the first is the quietest."""
        return several[self.draw(len(several))]

    def weighted(self, table: tuple[tuple[int, T], ...]) -> T:
        """Give an entry of a table, each as often as its weight says; the first is the quietest."""
        known = _spread.get(id(table))
        if known is None or known[0] is not table:
            # Kept with its table, so that no other one has its id.
            known = _spread[id(table)] = table, [
                entry for weight, entry in table for _ in range(weight)
            ]
        return self.one_of(known[1])
