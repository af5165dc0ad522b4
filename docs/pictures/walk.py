"""Draws ``walk.svg`` from a real run of ``carnet demo``: four of its steps, in a terminal.

Run ``python docs/pictures/walk.py`` after a change of the walk or of the terminal's colours.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS = (
    *("Sign in", "Call orders", "Send it to billing"),
    "Use the access token of the ended session",
)
COLUMNS, CHARACTER, LINE, PAD = 92, 7.83, 19, 18
LONGEST = COLUMNS - 3

STYLE = """
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1d2a44;
  white-space: pre; }
rect { fill: #fbfaf6; stroke: #b9c0cf; }
.b { font-weight: 700; } .d { fill: #6b7690; }
.c33 { fill: #1d4ed8; } .c172 { fill: #a85b00; } .c133 { fill: #8a2f96; }
.c36 { fill: #0f7a6c; } .c166 { fill: #b3400a; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9f2; } rect { fill: #131c31; stroke: #3a4763; } .d { fill: #9aa5bd; }
  .c33 { fill: #8fb0ff; } .c172 { fill: #f0b060; } .c133 { fill: #dc9be6; }
  .c36 { fill: #5fd3c0; } .c166 { fill: #ff9a6b; }
}
"""


def record() -> str:
    """Run the demo in a terminal of its own, and give what it wrote there."""
    said = bytearray()
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "carnet", "demo", "--exit", "--data", f"{folder}/data"],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=environment,
        )
        os.close(theirs)
        with suppress(OSError):  # so Linux tells the end of a terminal
            while part := os.read(ours, 65536):
                said.extend(part)
        if process.wait():
            raise SystemExit(f"the demo ended with {process.returncode}")
    return said.decode()


def chosen(said: str) -> list[str]:
    """Give the lines of the steps that are shown, with their colours."""
    heading = re.compile(r"^\x1b\[1m\x1b\[22m *\d+ (.+)\x1b\[0m$")
    lines = ["$ make demo", ""]
    shown = False
    for written in said.replace("\r\n", "\n").split("\n"):
        # A countdown is written over itself.
        line = written.rpartition("\r")[2].rstrip()
        found = heading.match(line)
        if found:
            shown = found[1] in STEPS
        if "DONE" in line:
            shown = True
        if shown:
            lines.append(line)
    while not lines[-1]:
        lines.pop()
    return lines


def spans(line: str) -> str:
    """Give a line as SVG, its colours as classes."""
    made, classes, left = "", set(), LONGEST
    for text, code in re.findall(r"([^\x1b]+)|\x1b\[([\d;]*)m", line):
        if text:
            shown = text if len(text) <= left else f"{text[: max(0, left - 1)]}…"
            left -= len(shown)
            name = " ".join(sorted(classes))
            made += f'<tspan class="{name}">{escape(shown)}</tspan>' if name else escape(shown)
            if left <= 0:
                break
        elif code in ("0", ""):
            classes = set()
        elif code in ("1", "2"):
            classes.add({"1": "b", "2": "d"}[code])
        elif code.startswith("38;5;"):
            classes.add(f"c{code[5:]}")
    return made


def draw(lines: list[str]) -> str:
    """Draw the terminal."""
    width, height = round(COLUMNS * CHARACTER + 2 * PAD), len(lines) * LINE + 2 * PAD
    rows = (
        f'<text x="{PAD}" y="{PAD + 14 + LINE * number}">{spans(line)}</text>'
        for number, line in enumerate(lines)
        if line
    )
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<title>A walk through a token's life: it is accepted by the service that it is for, "
            "refused by another one, and refused as soon as its session has ended</title>",
            f"<style>{STYLE}</style>",
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
            *rows,
            "</svg>\n",
        )
    )


if __name__ == "__main__":
    (HERE / "walk.svg").write_text(draw(chosen(record())), "utf-8")
