"""Lists, for people: rows in columns under their headings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from carnet.cli import ink

__all__ = ["show_table"]


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows under headings; nothing where there is no row.

    Args:
        headings: of the columns.
        rows: their cells; empty ones at the end are left out.
    """
    found = [list(row) for row in rows]
    if not found:
        return
    widths = [max(map(len, column)) for column in zip(headings, *found, strict=True)]
    click.echo(ink.strong(_line([one.upper() for one in headings], widths)))
    for row in found:
        click.echo(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
