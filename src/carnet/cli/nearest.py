"""What somebody may have meant who wrote a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

__all__ = ["algorithm_refused", "did_you_mean", "file_like"]


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Give the end of an error that names the nearest, or "" where nothing is near."""
    names = {name.casefold(): name for name in known}
    near = get_close_matches(given.casefold(), names, 1)
    return f"; did you mean {names[near[0]]}?" if near else ""


def algorithm_refused(given: str, known: Iterable[str], what: str = "algorithm") -> str:
    """Give the error for a name of an algorithm that there is not."""
    names = list(known)
    # A whole list where a letter is wrong only hides which.
    near = did_you_mean(given, names) or f": it is one of {', '.join(names)}"
    return f"there is no {what} {given[:40]!r}{near}"


def file_like(path: str) -> str:
    """Give the end of an error for a file that is not there: one beside it of nearly its name."""
    given = Path(path)
    try:
        names = [one.name for one in given.parent.iterdir() if one.is_file()]
    except (OSError, ValueError):
        return ""
    near = get_close_matches(given.name, names, 1)
    return f"; did you mean {given.with_name(near[0])}?" if near else ""
