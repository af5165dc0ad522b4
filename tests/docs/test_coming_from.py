"""The examples of docs/coming-from.md run, section by section."""

import re
from inspect import signature
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


def test_the_tables_name_every_option_of_pyjwt():
    jwt = pytest.importorskip("jwt")
    section = next(one for one in SECTIONS if title_of(one) == "PyJWT")
    rows = re.findall(r"^\| (.*?) \|", section.partition("### Each option")[2], re.MULTILINE)
    named = set(re.findall(r"\w+", " ".join(rows)))
    wanted = set(jwt.types.Options.__annotations__)
    for function in (jwt.decode, jwt.decode_complete, jwt.encode, jwt.PyJWKClient):
        wanted |= set(signature(function).parameters) - {"kwargs"}
    assert wanted <= named
