"""Running the checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from carnet.conform.checks.registration import register, remove
from carnet.conform.findings import (
    SEVERITIES,
    Check,
    Finding,
    Need,
    Outcome,
    Seen,
    Severity,
)
from carnet.conform.probe import NotApplicable, Probe
from carnet.conform.table import CHECKS
from carnet.conform.wire import Unfinished
from carnet.errors import ConfigurationError

__all__ = ["LOOPBACK", "OWN_FAULT", "Report", "chosen", "run"]

OWN_FAULT: Final = "this is a bug in Carnet"
LOOPBACK: Final = "http://127.0.0.1/callback"

_LACKS: Final[dict[Need, str]] = {
    "client": "it needs a client with a redirect URI: --client-id and --redirect-uri",
    "credentials": "it needs a client that proves who it is: --client-secret-file or --key",
    "registration": "it needs permission to register a client: --registration-token-file",
    "person": "it needs somebody who signs in: --sign-in",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has found.

    Attributes:
        issuer: who was asked.
        outcomes: what became of each check, in the order of the table.
        requests: how many requests it took.
    """

    issuer: str
    outcomes: tuple[Outcome, ...]
    requests: int

    @property
    def findings(self) -> list[Finding]:
        """Everything that was found."""
        return [finding for outcome in self.outcomes for finding in outcome.findings]

    @property
    def groups(self) -> dict[str, list[Outcome]]:
        """The outcomes by their groups, in which not all run one after the other."""
        found: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.check.group, []).append(outcome)
        return found

    def count(self, status: str) -> int:
        """Count the checks that ended so."""
        return sum(outcome.status == status for outcome in self.outcomes)

    def fails(self, least: Severity) -> bool:
        """Tell whether something was found that is at least so grave."""
        grave = SEVERITIES[: SEVERITIES.index(least) + 1]
        return any(finding.severity in grave for finding in self.findings)


def chosen(names: Sequence[str]) -> tuple[Check, ...]:
    """Give the checks of some groups, or with some ids; all where no name is given.

    Raises:
        ConfigurationError: if a name is none of either.
    """
    known = {check.group for check in CHECKS} | {check.id for check in CHECKS}
    for name in names:
        if name not in known:
            groups = ", ".join(dict.fromkeys(check.group for check in CHECKS))
            raise ConfigurationError(f"there is no check {name!a}; the groups are {groups}")
    if not names:
        return CHECKS
    return tuple(check for check in CHECKS if {check.id, check.group} & set(names))


async def run(
    probe: Probe,
    checks: Sequence[Check] = CHECKS,
    tell: Callable[[Check], object] = lambda _: None,
    *,
    redirect_uri: str = LOOPBACK,
    scope: str | None = None,
) -> Report:
    """Run checks against an issuer.

    Args:
        probe: the issuer, and what there is to ask it with.
        checks: which ones.
        tell: told of each check before it runs.
        redirect_uri: of a client that is registered for the run.
        scope: of that client.

    Raises:
        ConfigurationError: if the issuer has no metadata, or does not take the client.
    """
    await probe.begin()
    outcomes = []
    try:
        if probe.client is None and probe.registration_token is not None:
            await _register(probe, redirect_uri, scope)
        for check in checks:
            tell(check)
            outcomes.append(await _outcome(check, probe))
    finally:
        # The check that removes it has told why it can't be done.
        with suppress(Unfinished):
            await remove(probe)
    return Report(probe.issuer, tuple(outcomes), probe.wire.requests)


async def _register(probe: Probe, redirect_uri: str, scope: str | None) -> None:
    try:
        await register(probe, redirect_uri, scope)
        await probe.find_way()
    except (NotApplicable, Unfinished) as error:
        raise ConfigurationError(f"no client could be registered: {error}") from None


async def _outcome(check: Check, probe: Probe) -> Outcome:
    if not _has(probe, check.need):
        return Outcome(check, "skipped", reason=_LACKS[check.need])
    findings = []
    status, reason = "holds", ""
    try:
        async for seen in check.look(probe):
            # One by one: what was seen before a check broke off counts.
            findings.append(_finding(check, seen, probe))  # noqa: PERF401
    except NotApplicable as error:
        status, reason = "skipped", probe.wire.tell(str(error))
    except Unfinished as error:
        status, reason = "unfinished", probe.wire.tell(str(error))
    except Exception as error:
        # An issuer can answer anything; the other checks go on.
        status, reason = "unfinished", f"{OWN_FAULT} ({type(error).__name__}): please report it"
    if findings:
        status = "found"
    return Outcome(check, status, tuple(findings), reason)  # type: ignore[arg-type]  # one of them


def _finding(check: Check, seen: Seen, probe: Probe) -> Finding:
    told, expected = probe.wire.tell(seen.seen), probe.wire.tell(seen.expected)
    return Finding(check, seen.severity or check.severity, told, expected, seen.change)


def _has(probe: Probe, need: Need) -> bool:
    client = probe.client
    with_address = client is not None and client.redirect_uri is not None
    return {
        "nothing": True,
        "client": with_address,
        "credentials": client is not None and client.is_confidential,
        "registration": probe.registration_token is not None,
        "person": with_address and probe.visit is not None,
    }[need]
