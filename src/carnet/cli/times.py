"""Moments, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["when"]


def when(microseconds: int) -> str:
    """Write a moment of the database, in UTC."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
