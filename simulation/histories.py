"""Histories as files: what a failing seed drew, made as short as it fails, and told in words."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from simulation.choices import Choices
from simulation.ground import Ground
from simulation.subjects import about, names
from simulation.world import Violation

__all__ = ["ENGINES", "History", "HistoryWrong", "as_test", "read_history", "shrink"]

ENGINES: Final = ("sqlite", "postgres")
TEST: Final = '''"""What must hold: {name}.

{words}
"""

from simulation.ground import Ground
from simulation.histories import History

DRAWS = """
{draws}
"""
HISTORY = History("{engine}", [int(draw) for draw in DRAWS.split()]{about})


def test_{function}():
    ground = Ground()
    with ground.governed():
        assert HISTORY.play(ground) is None
'''
MOST_DRAWS: Final = 100_000
MOST_ATTEMPTS: Final = 3000


class HistoryWrong(Exception):
    """A file holds no history; the text says what was expected."""


class History(NamedTuple):
    """What replays exactly.

    Attributes:
        engine: ``sqlite`` or ``postgres``.
        draws: what happens.
        about: the subject, of `subjects`, that it is held to, or "" where it is drawn.
    """

    engine: str
    draws: list[int]
    about: str = ""

    def play(self, ground: Ground, told: list[str] | None = None) -> Violation | None:
        """Let it happen again, within `Ground.governed`."""
        with about(self.about):
            return ground.history(self.engine, Choices(given=self.draws), told)[0]

    def write(self, path: Path) -> None:
        """Write it into a file."""
        held = {"about": self.about} if self.about else {}
        path.write_text(json.dumps({"engine": self.engine, **held, "draws": self.draws}) + "\n")


def as_test(history: History, name: str, told: Sequence[str]) -> str:
    """Write a history out as a test file of its own.

    Args:
        history: which.
        name: of the invariant that it breaks, and must not.
        told: what happens, in words.
    """
    words = "\n".join(line[:100].rstrip() for line in told)
    return TEST.format(
        name=name,
        words=words.replace("\\", "/").replace('"', "'"),
        function=re.sub("[^a-z]+", "_", name.lower()).strip("_"),
        engine=history.engine,
        draws=textwrap.fill(" ".join(map(str, history.draws)), 100),
        about=f', "{history.about}"' if history.about else "",
    )


def read_history(path: Path) -> History:
    """Read a history's file.

    Raises:
        HistoryWrong: if it is none.
    """
    try:
        content: Any = json.loads(path.read_bytes()[: 8 * MOST_DRAWS])
    except OSError as error:
        raise HistoryWrong(f"can't read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise HistoryWrong(f"{path} holds no history: it is no JSON") from None
    engine = content.get("engine") if isinstance(content, dict) else None
    draws = content.get("draws") if isinstance(content, dict) else None
    subject = content.get("about", "") if isinstance(content, dict) else None
    if (
        engine not in ENGINES
        or subject not in ("", *names())
        or not isinstance(draws, list)
        or not all(type(draw) is int and draw >= 0 for draw in draws)
    ):
        raise HistoryWrong(
            f'{path} holds no history: it has "engine", sqlite or postgres, and "draws", a list of '
            "whole numbers"
        )
    return History(engine, draws, subject)


def shrink(play: Callable[[History], Violation | None], history: History, name: str) -> History:
    """Make a history as short and quiet as it still breaks the same invariant.

    Args:
        play: lets a history happen, and gives what did not hold.
        history: which.
        name: of the invariant.
    """
    attempts = 0

    def still_breaks(draws: Sequence[int]) -> bool:
        nonlocal attempts
        attempts += 1
        if attempts > MOST_ATTEMPTS:
            return False
        found = play(history._replace(draws=list(draws)))
        return found is not None and found.name == name

    draws = list(history.draws)
    before: list[int] = []
    while draws != before:
        before = draws
        draws = _without_stretches(draws, still_breaks)
        draws = _smaller(draws, still_breaks)
    return history._replace(draws=draws)


def _without_stretches(
    draws: list[int], still_breaks: Callable[[Sequence[int]], bool]
) -> list[int]:
    length = len(draws) // 2
    while length:
        start = 0
        while start < len(draws):
            shorter = draws[:start] + draws[start + length :]
            if still_breaks(shorter):
                draws = shorter
            else:
                start += length
        length //= 2
    return draws


def _smaller(draws: list[int], still_breaks: Callable[[Sequence[int]], bool]) -> list[int]:
    for place, number in enumerate(draws):
        if number:
            quieter = [*draws[:place], 0, *draws[place + 1 :]]
            if still_breaks(quieter):
                draws = quieter
    while draws and draws[-1] == 0:
        draws = draws[:-1]
    return draws
