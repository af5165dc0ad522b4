"""docs/oauth-musts.md names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = Path(__file__).parents[2] / "docs" / "oauth-musts.md"


def test_every_demand_names_a_test_and_every_test_is_there():
    rows = [
        line
        for line in PAGE.read_text().splitlines()
        if re.match(r"\| (2\.1|RFC|MCP|ID-JAG|Form Post|FAPI|JARM)", line)
    ]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(test_\w+))?`", row)
        assert named, row
        for file, name in named:
            text = (TESTS / file).read_text()
            assert not name or f"def {name}(" in text, f"{file}::{name}"
