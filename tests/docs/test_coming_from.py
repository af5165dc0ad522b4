"""The examples of docs/coming-from.md run, section by section."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def title_of(section):
    return section.partition("\n")[0]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("section", SECTIONS, ids=title_of)
def test_the_examples_of_a_section_run(section):
    blocks = BLOCK.findall(section)
    assert blocks, "a section without an example"
    names = {}
    try:
        for block in (*BLOCK.findall(INTRODUCTION), *blocks):
            exec(compile(block, f"{PAGE.name}, {title_of(section)}", "exec"), names)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("carnet"):
            raise
        pytest.skip(f"{error.name} is not installed: THE EXAMPLES WERE NOT RUN")
