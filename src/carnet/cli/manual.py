"""The manual pages, made of the commands' own help: ``python -m carnet.cli.manual FOLDER``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from carnet import __version__
from carnet.cli.commands import root

__all__ = ["commands", "page", "write_pages"]

STATUSES = (
    ("0", "done, accepted"),
    ("1", "the answer is no: a token refused, a walk that went wrong"),
    ("2", "wrong use, or a file, setting, key, port or database that can't be used"),
    ("70", "a bug in Carnet"),
    ("130", "interrupted"),
)


def commands(
    command: click.Command, path: tuple[str, ...] = ("carnet",)
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Give a command and all below it, each with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from commands(found, (*path, name))


def page(path: tuple[str, ...], command: click.Command) -> str:
    """Write the manual page of a command, in troff."""
    context = click.Context(command, info_name=" ".join(path))
    lines = [
        f'.TH "{"-".join(path).upper()}" "1" "" "Carnet {__version__}" "Carnet"',
        ".SH NAME",
        f"{'-'.join(path)} \\- {_text(command.get_short_help_str(200))}",
        ".SH SYNOPSIS",
        f".B {_text(' '.join(path))}",
        _text(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *_paragraphs(inspect.cleandoc(command.help or "")),
    ]
    options = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) is not None
    ]
    if options:
        lines.append(".SH OPTIONS")
    for names, help in options:
        lines += [".TP", f".B {_text(names)}", _text(help)]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                lines += [".TP", f".BR {'-'.join((*path, name))} (1)"]
                lines.append(_text(found.get_short_help_str(200)))
    lines.append(".SH EXIT STATUS")
    for status, meaning in STATUSES:
        lines += [".TP", f".B {status}", _text(meaning)]
    return "\n".join(lines) + "\n"


def write_pages(folder: Path) -> list[Path]:
    """Write all manual pages into a folder, and give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path, command in commands(root):
        file = folder / f"{'-'.join(path)}.1"
        file.write_text(page(path, command), "utf-8")
        written.append(file)
    return written


def _paragraphs(help: str) -> Iterator[str]:
    for part in help.split("\n\n"):
        as_it_is = part.startswith("\b")
        yield ".PP"
        if as_it_is:
            yield ".nf"
        yield from (_text(line) for line in part.removeprefix("\b\n").splitlines())
        if as_it_is:
            yield ".fi"


def _text(line: str) -> str:
    escaped = line.replace("\\", "\\e").replace("-", "\\-")
    # A line that begins with one of these would be a request.
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
