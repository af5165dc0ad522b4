"""Help and manual pages: complete, and with examples that the command line understands."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil

import click
import pytest
from tests import processes

from carnet.cli.commands import root
from carnet.cli.manual import commands, write_pages

ALL = {" ".join(path): command for path, command in commands(root)}


def examples():
    for name, command in ALL.items():
        text = (command.help or "").replace("\\\n", " ")
        for line in text.splitlines():
            for part in re.split(r"\s[|]\s|\s&&\s", line.strip()):
                if part.startswith("carnet ") and "Examples" in text:
                    yield pytest.param(re.split(r"\s[<>]\s", part)[0], id=f"{name}: {part[:60]}")


@pytest.mark.parametrize("line", list(examples()))
def test_every_example_is_understood(line):
    words = shlex.split(line)[1:]
    context = click.Context(root, info_name="carnet")
    command = root
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]
        context = click.Context(command, parent=context, info_name=words[0] if words else "")
    known = {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    # What follows two dashes is another program's.
    for word in itertools.takewhile(lambda word: word != "--", words):
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known, f"{command.name} has no {word}"


def test_every_command_says_what_it_does_and_every_option_what_it_is():
    for name, command in ALL.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or parameter.type.name == "choice", (name, parameter.name)


def test_manual_pages_are_written_and_troff_takes_them(tmp_path):
    pages = write_pages(tmp_path)
    assert len(pages) == len(ALL) > 30
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("there is no groff to read the pages with: apt-get install groff-base")
    for page in pages:
        done = processes.run(
            [groff, "-K", "utf8", "-man", "-Tutf8", "-ww", "-z", page],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, ""), page.name
