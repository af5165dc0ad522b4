"""``carnet inspect``: what a token says, as far as it can be read, unverified."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from carnet.cli import ink
from carnet.cli.files import read_token
from carnet.jose.encoding import b64url_encode
from carnet.jwt.inspection import Inspection, inspect

__all__ = ["inspect_token", "show_claims"]

DATES = ("exp", "iat", "nbf", "auth_time")


@click.command("inspect")
@click.argument("token", default="-", metavar="[TOKEN]")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def inspect_token(token: str, as_json: bool) -> None:
    """Show what a token says. Nothing is verified: it proves nothing.

    TOKEN is a file, or - for standard input, or the token's text, which the shell's history then
    keeps. `Bearer ` may stand before it.

    \b
    Examples:
      carnet inspect token.txt
      curl -s … | jq -r .access_token | carnet inspect --json
    """
    seen = inspect(read_token(token, "a token"))
    if as_json:
        click.echo(msgspec.json.encode(_document(seen)))
    else:
        _show(seen)
    if seen.kind == "unknown" or seen.problems:
        raise click.exceptions.Exit(1)


def show_claims(claims: dict[str, Any]) -> list[str]:
    """Write claims as JSON lines, with dates that people can read beside their numbers."""
    text = msgspec.json.format(msgspec.json.encode(claims), indent=2).decode()
    lines = []
    for line in text.splitlines():
        name = line.strip().partition(":")[0].strip('"')
        date = _date(claims.get(name)) if name in DATES and line.startswith('  "') else ""
        lines.append(ink.payload(line) + (ink.faint(f"  {date}") if date else ""))
    return lines


def _document(seen: Inspection) -> dict[str, Any]:
    return {
        "kind": seen.kind,
        "header": seen.header,
        "claims": seen.claims,
        "signature": b64url_encode(seen.signature),
        "problems": seen.problems,
        "verified": False,
    }


def _show(seen: Inspection) -> None:
    kinds = {"JWS": "A signed token", "JWE": "An encrypted token", "unknown": "Not a token"}
    click.echo(ink.strong(f"{kinds[seen.kind]}, not verified"))
    if seen.header:
        text = msgspec.json.format(msgspec.json.encode(seen.header), indent=2).decode()
        click.echo("\nheader")
        click.echo(ink.header(text))
    if seen.claims is not None:
        click.echo("\nclaims")
        click.echo("\n".join(show_claims(seen.claims)))
    if seen.signature:
        click.echo(f"\nsignature  {ink.signature(f'{len(seen.signature)} bytes')}")
    for problem in seen.problems:
        click.echo(f"{ink.refused('problem')}  {problem}")


def _date(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    try:
        moment = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
