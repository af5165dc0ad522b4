"""Every fuzz target over its seeds, and for a few seconds each with atheris."""

import importlib.util
import os
import random
import sys
from pathlib import Path

import pytest
from fuzz.targets import TARGETS
from tests import processes

ROOT = Path(__file__).parents[2]
SECONDS = max(1, 60 // len(TARGETS))
MUTANTS = 200


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_accepts_some_of_its_seeds_and_survives_them_all(name):
    target = TARGETS[name]
    accepted = [target.run(seed) for seed in target.seeds()]
    assert any(accepted)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_survives_damaged_seeds(name):
    target, chance = TARGETS[name], random.Random(7)
    seeds = list(target.seeds())
    for _ in range(MUTANTS):
        damaged = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 8))):
            place = chance.randrange(len(damaged))
            damaged[place : place + chance.choice((0, 1, 1, 4))] = chance.choice(
                (b"", b"\x00", b"\xff", b".", b"=", b'"', b"[" * 40, b"1e400", chance.randbytes(2))
            )
            damaged = damaged or bytearray(b"x")
        target.run(bytes(damaged))


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_survives_atheris(name, tmp_path):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: NOTHING WAS FUZZED; pip install atheris")
    done = processes.run(
        [
            *(sys.executable, "-m", "fuzz.run", name),
            *(f"-max_total_time={SECONDS}", f"-artifact_prefix={tmp_path}/", "-timeout=10"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "DONE" in done.stderr, done.stderr[-4000:]
