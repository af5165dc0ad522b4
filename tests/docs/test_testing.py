"""The tests of docs/testing.md pass, each with the service of docs/protect-a-service.md."""

import os
import re
import sys
from pathlib import Path

import pytest
from tests import processes

DOCS = Path(__file__).parents[2] / "docs"


def sections_of(page):
    _, *sections = re.split(r"^## ", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE)
    return {section.partition("\n")[0]: section for section in sections}


SERVICES = {
    title: section
    for title, section in sections_of("protect-a-service.md").items()
    if "```python" in section and not title.startswith(("Clients that", "MCP servers"))
}
WITH_PYTEST, *TESTED = sections_of("testing.md")
PAGE = sections_of("testing.md")
(SETTINGS,) = re.findall(r"```ini\n(.*?)```", PAGE[WITH_PYTEST], re.DOTALL)


def code_of(section):
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return code


def test_every_service_has_tests():
    assert sorted(TESTED) == sorted(SERVICES)


@pytest.mark.parametrize("title", TESTED)
def test_the_tests_of_a_section_pass(title, tmp_path):
    (tmp_path / "shop.py").write_text(code_of(SERVICES[title]), "utf-8")
    (tmp_path / "test_shop.py").write_text(code_of(PAGE[title]), "utf-8")
    (tmp_path / "pytest.ini").write_text(f"{SETTINGS}pythonpath = .\n", "utf-8")
    run = processes.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "carnet.testing.pytest_plugin"],
        cwd=tmp_path,
        # An installed Carnet names the plugin itself; here it is the one of this tree.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "4 passed" in run.stdout
