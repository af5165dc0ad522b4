"""``carnet conform``: whether an issuer, any issuer, does what the specifications ask."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any, Final

import click
import msgspec

from carnet.cli import ink
from carnet.cli.files import read_input, write_output
from carnet.cli.key_files import load_key
from carnet.cli.options import echo_json, json_option
from carnet.conform.findings import SEVERITIES, Check, Outcome
from carnet.conform.person import ByListener, ByPaste
from carnet.conform.probe import KnownClient, Probe
from carnet.conform.report import as_junit, as_mapping
from carnet.conform.runner import LOOPBACK, Report, chosen, run
from carnet.conform.wire import Unfinished, Wire
from carnet.errors import ConfigurationError
from carnet.verifier.access import Access

__all__ = ["conform"]

WIDTH: Final = 15


@click.command()
@click.argument("url")
@click.option("--client-id", metavar="ID", help="A client registered at the issuer for this check.")
@click.option(
    "--client-secret-file",
    metavar="FILE",
    help="A file whose first line is its secret, or - for a pipe.",
)
@click.option("--key", "key_file", metavar="FILE", help="Its private key, instead of a secret.")
@click.option("--redirect-uri", metavar="URL", help="Its redirect URI.")
@click.option("--scope", metavar="SCOPES", help="The scopes it requests, separated by spaces.")
@click.option("--resource", metavar="AUDIENCE", help="The audience of its tokens.")
@click.option(
    "--registration-token-file",
    metavar="FILE",
    help="An initial access token, with which a client is registered for the run and then removed.",
)
@click.option("--sign-in", is_flag=True, help="Also run the checks for which you sign in.")
@click.option(
    "--only", multiple=True, metavar="NAME", help="A group of checks, or one by its id; repeatable."
)
@click.option("--ca-file", metavar="FILE", help="The PEM file of the authorities to trust.")
@click.option("--insecure-http", is_flag=True, help="Allow http:// inside a private network.")
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    default="must",
    show_default=True,
    help="The lowest severity that leads to exit status 1.",
)
@click.option("--junit", metavar="FILE", help="Also write the result as JUnit XML.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Also show the checks that passed or were skipped."
)
@json_option
def conform(
    url: str,
    fail_on: str,
    junit: str | None,
    verbose: bool,
    as_json: bool,
    sign_in: bool,
    only: tuple[str, ...],
    ca_file: str | None,
    insecure_http: bool,
    **given: Any,
) -> None:
    """Check how an issuer behaves, against OAuth's and OpenID Connect's specifications.

    URL is the issuer as it stands in its metadata. Much can be checked without a client; with one
    that is made for tests there is more, and with --sign-in the code flow. Nothing is changed at
    the issuer but what belongs to that client: its tokens come and go.

    \b
    Examples:
      carnet conform https://auth.example.com
      carnet conform https://auth.example.com --client-id probe --client-secret-file secret.txt \\
        --redirect-uri http://127.0.0.1/callback --sign-in
      carnet conform https://auth.example.com --only redirect --only discovery.pkce --json

    \b
    Exit status: 0 nothing was found, 1 something that the specifications demand is not so,
    2 wrong use, or the issuer can't be reached, or a check could not be finished.
    """
    checks = chosen(only)
    client = _client(given)
    visit = None
    if sign_in:
        visit, client = _person(client, given)
    access = Access.make([url], ca_file=ca_file, insecure_http=insecure_http or None)
    token = _line_of(given["registration_token_file"], "a registration token")

    async def work() -> Report:
        async with Wire(url, access) as wire:
            probe = Probe(url, wire, client, visit, token)
            address = given["redirect_uri"] or LOOPBACK
            return await run(
                *(probe, checks, _progress), redirect_uri=address, scope=given["scope"]
            )

    try:
        report = asyncio.run(work())
    except Unfinished as error:
        raise ConfigurationError(str(error)) from None
    finally:
        _progress(None)
    if junit is not None:
        write_output(junit, as_junit(report), force=True)
    if as_json:
        echo_json(as_mapping(report))
    else:
        _show(report, verbose)
    if report.fails(msgspec.convert(fail_on, type=Any)):
        raise click.exceptions.Exit(1)
    if report.count("unfinished"):
        raise click.exceptions.Exit(2)


def _client(given: dict[str, Any]) -> KnownClient | None:
    client_id, key_file = given["client_id"], given["key_file"]
    secret = _line_of(given["client_secret_file"], "a client secret")
    if client_id is None:
        if secret or key_file:
            raise click.UsageError("say which client that belongs to: --client-id")
        return None
    if secret and key_file:
        raise click.UsageError("a client has --client-secret-file or --key, not both")
    key = None if key_file is None else load_key(key_file, None)
    members = {name: given[name] for name in ("redirect_uri", "scope", "resource")}
    return KnownClient(client_id, secret, key, **members)


def _person(
    client: KnownClient | None, given: dict[str, Any]
) -> tuple[ByListener | ByPaste, KnownClient | None]:
    redirect_uri = given["redirect_uri"] or LOOPBACK
    if client is not None and client.redirect_uri is None:
        raise click.UsageError("--sign-in needs the client's --redirect-uri")
    if not ByListener.suits(redirect_uri):
        return ByPaste(redirect_uri, _say, lambda text: click.prompt(text, err=True)), client
    visit = ByListener(redirect_uri, _say)
    given["redirect_uri"] = visit.redirect_uri
    return visit, client and replace(client, redirect_uri=visit.redirect_uri)


def _line_of(file: str | None, what: str) -> str | None:
    if file is None:
        return None
    line = read_input(file, what).partition(b"\n")[0].strip()
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise ConfigurationError(f"{file} holds no {what.removeprefix('a ')} in its first line")
    return text


def _say(line: str) -> None:
    _progress(None)
    click.echo(line, err=True)


def _progress(check: Check | None) -> None:
    """Show on a terminal which check runs."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{'' if check is None else f'{check.id} …'}", err=True, nl=False)


