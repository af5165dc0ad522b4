"""What a check is, and what becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from carnet.conform.probe import Probe

__all__ = ["SEVERITIES", "Check", "Finding", "Look", "Need", "Outcome", "Seen", "Severity"]

Severity = Literal["must", "should", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("must", "should", "note")
"""The severities, the gravest first: what a specification demands, recommends, or leaves open."""

Need = Literal["nothing", "client", "credentials", "registration", "person"]
"""What a check needs: a client with a redirect URI, one with credentials, a place to register, or
somebody who signs in with a client of the first kind."""


class Seen(NamedTuple):
    """What is wrong.

    Attributes:
        seen: what the issuer did.
        expected: what it should have done.
        change: what whoever runs it can do about that.
        severity: where it is not the check's.
    """

    seen: str
    expected: str
    change: str
    severity: Severity | None = None


Look = Callable[[Probe], AsyncIterator[Seen]]
"""Looks at an issuer, and yields what is wrong with it."""


class Check(NamedTuple):
    """One row of the table.

    Attributes:
        id: its group and its name, with a dot between them.
        title: what holds where nothing is found.
        specification: which demands that.
        section: where.
        severity: how grave it is where that does not hold.
        need: what it takes to find out.
        look: finds out.
    """

    id: str
    title: str
    specification: str
    section: str
    severity: Severity
    need: Need
    look: Look

    @property
    def group(self) -> str:
        """The subject, which stands before the dot."""
        return self.id.partition(".")[0]

    @property
    def place(self) -> str:
        """The specification and its section."""
        return f"{self.specification} section {self.section}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an issuer does wrong.

    Attributes:
        check: the check that has found it.
        severity: how grave it is.
        seen: what the issuer did.
        expected: what it should have done.
        change: what to do about that.
    """

    check: Check
    severity: Severity
    seen: str
    expected: str
    change: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a check.

    Attributes:
        check: the check.
        status: whether it holds; whether it was skipped, or begun and not finished.
        findings: what it has found.
        reason: why it was skipped or not finished, or "".
    """

    check: Check
    status: Literal["holds", "found", "skipped", "unfinished"]
    findings: tuple[Finding, ...] = ()
    reason: str = ""
