"""What a folder of figures puts into the page, and what it leaves."""

from __future__ import annotations

import pytest
from benchmarks import page
from benchmarks.aims import AIMS, Aim

RECORD = {
    "machine": "A Processor",
    "cores": 2,
    "load": 0.31,
    "python": "3.11.7",
    "date": "2026-11-28T01:59:02+00:00",
    "commit": "0123456789ab",
    "figures": {"HS256": 1.5},
    "tables": {"verify": "| new |\n| --- |"},
}


def block(what):
    return f"before\n\n<!-- {what} -->\n| old |\n| --- |\n<!-- end -->\n\nafter\n"


def test_a_table_of_the_run_takes_the_place_of_the_old_one():
    found, left = page.filled(block("figures of library: verify"), {"library": RECORD})

    assert found == block("figures of library: verify").replace("old", "new")
    assert left == []


def test_a_block_with_nothing_in_it_is_filled_and_the_next_one_left():
    rest = block("figures of library: sign")
    empty = "<!-- figures of library: verify -->\n<!-- end -->\n"

    found, _ = page.filled(empty + rest, {"library": RECORD})

    assert found == empty.replace("-->\n", "-->\n| new |\n| --- |\n", 1) + rest


@pytest.mark.parametrize("what", ["figures of library: sign", "figures of sizes: verify"])
def test_a_table_that_the_run_lacks_stays_and_is_named(what):
    found, left = page.filled(block(what), {"library": RECORD})

    assert found == block(what)
    assert left == [what]


def test_the_page_says_when_and_on_what_it_was_measured():
    found, _ = page.filled(block("run of library"), {"library": RECORD})

    assert (
        "Measured on 28 November 2026: A Processor, 2 cores, Python 3.11.7, commit `0123456789ab`"
    ) in found


def test_the_aims_are_said_to_be_met_or_missed_by_the_figures(monkeypatch):
    aims = [
        Aim("one", side, bound, " × bare", "library", lambda figures: figures["HS256"])
        for side, bound in (("at most", 1.5), ("at most", 1.49), ("at least", 1.5))
    ]
    monkeypatch.setattr(page, "AIMS", aims)

    found, _ = page.filled(block("aims"), {"library": RECORD})

    assert [line.split("|")[4].strip() for line in found.splitlines() if " 1.50 ×" in line] == [
        *("met", "**missed**", "met"),
    ]


def test_the_aims_stay_where_a_benchmark_is_missing():
    found, left = page.filled(block("aims"), {})

    assert found == block("aims")
    assert left == ["aims"]


def test_each_block_of_the_page_names_a_benchmark_and_is_closed():
    text = page.PAGE.read_text("utf-8")

    assert text.count("<!-- end -->") == len(page.BLOCK.findall(text)) > 0
    assert len(AIMS) == len({(aim.what, aim.words) for aim in AIMS})
