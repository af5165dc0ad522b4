"""What happens in a history: numbers that a seed gives, or that are given to replay it.

Everything that could be otherwise is one draw. 0 is always the quietest: the oldest piece of work
goes on, no fault, nothing new begins. So a history is shrunk by leaving draws out and making them
smaller, whatever they mean, and one that is cut off runs quietly to its end.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


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
        self.random = random.Random(seed if given is None else 0)
        self._given = None if given is None else iter(given)

    def draw(self, bound: int) -> int:
        """Give a number from 0 to the one before ``bound``."""
        if self._given is None:
            number = int(self.random.random() * bound)
        else:
            number = next(self._given, 0) % bound
        self.made.append(number)
        return number

    def one_of(self, several: Sequence[T]) -> T:
        """Give one of several; the first is the quietest."""
        return several[self.draw(len(several))]

    def weighted(self, table: Sequence[tuple[int, T]]) -> T:
        """Give an entry of a table, each as often as its weight says; the first is the quietest."""
        number = self.draw(sum(weight for weight, _ in table))
        for weight, entry in table:
            number -= weight
            if number < 0:
                return entry
        raise AssertionError("a draw is smaller than its bound")
