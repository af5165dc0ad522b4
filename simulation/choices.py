"""What happens in a history: numbers that a seed gives, or that are given to replay it.

Everything that could be otherwise is one draw. 0 is always the quietest: the oldest piece of work
goes on, no fault, nothing new begins. So a history is shrunk by leaving draws out and making them
smaller, whatever they mean, and one that is cut off runs quietly to its end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Of each table that was drawn from, every entry as often as its weight says.
_spread: Final[dict[int, tuple[Sequence[Any], list[Any]]]] = {}


def _drawing(seed: int | None, made: list[int]) -> Callable[[int], int]:
    fraction, append = random.Random(seed).random, made.append

    def draw(bound: int) -> int:
        number = int(fraction() * bound)
        append(number)
        return number

    return draw


def _replaying(given: Sequence[int], made: list[int]) -> Callable[[int], int]:
    numbers = iter(given)

    def draw(bound: int) -> int:
        number = next(numbers, 0) % bound
        made.append(number)
        return number

    return draw


def spread(table: Sequence[tuple[int, T]]) -> list[T]:
    """Give each entry of a table, which nobody changes, as often as its weight says."""
    known = _spread.get(id(table))
    if known is None or known[0] is not table:
        # Kept with its table, so that no other one has its id.
        entries = [entry for weight, entry in table for _ in range(weight)]
        known = _spread[id(table)] = table, entries
    return known[1]


class Choices:
    """The draws of one history.

    Args:
        seed: of a new history.
        given: the draws of an old one, instead; 0 follows after them.

    Attributes:
        made: the draws so far.
        draw: gives a number from 0 to the one before that which it is asked with.
    """

    def __init__(self, seed: int | None = None, given: Sequence[int] | None = None) -> None:
        self.made: list[int] = []
        self.draw = _drawing(seed, self.made) if given is None else _replaying(given, self.made)

    def one_of(self, several: Sequence[T]) -> T:
        """Give one of several; the first is the quietest."""
        return several[self.draw(len(several))]

    def weighted(self, table: Sequence[tuple[int, T]]) -> T:
        """Give an entry of a table, each as often as its weight says; the first is the quietest."""
        entries = spread(table)
        return entries[self.draw(len(entries))]
