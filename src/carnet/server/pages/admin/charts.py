"""The charts of the overview: what all processes have done, by the hour or by the day."""

from __future__ import annotations

from typing import Final, NamedTuple

from carnet.server.activity import DAY, HOUR, Counts
from carnet.server.languages import marked

__all__ = ["HEIGHT", "RANGES", "STEP", "Chart", "Range", "charts", "first_moment"]

HEIGHT: Final = 100
STEP: Final = 10
NAMES: Final = {
    "sign-ins": marked("Sign-ins"),
    "refreshes": marked("Refreshes"),
    "refusals": marked("Refusals"),
}
"""By what stands in a class: what is counted."""


class Range(NamedTuple):
    """What a chart covers.

    Attributes:
        title: of the page.
        unit: how long a bar is, in microseconds.
        summary: says what a chart shows to those who can't see it.
        number: how many bars there are.
        marks: what stands below the axis, from the oldest to now.
    """

    title: str
    unit: int
    summary: str
    number: int
    marks: tuple[str, ...]


RANGES: Final = {
    "hours": Range(
        marked("The last 48 hours"),
        HOUR,
        marked("%(name)s by hour: %(total)s in all, at most %(highest)s in one hour."),
        48,
        (marked("48 hours ago"), marked("24 hours ago"), marked("This hour")),
    ),
    "days": Range(
        marked("The last 30 days"),
        DAY,
        marked("%(name)s by day: %(total)s in all, at most %(highest)s in one day."),
        30,
        (marked("30 days ago"), marked("15 days ago"), marked("Today")),
    ),
}


class Bar(NamedTuple):
    """One bar.

    Attributes:
        place: its number, from 0 for the oldest.
        at: the moment when it begins, in microseconds since 1970.
        value: what it stands for.
        tall: its height, of ``HEIGHT``.
    """

    place: int
    at: int
    value: int
    tall: float


class Chart(NamedTuple):
    """One chart.

    Attributes:
        name: what it counts.
        kind: the same as a part of a class.
        total: the sum.
        highest: the highest bar's count.
        top: the count at the top of the scale.
        bars: the bars, the oldest first.
    """

    name: str
    kind: str
    total: int
    highest: int
    top: int
    bars: list[Bar]


def first_moment(covered: Range, now: int) -> int:
    """Give the moment at which the oldest bar begins, in microseconds since 1970."""
    return now - now % covered.unit - (covered.number - 1) * covered.unit


def charts(covered: Range, hours: dict[int, Counts], now: int) -> list[Chart]:
    """Make the charts.

    Args:
        covered: what they cover.
        hours: what was done, by the moment when its hour began.
        now: microseconds since 1970.
    """
    first = first_moment(covered, now)
    sums = [Counts()] * covered.number
    for hour, counts in hours.items():
        place = (hour - first) // covered.unit
        if 0 <= place < covered.number:
            sums[place] = sums[place].plus(counts)
    columns = zip(*sums, strict=True)
    return [
        _chart(kind, counts, first, covered) for kind, counts in zip(NAMES, columns, strict=True)
    ]


def _chart(kind: str, counts: tuple[int, ...], first: int, covered: Range) -> Chart:
    top = _top(max(counts))
    bars = [
        Bar(place, first + place * covered.unit, count, _tall(count, top))
        for place, count in enumerate(counts)
    ]
    return Chart(NAMES[kind], kind, sum(counts), max(counts), top, bars)


def _tall(count: int, top: int) -> float:
    """Give a bar's height; one that stands for anything can be seen."""
    return max(1.5, round(HEIGHT * count / top, 1)) if count > 0 else 0


def _top(highest: int) -> int:
    """Give the top of a scale: an even number that is easily read, and not less."""
    unit = 1
    while True:
        for factor in (2, 4, 10):
            if unit * factor >= highest:
                return unit * factor
        unit *= 10
