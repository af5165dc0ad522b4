"""The man pages, written from the commands themselves: ``python -m carnet.cli.manual FOLDER``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from carnet import __version__
from carnet.cli.commands import root

__all__ = ["page", "pages"]


def pages() -> Iterator[tuple[str, str]]:
    """Give each man page's file name with its text, one for every command."""
    for context in _contexts(click.Context(root, info_name="carnet")):
        yield f"{context.command_path.replace(' ', '-')}.1", page(context)


def page(context: click.Context) -> str:
    """Write one command's man page.

    Args:
        context: the command, with the path of names that leads to it.
    """
    command = context.command
    name = context.command_path.replace(" ", "-")
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH "{_text(name.upper())}" 1 "" "carnet {__version__}" "Carnet"',
        ".SH NAME",
        rf"{_text(name)} \- {_text(command.get_short_help_str(200))}",
        ".SH SYNOPSIS",
        rf"\fB{_text(context.command_path)}\fR {_text(usage)}",
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
        ".SH OPTIONS",
    ]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            lines += [".TP", rf"\fB{_text(record[0])}\fR", _text(record[1])]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for child in _children(context):
            told = child.command.get_short_help_str(200)
            lines += [".TP", rf"\fB{_text(child.command_path)}\fR", _text(told)]
    return "\n".join(lines) + "\n"


def _contexts(context: click.Context) -> Iterator[click.Context]:
    yield context
    for child in _children(context):
        yield from _contexts(child)


def _children(context: click.Context) -> Iterator[click.Context]:
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield click.Context(command, info_name=name, parent=context)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        yield ".PP"
        # Click's mark of a paragraph whose lines stay as they are.
        kept = paragraph.startswith("\b")
        lines = [_text(line) for line in paragraph.lstrip("\b\n").splitlines()]
        yield from [".nf", *lines, ".fi"] if kept else lines


def _text(text: str) -> str:
    """Keep roff from reading a text as its own language."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/man")
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in pages():
        (folder / file).write_text(content, encoding="utf-8")
