"""Draws ``speed-*.svg`` from what the benchmarks have written.

Run ``python docs/pictures/speed.py FOLDER`` after ``make bench RESULTS=FOLDER`` and ``make
serverbench RESULTS=FOLDER``; a picture whose figures are missing there stays as it is, and is
named.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
WIDTH, PAD, BAR, GAP, NAMES = 760, 16, 17, 5, 190
PLOT = WIDTH - NAMES - PAD - 90
HEIGHT = 260

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1d2a44; }
.name { font-weight: 600; font-size: 13px; }
.quiet { fill: #5b6780; font-size: 11px; }
.ground { fill: #fbfaf6; stroke: #b9c0cf; }
.rule { stroke: #d9dde6; }
.own { fill: #1d4ed8; } .other { fill: #b9c0cf; } .least { fill: #1d2a44; }
.line { fill: none; stroke-width: 2; }
.line.own { stroke: #1d4ed8; fill: none; } .line.least { stroke: #1d2a44; fill: none; }
.line.least { stroke-dasharray: 4 4; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9f2; } .quiet { fill: #9aa5bd; }
  .ground { fill: #131c31; stroke: #3a4763; } .rule { stroke: #2a3653; }
  .own { fill: #8fb0ff; } .other { fill: #4a587a; } .least { fill: #e6e9f2; }
  .line.own { stroke: #8fb0ff; } .line.least { stroke: #e6e9f2; }
}
"""

ALGORITHMS = ("HS256", "RS256", "ES256", "Ed25519")
LOADS = ("client credentials", "refresh", "introspection")
REFRESHES = re.compile(r"refresh, Carnet, (\w+)(?:, ([\d,]+) sessions more)?: processor")
SERVERS = (
    "floor, SQLite",
    "Carnet, SQLite",
    "floor, PostgreSQL",
    "Carnet, PostgreSQL",
    "oidc-provider, PostgreSQL",
    "Ory Hydra, PostgreSQL",
    "Dex, PostgreSQL, RS256",
)


KEYS = "Ed25519, keys"


class Bar(NamedTuple):
    """A bar: whose it is, how long, and what stands behind it."""

    name: str
    value: float
    words: str

    @property
    def kind(self) -> str:
        """How it is drawn."""
        if self.name.startswith(("floor", "bare")):
            return "least"
        return "own" if self.name.lower().startswith("carnet") else "other"


def framed(title: str, height: int, shapes: Sequence[str], when: str) -> str:
    """Put a picture together."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<rect class="ground" x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="4"/>\n'
        + "\n".join((text(PAD, 26, title, "name"), *shapes))
        + "\n"
        + text(WIDTH - PAD, height - 10, when, "quiet", "end")
        + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Write some words."""
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def bars(title: str, groups: Mapping[str, Sequence[Bar]], when: str, *, log: bool = False) -> str:
    """Draw groups of bars from the left."""
    longest = max(bar.value for group in groups.values() for bar in group)

    def length(value: float) -> float:
        share = log10(max(value, 1)) / log10(longest) if log else value / longest
        return max(2.0, share * PLOT)

    shapes, y = [], 40
    for name, group in groups.items():
        shapes.append(text(PAD, y + 14, name, "name"))
        y += 22
        for bar in group:
            x, width = NAMES, length(bar.value)
            shapes.append(text(NAMES - 8, y + 13, bar.name, "", "end"))
            shapes.append(
                f'<rect class="{bar.kind}" x="{x}" y="{y}" width="{width:.1f}" height="{BAR}" '
                'rx="2"/>'
            )
            shapes.append(text(x + width + 6, y + 13, bar.words, "quiet"))
            y += BAR + GAP
        y += 6
    return framed(title, y + 24, shapes, when)


def lines(
    title: str,
    across: str,
    up: str,
    found: Mapping[str, tuple[str, Sequence[tuple[float, float]]]],
    when: str,
) -> str:
    """Draw lines, both scales by powers of ten."""
    points = [point for _, line in found.values() for point in line]
    low_x, high_x = (log10(f(x for x, _ in points)) for f in (min, max))
    low_y = floor(log10(min(y for _, y in points)))
    high_y = ceil(log10(max(y for _, y in points)))
    left, top, right, bottom = 70, 44, WIDTH - 150, HEIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (log10(x) - low_x) / (high_x - low_x) * (right - left),
            bottom - (log10(y) - low_y) / (high_y - low_y) * (bottom - top),
        )

    shapes = []
    for power in range(low_y, high_y + 1):
        _, y = place(10**low_x, 10**power)
        shapes.append(f'<path class="rule" d="M{left} {y:.0f}H{right}"/>')
        shapes.append(text(left - 8, y + 4, f"{10**power:g}", "quiet", "end"))
    shapes += [
        text(place(x, 10**low_y)[0], bottom + 16, f"{x:,.0f}", "quiet", "middle")
        for x in sorted({x for x, _ in points})
    ]
    shapes.append(text((left + right) / 2, bottom + 34, across, "quiet", "middle"))
    shapes.append(text(left, top - 6, up, "quiet"))
    for name, (kind, line) in found.items():
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in line))
        shapes.append(f'<path class="line {kind}" d="M{path}"/>')
        _, y = place(*line[-1])
        shapes.append(text(right + 8, y + 4, name))
    return framed(title, bottom + 58, shapes, when)


