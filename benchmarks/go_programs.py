"""Peers that are written in Go, built once from the Go module proxy into ``build/peers``.

The versions are exact, and Go checks each module against its database of checksums. What can't be
built is told in one line and left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import NamedTuple

from carnet import child_processes

__all__ = ["PROGRAMS", "built"]

FOLDER = Path(__file__).resolve().parent.parent / "build" / "peers"
# Where Go's own archive is unpacked, which puts nothing on the PATH.
USUAL_PLACE = "/usr/local/go/bin"
# How many packages a line of progress stands for.
STEP = 200


class Program(NamedTuple):
    """A program, and the module that it is built from.

    Attributes:
        package: what is built.
        version: the program's own, for people.
        module: what else its ``go.mod`` says, beside the name of the module.
    """

    package: str
    version: str
    module: str


PROGRAMS = {
    "hydra": Program(
        "github.com/ory/hydra/v2",
        "2.3.0",
        # Its own go.mod says so too, which counts only where it is the main one.
        "require github.com/ory/hydra/v2 v2.3.0\n"
        "replace github.com/gobuffalo/pop/v6 => "
        "github.com/ory/pop/v6 v6.2.1-0.20241121111754-e5dfc0f3344b\n",
    ),
    "dex": Program(
        "github.com/dexidp/dex/cmd/dex",
        "2.41.1",
        # Its tags are none that a module may have.
        "require (\n"
        "\tgithub.com/dexidp/dex v0.0.0-20240807174518-43956db7fd75\n"
        "\tgithub.com/dexidp/dex/api/v2 v2.2.0\n"
        ")\n",
    ),
    "oauth2-proxy": Program(
        "github.com/oauth2-proxy/oauth2-proxy/v7",
        "7.15.6",
        "require github.com/oauth2-proxy/oauth2-proxy/v7 v7.15.6\n",
    ),
}


def built(name: str) -> Path | None:
    """Give the path of a program, built where it is not yet; None, and a word, where it can't be.

    Args:
        name: the program's, in ``PROGRAMS``.
    """
    program = PROGRAMS[name]
    folder = FOLDER / f"{name}-{program.version}"
    path = folder / name
    if path.exists():
        return path
    go = shutil.which("go") or shutil.which("go", path=USUAL_PLACE)
    if go is None:
        print(f"left out, as there is no go to build it with: {name}", file=sys.stderr)
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"module peer\n\ngo 1.26\n\n{program.module}")
    command = [go, "build", "-v", "-mod=mod", "-o", name, program.package]
    print(f"building {name} {program.version}, once, which takes minutes …", file=sys.stderr)
    failure = _run(command, folder)
    if failure:
        print(f"left out, as it could not be built: {name}: {failure}", file=sys.stderr)
        return None
    return path


def _run(command: list[str], folder: Path) -> str:
    """Run a build, and tell how far it is; give the last that it said, if it failed."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    process = child_processes.start(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    last: deque[str] = deque(maxlen=1)
    for number, line in enumerate(process.stderr or (), 1):
        last.append(line)
        if number % STEP == 0:
            print(f"  {number} modules and packages", file=sys.stderr)
    return "" if process.wait() == 0 else "".join(last).strip()[:300] or "go said nothing"
