"""``carnet audit``: what has happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.times import when
from carnet.server.audit import Entry, newest
from carnet.server.service import Service

__all__ = ["audit"]


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    metavar="N",
    help="How many entries, the newest first.",
)
@json_option
@data_options
def audit(limit: int, as_json: bool, config: Path | None, **given: Any) -> None:
    """Show the audit log: who did what, when, from where, and why it was refused."""

    async def work(service: Service) -> list[Entry]:
        return await newest(service.store, limit)

    entries = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        for entry in entries:
            echo_json(entry._asdict())
        return
    for entry in entries:
        facts = {
            "account": entry.account_id,
            "session": entry.session_id,
            "by": entry.actor,
            "from": entry.address,
            "reason": entry.reason,
        }
        told = "  ".join(f"{name}={value}" for name, value in facts.items() if value)
        click.echo(f"{when(entry.at)}  {entry.event:18} {told}")
