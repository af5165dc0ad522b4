"""What every benchmark writes as JSON: where, when and of which commit, figures, rounds, tables.

The rounds are for ``benchmarks.compare``: by name, what was measured in each of them, in order, and
whether less of it is better. The tables are what it printed, in Markdown, for ``benchmarks.page``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["less_is_better", "markdown", "more_is_better", "surroundings", "write"]

HERE = Path(__file__).resolve().parent
# Before the benchmark brings a load of its own.
LOAD = os.getloadavg()[0]

Series = dict[str, Any]


def less_is_better(unit: str, values: Sequence[float]) -> Series:
    """Give what was measured in each round, of a cost such as microseconds."""
    return {"unit": unit, "better": "less", "values": list(values)}


def more_is_better(unit: str, values: Sequence[float]) -> Series:
    """Give what was measured in each round, of a yield such as requests a second."""
    return {"unit": unit, "better": "more", "values": list(values)}


def surroundings() -> dict[str, Any]:
    """Say on what, when, and of which commit something is measured."""
    found = re.search(r"model name\s*:\s*(.*)", _text(Path("/proc/cpuinfo")))
    return {
        "machine": found[1] if found else platform.machine(),
        "cores": os.cpu_count(),
        "load": round(LOAD, 2),
        "python": platform.python_version(),
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def write(
    path: Path | str | None,
    benchmark: str,
    figures: Mapping[str, Any],
    rounds: Mapping[str, Series] | None = None,
    tables: Mapping[str, str] | None = None,
) -> None:
    """Write a run's record, where a file for it is given."""
    if path is None:
        return
    record = {
        **surroundings(),
        "benchmark": benchmark,
        "rounds": rounds or {},
        "figures": figures,
        "tables": tables or {},
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Lay out a table: its head, and its lines, whose cells but the first are figures."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    head, *rest = lines
    return "\n".join(
        "| " + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) + " |"
        for line in (head, rule, *rest)
    )


def _commit() -> str:
    """Name the commit that is checked out, with a plus where files differ from it."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        return name + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(HERE), *arguments]
    return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True).strip()


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
