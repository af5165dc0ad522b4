"""Draws ``architecture.svg`` from the layers that import-linter holds.

Run ``python docs/pictures/architecture.py`` after a change of the layers.
"""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH, ROW, GAP, PAD = 760, 26, 6, 14
SERVER_X, SERVER_W = 330, 416
SIDE_BY_SIDE = 4

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1d2a44; }
.code { font: 12px ui-monospace, SFMono-Regular, Menlo, monospace; }
.name { font-weight: 600; font-size: 13px; }
.quiet { fill: #5b6780; font-size: 11px; }
rect { fill: #fbfaf6; stroke: #b9c0cf; }
.room { fill: #ffffff; }
.line { stroke: #1d4ed8; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9f2; } .quiet { fill: #9aa5bd; }
  rect { fill: #131c31; stroke: #3a4763; } .room { fill: #1a2540; } .line { stroke: #8fb0ff; }
}
"""


def layers(root: Path, container: str) -> list[list[str]]:
    """Give the rooms of a package from top to bottom, those side by side together."""
    document = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    contracts = document["tool"]["importlinter"]["contracts"]
    [found] = [one for one in contracts if one.get("containers") == [container]]
    layers = (layer.replace(":", "|").split("|") for layer in found["layers"])
    return [[name.strip() for name in layer] for layer in layers]


def draw(root: Path) -> str:
    """Draw the picture."""
    # So many names are still legible beside each other.
    rooms = [
        layer[start : start + SIDE_BY_SIDE]
        for layer in layers(root, "carnet.server")
        for start in range(0, len(layer), SIDE_BY_SIDE)
    ]
    shapes: list[str] = []

    def box(x: int, y: int, width: int, height: int, kind: str = "") -> None:
        shapes.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>'
        )

    def text(x: int, y: int, words: str, kind: str = "", anchor: str = "start") -> None:
        shapes.append(
            f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def package(x: int, y: int, width: int, height: int, name: str, words: str) -> None:
        box(x, y, width, height)
        text(x + PAD, y + 22, name, "code name")
        text(x + PAD, y + 39, words, "quiet")

    package(PAD, PAD, WIDTH - 2 * PAD, 52, "carnet.cli", "the command line, on top of everything")
    top = PAD + 52 + 2 * GAP
    inner = 50 + len(rooms) * (ROW + GAP) + PAD
    package(
        SERVER_X, top, SERVER_W, inner, "carnet.server", "alone holds private keys and accounts"
    )
    y = top + 50
    for row in rooms:
        width = (SERVER_W - 2 * PAD - GAP * (len(row) - 1)) // len(row)
        for place, name in enumerate(row):
            x = SERVER_X + PAD + place * (width + GAP)
            box(x, y, width, ROW, "room")
            text(x + width // 2, y + 17, name, "code", "middle")
        y += ROW + GAP
    side = SERVER_X - 2 * PAD - 60
    package(PAD, top, side, inner, "carnet.verifier", "holds public keys only")
    y = top + 50
    for name, words in (
        ("adapters", "a file for each framework"),
        ("cookie_mode", "a browser's tokens kept"),
        ("gate", "asked by a reverse proxy"),
        ("bearer", "headers, challenges, 401 and 403"),
        ("access_token", "the check of a token"),
        ("trusted_issuer", "one issuer's keys and rules"),
        ("follower", "revocations followed"),
    ):
        box(PAD * 2, y, side - 2 * PAD, 2 * ROW - 6, "room")
        text(PAD * 2 + 10, y + 18, name, "code")
        text(PAD * 2 + 10, y + 35, words, "quiet")
        y += 2 * ROW - 6 + GAP
    middle = top + inner // 2
    left, right = PAD + side, SERVER_X
    for offset, words in ((-14, "keys"), (14, "revocations")):
        shapes.append(
            f'<path class="line" d="M{right - 3} {middle + offset}H{left + 9}m6 -4l-6 4 6 4"/>'
        )
        text((left + right) // 2, middle + offset - 5, words, "quiet", "middle")
    text((left + right) // 2, middle + 34, "over HTTP", "quiet", "middle")
    y = top + inner + 2 * GAP
    for name, words in (
        ("carnet.jwt", "claims, Signer, Verifier, key_source: the clock is passed in"),
        ("carnet.jose", "signing, encryption, keys: bytes in, bytes out; no clock, no I/O"),
        ("carnet.errors", "one tree of errors, each with a stable code"),
    ):
        package(PAD, y, WIDTH - 2 * PAD, 48, name, words)
        y += 48 + GAP
    title = "Carnet's packages: each uses only what is below it"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + PAD - GAP}" '
        f'role="img" aria-label="{title}">\n<title>{title}</title>\n<style>{STYLE}</style>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    (HERE / "architecture.svg").write_text(draw(HERE.parent.parent), "utf-8")
