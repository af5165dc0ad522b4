"""Reports for programs: JSON, and JUnit's XML for those that show test results."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import quoteattr

from carnet.conform.findings import SEVERITIES, Finding, Outcome
from carnet.conform.runner import Report

__all__ = ["as_junit", "as_mapping"]


def as_mapping(report: Report) -> dict[str, Any]:
    """Give a report as what JSON can hold."""
    found = report.findings
    return {
        "issuer": report.issuer,
        "requests": report.requests,
        "summary": {
            **{severity: sum(one.severity == severity for one in found) for severity in SEVERITIES},
            **{status: report.count(status) for status in ("holds", "skipped", "unfinished")},
        },
        "findings": [_finding(finding) for finding in found],
        "checks": [
            {
                "id": outcome.check.id,
                "title": outcome.check.title,
                "section": outcome.check.place,
                "status": outcome.status,
                "reason": outcome.reason,
            }
            for outcome in report.outcomes
        ],
    }


def as_junit(report: Report) -> bytes:
    """Give a report as JUnit's XML: a group is a suite, a check a case; a note fails nothing."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for group, several in report.groups.items():
        failed = sum(bool(_failures(one)) for one in several)
        skipped = sum(one.status == "skipped" for one in several)
        errors = sum(one.status == "unfinished" for one in several)
        lines.append(
            f'<testsuite name={quoteattr(f"{report.issuer} {group}")} tests="{len(several)}" '
            f'failures="{failed}" skipped="{skipped}" errors="{errors}">'
        )
        for outcome in several:
            lines += _case(outcome)
        lines.append("</testsuite>")
    return "\n".join([*lines, "</testsuites>", ""]).encode()


def _case(outcome: Outcome) -> list[str]:
    check = outcome.check
    name = quoteattr(f"{check.title} ({check.place})")
    inside = []
    if failures := _failures(outcome):
        # One element: who reads such a file rarely looks at a second one.
        gravest = min(failures, key=lambda finding: SEVERITIES.index(finding.severity))
        told = quoteattr(" | ".join(map(_told, failures)))
        inside.append(f'<failure type="{gravest.severity}" message={told}/>')
    if outcome.status == "skipped":
        inside.append(f"<skipped message={quoteattr(outcome.reason)}/>")
    elif outcome.status == "unfinished":
        inside.append(f"<error message={quoteattr(outcome.reason)}/>")
    return [f'<testcase classname="{check.id}" name={name}>', *inside, "</testcase>"]


def _failures(outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.severity != "note"]


def _told(finding: Finding) -> str:
    return f"seen: {finding.seen}; expected: {finding.expected}; change: {finding.change}"


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "id": finding.check.id,
        "title": finding.check.title,
        "severity": finding.severity,
        "specification": finding.check.specification,
        "section": finding.check.section,
        "seen": finding.seen,
        "expected": finding.expected,
        "change": finding.change,
    }
