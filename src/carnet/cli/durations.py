"""Moments and durations, as people write them: ``+30m``, ``2026-12-24T18:00``, ``1790000000``."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from carnet.errors import ConfigurationError

__all__ = ["parse_duration", "parse_moment"]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_DURATION = re.compile(r"(?:\d{1,9}[smhdw])+")
_PART = re.compile(r"(\d+)([smhdw])")


def parse_duration(text: str) -> int:
    """Give the seconds of a duration such as ``90``, ``30m`` or ``1h30m``.

    Raises:
        ConfigurationError: if it is none.
    """
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    if not _DURATION.fullmatch(text):
        raise ConfigurationError(
            f"{text[:40]!r} is not a duration: write 90, 30m, 1h30m, 7d (s, m, h, d, w)"
        )
    return sum(int(number) * UNITS[unit] for number, unit in _PART.findall(text))


def parse_moment(text: str, now: int) -> int:
    """Give the seconds since 1970 of ``+30m``, ``-1h``, ``now``, a date, or such a number.

    Args:
        text: what was written; a date without a zone is UTC.
        now: seconds since 1970.

    Raises:
        ConfigurationError: if it is none of these.
    """
    if text == "now":
        return now
    if text[:1] in ("+", "-"):
        span = parse_duration(text[1:])
        return now + span if text[0] == "+" else now - span
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text[:40]!r} is not a moment: write +30m, -1h, now, 2026-12-24T18:00, or seconds "
            "since 1970"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
