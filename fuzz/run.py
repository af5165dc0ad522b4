"""Fuzz one target with atheris: ``python -m fuzz.run TARGET [libFuzzer options]``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["carnet"]):
    from fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer stops, beginning with the target's seeds."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz.run TARGET [options], TARGET one of {', '.join(TARGETS)}")
    target = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory(prefix="carnet-fuzz-") as folder:
        for number, seed in enumerate(target.seeds()):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], folder], lambda data: target.run(data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
