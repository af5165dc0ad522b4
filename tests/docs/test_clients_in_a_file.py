"""docs/how-to/clients-in-a-file.md: its commands are run, and answer as the page says."""

from __future__ import annotations

import os
import pty
import re
import shutil
import sys
from pathlib import Path

import pytest
from tests import processes

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "clients-in-a-file.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TOOLS = ("bash", "openssl", "sha256sum")


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="a tool of the page is missing")
def test_the_page_from_its_beginning_to_its_end(tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(command):
        ours, theirs = pty.openpty()
        os.write(ours, b"y\n")
        done = processes.run(
            ["bash", "-uc", command],
            cwd=tmp_path,
            stdin=theirs,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
        )
        os.close(ours)
        os.close(theirs)
        # What was written is said.
        assert done.stderr in ("", "wrote exported.toml\n")
        return done.returncode, done.stdout.replace("[y/N]: ", "[y/N]: y\n")

    for language, text in BLOCKS:
        if language == "toml":
            (tmp_path / "clients.toml").write_text(text, "utf-8")
        for command, told in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            status = 1 if command.endswith("--check") else 0
            assert run(command) == (status, told), command
        if language == "sh":
            for command in text.splitlines():
                status, told = run(command)
                assert status == 0, command
                if command.endswith("--prune"):
                    assert told == "Everything matches the file.\n"

    status, told = run("carnet apply clients.toml --yes")
    assert status == 0
    assert "secret: " in told
    assert "until 2100-01-31T00:00:00+00:00" in told
    assert run("carnet apply clients.toml") == (
        0,
        "Everything matches the file.\n"
        "Not in the file, and left as it is without --prune: client phone, resource orders\n",
    )
