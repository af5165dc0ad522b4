"""``carnet audit``: what has happened."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import click

from carnet.cli.durations import parse_moment
from carnet.cli.nearest import did_you_mean
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.times import when
from carnet.errors import ConfigurationError
from carnet.server.accounts.accounts import AccountRefused
from carnet.server.audit import LATEST, Entry, Event, Filter, Following, page
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
    help="How many entries to show, newest first.",
)
@click.option("--event", metavar="EVENT", help="Only this kind of event, such as sign_in_refused.")
@click.option("--account", metavar="NAME", help="Only about this account: a username or an id.")
@click.option(
    "--since",
    metavar="MOMENT",
    help="Not before this: -1h, 2026-12-24T18:00, or seconds since 1970. With --follow, now "
    "unless given.",
)
@click.option("--until", metavar="MOMENT", help="Before this.")
@click.option("--follow", is_flag=True, help="Show new entries as they come, until Ctrl-C.")
@json_option
@data_options
def audit(
    limit: int,
    event: str | None,
    account: str | None,
    since: str | None,
    until: str | None,
    follow: bool,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Show the audit log: who did what, when, from where, and why it was refused.

    To carry it elsewhere, follow it as JSON, one entry a line, the oldest first. Where that was
    interrupted, go on from the "at" of the last one, and leave out what has an "id" that you have.

    \b
    Examples:
      carnet audit --account alice --since=-7d
      carnet audit --event sign_in_refused --limit 20
      carnet audit --follow --since=-1h --json
    """
    if follow and until is not None:
        raise click.UsageError("--follow never ends: leave out --until or --follow")
    if event is not None and event not in set(Event):
        near = did_you_mean(event, Event) or f": it is one of {', '.join(Event)}"
        raise ConfigurationError(f"there is no event {event[:40]!r}{near}")
    now = int(time.time())
    begin = ("now" if follow else None) if since is None else since
    wanted = Filter(
        event=event or "",
        since=0 if begin is None else parse_moment(begin, now) * SECOND,
        before=LATEST if until is None else parse_moment(until, now) * SECOND,
    )
    settings = settings_from(config, **given)

    async def work(service: Service) -> None:
        log = _Log(service, await _about(service, wanted, account), as_json)
        if follow:
            await log.follow()
        for entry in (await page(service.store, log.wanted, limit)).entries:
            await log.show(entry)

    with_service(settings, work, reading=True)


class _Log:
    """Shows entries of the log, with the names of accounts."""

    def __init__(self, service: Service, wanted: Filter, as_json: bool) -> None:
        self.wanted = wanted
        self._service = service
        self._as_json = as_json
        self._names: dict[str, str] = {}

    async def follow(self) -> None:
        """Show new entries as they come."""
        service, wanted = self._service, self.wanted
        following = Following(wanted.since)
        while True:
            try:
                async for entry_id, entry in following.read(service.store, service.clock()):
                    if wanted.event in ("", entry.event) and wanted.account_id in (
                        "",
                        entry.account_id,
                    ):
                        await self.show(entry, entry_id)
            except StoreUnavailable as error:
                click.echo(f"carnet: {error}; trying again", err=True)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def show(self, entry: Entry, entry_id: str | None = None) -> None:
        """Show one entry."""
        if self._as_json:
            followed = {} if entry_id is None else {"id": entry_id}
            echo_json({**followed, **entry._asdict()})
            return
        facts = {
            "account": await self._name(entry.account_id),
            "session": entry.session_id,
            "by": await self._name(entry.actor),
            "from": entry.address,
            "reason": entry.reason,
        }
        told = "  ".join(f"{name}={value}" for name, value in facts.items() if value)
        click.echo(f"{when(entry.at)}  {entry.event:18} {told}")

    async def _name(self, account_id: str | None) -> str | None:
        """Give an account's name; what is none, or is gone, as it stands in the log."""
        if not account_id:
            return account_id
        if account_id not in self._names:
            found = await self._service.accounts.by_id(account_id)
            self._names[account_id] = account_id if found is None else found.username
        return self._names[account_id]


async def _about(service: Service, wanted: Filter, account: str | None) -> Filter:
    if account is None:
        return wanted
    try:
        found = await service.accounts.find(account)
    except AccountRefused:
        by_id = await service.accounts.by_id(account) if account.isprintable() else None
        if by_id is None:
            raise
        found = by_id
    return wanted._replace(account_id=found.id)
