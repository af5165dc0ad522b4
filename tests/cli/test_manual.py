"""The man pages and the help: complete, readable by roff, and cheap to ask for."""

import re
import shutil
import subprocess
import sys

import click
import pytest

from carnet.cli.commands import root
from carnet.cli.main import COMMANDS


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, "-m", "carnet.cli.manual", folder], check=True, timeout=120)
    return {path.name: path for path in folder.iterdir()}


def test_every_command_has_a_page_that_names_its_options(manual):
    assert "carnet.1" in manual
    assert "carnet-key-generate.1" in manual
    for name in COMMANDS:
        text = manual[f"carnet-{name}.1"].read_text().replace(r"\-", "-")
        command = root.get_command(click.Context(root), name)
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[-1] in text


def test_roff_finds_nothing_wrong_with_the_pages(manual):
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("there is no groff to read the man pages: apt-get install groff")
    for path in manual.values():
        read = subprocess.run(
            [groff, "-man", "-Tutf8", "-Kutf8", "-ww", path], capture_output=True, timeout=60
        )
        assert (read.returncode, read.stderr) == (0, b"")


def test_the_help_tells_the_exit_statuses(carnet):
    told = carnet("--help").stdout
    assert re.findall(r"^ +(\d+) +\w", told, re.MULTILINE) == ["0", "1", "2", "70", "130"]


def test_the_help_imports_no_command_and_no_part_that_a_command_needs():
    code = (
        "import sys; sys.argv = ['carnet', '--help']\n"
        "from carnet.cli.main import main\n"
        "try: main()\n"
        "finally: print('\\n'.join(['--modules--', *sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.partition("--modules--")[2].split())
    assert "click" in loaded
    heavy = {"httpx", "starlette", "uvicorn", "apsw", "asyncpg", "argon2", "structlog", "asyncio"}
    assert not heavy & loaded
    assert {name for name in loaded if name.startswith("carnet.cli.")} == {
        "carnet.cli.commands",
        "carnet.cli.main",
    }


def test_a_module_that_no_extra_brings_is_a_fault_told_without_a_traceback(carnet, tmp_path):
    (tmp_path / "apsw.py").write_text("raise ModuleNotFoundError('no such', name='unheard_of')")
    done = carnet("serve", env={"PYTHONPATH": str(tmp_path), "CARNET_DATA": str(tmp_path)})
    assert done.returncode == 70
    assert "ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
