"""``carnet user rename`` and ``merge``: under which name, and in which account, somebody is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.errors import ConfigurationError
from carnet.server.accounts.merging import Merge
from carnet.server.audit import OPERATOR
from carnet.server.service import Service

__all__ = ["merge", "rename"]


@click.command()
@click.argument("username", metavar="OLD")
@click.argument("new")
@data_options
def rename(username: str, new: str, config: Path | None, **given: Any) -> None:
    """Give an account another username; its subject stays, and its sessions go on."""

    async def work(service: Service) -> str:
        account = await service.accounts.find(username)
        await service.accounts.rename(account.id, new, OPERATOR)
        return account.username

    former = with_service(settings_from(config, **given), work)
    click.echo(f"{former} is {new} from now on")


@click.command()
@click.argument("username", metavar="FROM")
@click.argument("into")
@click.option("--dry-run", is_flag=True, help="Change nothing, and say what would be done.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@data_options
def merge(
    username: str,
    into: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Merge an account into another, where both are one person's; that can't be undone.

    Identities at other issuers, confirmed addresses and consents move. Passwords, passkeys and
    other factors of FROM let nobody in any more, its sessions end, and its subject is gone.

    \b
    Example:
      carnet user merge alice.old alice
    """
    settings = settings_from(config, **given)

    async def look(service: Service) -> Merge:
        gone, stays = [await service.accounts.find(name) for name in (username, into)]
        return await service.merges.preview(gone.id, stays.id, OPERATOR)

    async def work(service: Service) -> Merge:
        return await service.merges.merge(found.account, found.into, found.digest, OPERATOR)

    found = with_service(settings, look)
    if as_json:
        echo_json(msgspec.to_builtins(found))
    else:
        _show(found)
    if dry_run:
        return
    if not yes:
        _ask()
    with_service(settings, work)
    click.echo(f"{found.username} is merged into {found.into_username}", err=as_json)


def _show(found: Merge) -> None:
    identities = [f"{subject} at {issuer}" for issuer, subject in found.identities]
    for title, moved in (
        ("Lets into the other account from then on:", [*identities, *found.emails]),
        ("Keeps the access that it was given:", found.applications),
        ("Roles that the other account does not get:", found.lost_roles),
    ):
        for number, one in enumerate(moved):
            click.echo(f"{title}\n  {one}" if not number else f"  {one}")
    click.echo(
        f"{found.username} is deleted with its subject {found.account}: its sessions end, and its "
        "password and factors let nobody in any more."
    )


def _ask() -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nothing was changed: there is no terminal to ask at; say --yes to merge them, or "
            "--dry-run to be told only"
        )
    click.confirm("Merge them?", abort=True)