def verifying(record: Mapping[str, Any], when: str) -> str:
    """Draw the packages beside the bare operation."""
    groups: dict[str, list[Bar]] = {}
    for alg in ALGORITHMS:
        rows = {row["peer"]: row for row in record["figures"]["signatures"] if row["alg"] == alg}
        bare = rows.pop("bare operation")["verify"]
        groups[alg] = [Bar("bare operation", 1, f"{bare:.1f} µs")] + [
            Bar(name, row["verify"] / bare, f"{row['verify'] / bare:.2f} x")
            for name, row in rows.items()
            if not row["state"] and name != "carnet, cached"
        ]
    title = "Verifying a token, as a multiple of the bare operation (logarithmic)"
    return bars(title, groups, when, log=True)


def serving(record: Mapping[str, Any], when: str) -> str:
    """Draw the servers beside the floor; nothing where one of Carnet's is missing."""
    groups = {}
    for load in LOADS:
        rounds = {
            server: record["rounds"].get(f"{load}, {server}: processor") for server in SERVERS
        }
        if not all(rounds[server] for server in SERVERS[:4]):
            return ""
        # Not every peer can do everything.
        found = {server: median(one["values"]) * 1000 for server, one in rounds.items() if one}
        groups[load] = [Bar(name, value, f"{value:.0f} µs") for name, value in found.items()]
    return bars("The processor's time for a request", groups, when)


def sizes(record: Mapping[str, Any], when: str) -> str:
    """Draw what more claims cost."""
    found = {}
    for alg in ("ES256", "HS256"):
        of = record["figures"][f"{alg}, claims"]
        for who, kind in (("carnet", "own"), ("bare", "least")):
            line = [(float(size), one[who]) for size, one in of.items()]
            name = f"{alg}, Carnet" if who == "carnet" else f"{alg}, bare"
            found[name] = (kind, line)
    return lines("Verifying a token with many claims", "claims", "µs", found, when)


def keys(record: Mapping[str, Any], when: str) -> str:
    """Draw what more keys in a set cost."""
    found = {
        name: (kind, [(float(size), one[key]) for size, one in record["figures"][KEYS].items()])
        for name, key, kind in (
            ("a key's first token, µs", "first µs", "own"),
            ("its further ones, µs", "µs", "own"),
            ("making the set, ms", "make ms", "least"),
        )
    }
    return lines("Verifying with Ed25519 and more keys in the set", "keys", "µs, ms", found, when)


def crowds(record: Mapping[str, Any], when: str) -> str:
    """Draw what a refresh costs with more sessions in the table; nothing where that is missing."""
    groups: dict[str, list[Bar]] = {}
    for load, one in record["rounds"].items():
        found = REFRESHES.fullmatch(load)
        if found:
            value = median(one["values"]) * 1000
            name = f"Carnet, {found[2]} more" if found[2] else "Carnet, hardly any"
            groups.setdefault(found[1], []).append(Bar(name, value, f"{value:.0f} µs"))
    if all(len(group) < 2 for group in groups.values()):
        return ""
    return bars("The processor's time for a refresh, with more sessions in the table", groups, when)


def streams(record: Mapping[str, Any], when: str) -> str:
    """Draw how soon readers know, and what they cost; nothing where there is only one number."""
    figures = {int(count): row for count, row in record["figures"].items()}
    if len(figures) < 2 or any("p99 ms" not in row for row in figures.values()):
        return ""
    found = {
        f"{name}, {unit}": (kind, [(count, row[key]) for count, row in sorted(figures.items())])
        for name, unit, key, kind in (
            ("p99", "ms", "p99 ms", "own"),
            ("p50", "ms", "p50 ms", "own"),
            ("memory", "MB", "MB", "least"),
        )
    }
    title = "Revocation streams on one worker: from the answer to the event, and memory"
    return lines(title, "streams", "ms, MB", found, when)


PICTURES: Mapping[str, tuple[str, Callable[[Mapping[str, Any], str], str]]] = {
    "speed-verify.svg": ("library.json", verifying),
    "speed-server.svg": ("sessions.json", serving),
    "speed-size.svg": ("sizes.json", sizes),
    "speed-keys.svg": ("sizes.json", keys),
    "speed-sessions.svg": ("sessions.json", crowds),
    "speed-streams.svg": ("streams.json", streams),
}


def main(folder: Path) -> None:
    """Draw every picture whose figures are there."""
    for name, (source, draw) in PICTURES.items():
        path, picture = folder / source, ""
        if path.exists():
            record = json.loads(path.read_text("utf-8"))
            when = f"{record['machine']}, {record['cores']} cores, {record['date'][:10]}"
            picture = draw(record, when)
        if picture:
            (HERE / name).write_text(picture, "utf-8")
        else:
            sys.stderr.write(f"{name} stays as it is: {path} has no figures for it\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("name the folder that the benchmarks have written into")
    main(Path(sys.argv[1]))
