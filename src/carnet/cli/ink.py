"""The colours of the terminal: three inks for a token's parts, two for the verdicts.

They are told apart by people who don't see red or green, and by everyone in a pipe, since each is
always beside a word.
"""

from __future__ import annotations

import os
import sys

import click

__all__ = ["accepted", "coloured", "faint", "header", "payload", "refused", "signature", "strong"]


def coloured() -> bool:
    """Tell whether the output is a terminal that wants colour (NO_COLOR is honoured)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _ink(
    text: str, colour: str | int | None = None, *, bold: bool = False, dim: bool = False
) -> str:
    return click.style(text, fg=colour, bold=bold, dim=dim) if coloured() else text


def header(text: str) -> str:
    """The ink of a token's header."""
    return _ink(text, 33)


def payload(text: str) -> str:
    """The ink of a token's payload."""
    return _ink(text, 172)


def signature(text: str) -> str:
    """The ink of a token's signature."""
    return _ink(text, 133)


def accepted(text: str) -> str:
    """The stamp for what is accepted."""
    return _ink(text, 36, bold=True)


def refused(text: str) -> str:
    """The stamp of what is turned away."""
    return _ink(text, 166, bold=True)


def strong(text: str) -> str:
    """A heading."""
    return _ink(text, bold=True)


def faint(text: str) -> str:
    """What may be skipped."""
    return _ink(text, dim=True)
