"""Put the figures of a run into docs/speed.md: ``python -m benchmarks.page FOLDER``.

FOLDER is what ``make bench RESULTS=FOLDER`` and ``make serverbench RESULTS=FOLDER`` have written
into. In the page, what stands between ``<!-- figures of FILE: TABLE -->`` and ``<!-- end -->`` is a
table of a benchmark; ``<!-- run of FILE -->`` is followed by the machine and the date, and
``<!-- aims -->`` by the aims with what came out. What a folder lacks stays in the page as it is,
and is named.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.aims import AIMS, Aim

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
BLOCK = re.compile(
    r"(?P<open><!-- (?P<what>figures of|run of|aims)(?: (?P<name>[^>]+?))? -->\n).*?"
    r"(?P<close><!-- end -->)",
    re.DOTALL,
)

Records = Mapping[str, Mapping[str, Any]]


class Missing(Exception):
    """A folder lacks what a block of the page is made of."""


def read(folder: Path) -> Records:
    """Give the records of a folder by the names of their benchmarks."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}


def table(records: Records, name: str) -> str:
    """Give a table that a benchmark has printed."""
    file, _, which = name.partition(": ")
    if which not in _record(records, file).get("tables", {}):
        raise Missing
    return str(records[file]["tables"][which])


def run(records: Records, name: str) -> str:
    """Say when and on what a benchmark has run."""
    found = _record(records, name)
    day = date.fromisoformat(found["date"][:10])
    return (
        f"Measured on {day.day} {day:%B %Y}: {found['machine']}, {found['cores']} cores, "
        f"Python {found['python']}, commit `{found['commit']}`, load before it {found['load']:.1f}."
    )


def aims(records: Records) -> str:
    """Lay out the aims, with what came out."""
    lines = [[aim.what, aim.words, *_verdict(aim, records)] for aim in AIMS]
    return record.markdown([["what", "aim", "measured", ""], *lines])


def _verdict(aim: Aim, records: Records) -> tuple[str, str]:
    value = aim.measure(_record(records, aim.file)["figures"])
    return aim.form(value), "met" if aim.is_met(value) else "**missed**"


def _record(records: Records, name: str) -> Mapping[str, Any]:
    if name not in records:
        raise Missing
    return records[name]


def filled(page: str, records: Records) -> tuple[str, list[str]]:
    """Give the page with the figures, and name the blocks that stay as they are."""
    left = []
    makers: Mapping[str, Callable[[str], str]] = {
        "figures of": lambda name: table(records, name),
        "run of": lambda name: run(records, name),
        "aims": lambda _name: aims(records),
    }

    def fill(block: re.Match[str]) -> str:
        try:
            made = makers[block["what"]](block["name"] or "")
        except Missing:
            left.append(f"{block['what']} {block['name'] or ''}".strip())
            return block[0]
        return f"{block['open']}{made}\n{block['close']}"

    return BLOCK.sub(fill, page), left


def main(arguments: list[str]) -> None:
    """Fill the page."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        raise SystemExit("name the folder that the benchmarks have written into")
    page, left = filled(PAGE.read_text("utf-8"), read(Path(arguments[0])))
    PAGE.write_text(page, "utf-8")
    if left:
        print(f"as they were, for the folder has no figures of them: {'; '.join(left)}")


if __name__ == "__main__":
    main(sys.argv[1:])
