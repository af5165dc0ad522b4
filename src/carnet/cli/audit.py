"""``carnet audit``: what has happened."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import click

from carnet.cli.durations import parse_moment
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.times import when
from carnet.server.audit import Entry, Following, newest
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable

__all__ = ["audit"]

FOLLOW_SECONDS: Final = 1


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    metavar="N",
    help="How many entries, the newest first.",
)
@click.option("--follow", is_flag=True, help="Show new entries as they come, until Ctrl-C.")
@click.option(
    "--since",
    metavar="MOMENT",
    help="With --follow, begin there: -1h, 2026-12-24T18:00, or seconds since 1970. [default: now]",
)
@json_option
@data_options
def audit(
    limit: int,
    follow: bool,
    since: str | None,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Show the audit log: who did what, when, from where, and why it was refused.

    To carry it elsewhere, follow it as JSON, one entry a line, the oldest first. Where that was
    interrupted, go on from the "at" of the last one, and leave out what has an "id" that you have.

    \b
    Examples:
      carnet audit --limit 20
      carnet audit --follow --since=-1h --json
    """
    settings = settings_from(config, **given)
    if follow:
        begin = parse_moment(since or "now", int(time.time())) * SECOND
        with_service(settings, lambda service: _follow(service, begin, as_json), reading=True)
        return
    if since is not None:
        raise click.UsageError("--since goes with --follow")

    async def work(service: Service) -> list[Entry]:
        return await newest(service.store, limit)

    for entry in with_service(settings, work, reading=True):
        if as_json:
            echo_json(entry._asdict())
        else:
            _show(entry)


async def _follow(service: Service, since: int, as_json: bool) -> None:
    following = Following(since)
    while True:
        try:
            async for entry_id, entry in following.read(service.store, service.clock()):
                if as_json:
                    echo_json({"id": entry_id, **entry._asdict()})
                else:
                    _show(entry)
        except StoreUnavailable as error:
            click.echo(f"carnet: {error}; trying again", err=True)
        await asyncio.sleep(FOLLOW_SECONDS)


def _show(entry: Entry) -> None:
    facts = {
        "account": entry.account_id,
        "session": entry.session_id,
        "by": entry.actor,
        "from": entry.address,
        "reason": entry.reason,
    }
    told = "  ".join(f"{name}={value}" for name, value in facts.items() if value)
    click.echo(f"{when(entry.at)}  {entry.event:18} {told}")
