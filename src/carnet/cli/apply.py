"""``carnet apply`` and ``carnet export``: clients and resources as a file describes them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from carnet.cli.files import read_input, write_output
from carnet.cli.ink import strong
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.errors import ConfigurationError, ServerError
from carnet.server.audit import OPERATOR
from carnet.server.clients.configuration import Change, EntryRefused, Plan
from carnet.server.clients.configuration_file import ConfigurationFile, write_configuration
from carnet.server.service import Service

__all__ = ["apply", "export"]

MARKS: Final = {"create": "+", "change": "~", "remove": "-"}
DIFFERS: Final = 1


@click.command()
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--yes", is_flag=True, help="Make the changes without asking.")
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; exit with status 1 if something would change.",
)
@click.option(
    "--prune", is_flag=True, help="Also remove clients and resources that are not in the file."
)
@json_option
@data_options
def apply(
    file: str,
    yes: bool,
    check: bool,
    prune: bool,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> int:
    """Make the clients and resources match a TOML file.

    What would change is shown first; then all of it is done in one transaction, or nothing. What is
    not in the file stays as it is, without --prune. A secret stands in the file as its hash
    (secret_sha256), or in a file of its own (secret_file); one that is not there stays as it is.

    \b
    Examples:
      carnet apply clients.toml
      carnet apply clients.toml --check
      carnet apply clients.toml --prune --yes
    """
    settings = settings_from(config, **given)
    if as_json and not (yes or check):
        raise click.UsageError(
            "--json asks no questions: add --yes to make the changes, or --check to see them only"
        )
    name, folder = (file, Path(file).parent) if file != "-" else ("standard input", Path())
    described = ConfigurationFile(read_input(file, "clients and resources"), name, folder)

    async def work(service: Service) -> tuple[Plan, bool]:
        plan = await service.registry.plan(described.wanted, prune=prune)
        if not as_json:
            _show(plan)
        agreed = bool(plan.changes) and not check and (yes or _ask(plan.changes))
        if agreed:
            await service.registry.apply(plan, OPERATOR)
        return plan, agreed

    try:
        plan, done = with_service(settings, work, reading=check)
    except EntryRefused as error:
        raise described.explain(error) from None
    if as_json:
        echo_json(
            {
                "changes": [_document(change) for change in plan.changes],
                "not_in_file": [_named(change) for change in plan.others],
                "applied": done,
            }
        )
    elif done:
        click.echo("Done.")
    elif plan.changes and not check:
        click.echo("Nothing was changed.")
    return DIFFERS if plan.changes and not done else 0


@click.command()
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="FILE",
    help="The file to write; standard output by default.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@data_options
def export(output: str, force: bool, config: Path | None, **given: Any) -> None:
    """Write the clients and resources to a TOML file, for `carnet apply`.

    Secrets are written as hashes.

    \b
    Examples:
      carnet export
      carnet export -o clients.toml
    """

    async def work(service: Service) -> str:
        registry = service.registry
        unreadable = [*registry.unreadable_clients, *registry.unreadable_resources]
        if unreadable:
            raise ServerError(
                f"the row of {unreadable[0]} can't be read, so the file would be incomplete: "
                "remove it, or repair the row"
            )
        return write_configuration(registry.clients(), registry.resources(), service.clock())

    text = with_service(settings_from(config, **given), work, reading=True)
    write_output(output, text.encode(), force=force)


def _show(plan: Plan) -> None:
    for change in plan.changes:
        click.echo(strong(f"{MARKS[change.action]} {change.action} {change.kind} {change.name}"))
        for member, (before, after) in change.members.items():
            old = "" if change.before is None else f"{_text(before)} → "
            click.echo(f"    {member}: {old}{_text(after)}")
    if not plan.changes:
        click.echo("Everything matches the file.")
    if plan.others:
        names = ", ".join(f"{change.kind} {change.name}" for change in plan.others)
        click.echo(f"Not in the file, and left as it is without --prune: {names}")


def _ask(changes: Sequence[Change]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nothing was changed: there is no terminal to ask on; add --yes to make these "
            "changes, or --check to see them only"
        )
    removed = sum(change.action == "remove" and change.kind == "client" for change in changes)
    more = "The sessions of clients that are removed end. " if removed else ""
    count = "this change" if len(changes) == 1 else f"these {len(changes)} changes"
    return click.confirm(f"{more}Make {count}?")


def _document(change: Change) -> dict[str, Any]:
    members = {name: {"from": old, "to": new} for name, (old, new) in change.members.items()}
    return {"action": change.action, **_named(change), "members": members}


def _named(change: Change) -> dict[str, str]:
    return {"kind": change.kind, "name": change.name}


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