def _show(report: Report, verbose: bool) -> None:
    click.echo(f"{ink.strong(report.issuer)}\n")
    for group, outcomes in report.groups.items():
        good = sum(outcome.status == "holds" for outcome in outcomes)
        shown = [one for one in outcomes if verbose or one.status in ("found", "unfinished")]
        if shown or good:
            number = ink.faint(f"{good:3} {'holds' if good == 1 else 'hold'}")
            click.echo(f"{ink.strong(group.ljust(WIDTH))}{number}")
        for outcome in shown:
            _show_outcome(outcome)
    _summary(report)


def _show_outcome(outcome: Outcome) -> None:
    check = outcome.check
    for finding in outcome.findings:
        colour = ink.faint if finding.severity == "note" else ink.refused
        severity = colour(finding.severity.ljust(6))
        click.echo(f"  {severity}  {check.id}  {check.title} ({check.place})")
        for name in ("seen", "expected", "change"):
            click.echo(f"          {ink.faint(name.ljust(8))}  {getattr(finding, name)}")
    if outcome.status != "found":
        marks = {"holds": ink.accepted("ok    "), "skipped": "--    "}
        mark = marks.get(outcome.status, ink.refused("??    "))
        click.echo(f"  {mark}  {check.id}  {check.title}")
    if outcome.reason:
        click.echo(f"          {ink.faint(outcome.reason)}")


def _summary(report: Report) -> None:
    found = report.findings
    counts = {
        severity: sum(finding.severity == severity for finding in found) for severity in SEVERITIES
    }
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    click.echo(
        f"\n{len(report.outcomes)} checks: {report.count('holds')} hold; "
        f"found: {told or 'nothing'}; "
        f"{report.count('skipped')} skipped, {report.count('unfinished')} not finished; "
        f"{report.requests} requests"
    )
    lacking = {
        outcome.reason
        for outcome in report.outcomes
        if outcome.status == "skipped" and ": --" in outcome.reason
    }
    for reason in sorted(lacking):
        number = sum(outcome.reason == reason for outcome in report.outcomes)
        click.echo(ink.faint(f"{number} skipped: {reason}"))
