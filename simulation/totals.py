"""How many histories were run in all, over every run and day, and of which commit each."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

__all__ = ["Totals"]

FIGURES: Final = ("histories", "steps", "processor_seconds")


class Totals:
    """The file in which each run has an entry; this run's is the last one.

    Args:
        path: of the file; it need not be there yet.
        about: the subject of this run's histories, or "" for all.
        first: its first seed.
    """

    def __init__(self, path: Path, about: str, first: int) -> None:
        self._path = path
        self._runs = _read(path)
        self._run: dict[str, Any] = {
            "commit": _commit(),
            "about": about,
            "since": _now(),
            "first_seed": first,
        }

    def write(self, next_seed: int, histories: int, steps: int, seconds: float) -> None:
        """Write down what this run has done so far.

        Args:
            next_seed: the first seed that it has not done.
            histories: how many held.
            steps: those in them.
            seconds: of processor time.
        """
        if not histories:
            return
        self._run |= {
            "until": _now(),
            "next_seed": next_seed,
            "histories": histories,
            "steps": steps,
            "processor_seconds": round(seconds, 1),
        }
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps([*self._runs, self._run], indent=1) + "\n")
        new.replace(self._path)

    def report(self) -> str:
        """Say in a line what all runs together have done."""
        runs = [one for one in (*self._runs, self._run) if "histories" in one]
        if not runs:
            return "No history was run yet."
        histories, steps, seconds = (sum(one[name] for one in runs) for name in FIGURES)
        commits = len({one["commit"] for one in runs})
        return (
            f"In all runs since {min(one['since'] for one in runs)[:10]}: {histories:,} histories "
            f"with {steps:,} steps, in {seconds / 3600:.1f} hours of processor time, "
            f"of {commits} commit{'s' if commits > 1 else ''}."
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _commit() -> str:
    """Give the commit that is checked out, with a mark where files were changed since."""
    try:
        done = [
            subprocess.run(["git", *words], capture_output=True, text=True, check=True)
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "src", "simulation"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done[0].stdout.strip() + (" and changes" if done[1].stdout.strip() else "")


def _read(path: Path) -> list[dict[str, Any]]:
    """Read the entries of earlier runs; a file that holds none is kept under another name."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        found = None
    if isinstance(found, list) and all(map(_is_run, found)):
        return found
    path.replace(path.with_suffix(".unreadable"))
    print(f"{path} holds no totals; it is kept beside, and they begin anew.")
    return []


def _is_run(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(name), str) for name in ("commit", "since"))
        and all(type(entry.get(name)) in (int, float) for name in FIGURES)
    )
