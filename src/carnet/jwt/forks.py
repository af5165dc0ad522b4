"""Forked processes: what they must not take over from the process that they come from.

A fork has one thread only. A lock that another thread held stays held there for ever, and what that
thread was about never ends: whoever waits for it waits in vain. So each object that has a lock, or
work that others wait for, begins anew in the fork, before any of its code runs (``os.fork``, and so
``multiprocessing``, gunicorn and Celery; uWSGI with ``py-call-osafterfork``).
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["Renewed", "renew_in_forks"]


class Renewed(Protocol):
    """Something that a fork can't go on with as it is."""

    def begin_anew(self) -> None:
        """Replace locks, and forget what threads of the other process were about."""


_known: WeakSet[Renewed] = WeakSet()


def renew_in_forks(one: Renewed) -> None:
    """Have an object begin anew in each process that is forked from this one."""
    _known.add(one)


def _begin_anew() -> None:  # pragma: no cover  # in forks, where nothing is counted
    for one in list(_known):
        one.begin_anew()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows can't fork
    os.register_at_fork(after_in_child=_begin_anew)
