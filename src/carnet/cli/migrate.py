"""``carnet migrate``: bring the database to this version's shape, apart from serving."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.server.keys.data_folder import open_folder
from carnet.server.settings import Settings
from carnet.server.store import MigrationsMissing, Opening, open_store

__all__ = ["migrate"]


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Only list what is missing, and exit with status 1 if anything is; nothing is written.",
)
@json_option
@data_options
def migrate(check: bool, as_json: bool, config: Path | None, **given: Any) -> None:
    """Apply the migrations that the database lacks, and say which.

    Run it as the owner of the tables, before servers that start with --no-migrate: their own role
    then needs to read and write rows only. With SQLite the data folder is made where it is missing.

    \b
    Examples:
      carnet migrate --database postgresql://carnet_owner@db/carnet
      CARNET_DATABASE=postgresql://carnet_owner@db/carnet carnet migrate --check
    """
    settings = settings_from(config, **given)
    if not check and not settings.database:
        # A database without a master key beside it is one whose key was lost.
        open_folder(settings)
    try:
        applied = asyncio.run(_open(settings, Opening.READ if check else Opening.MIGRATE))
    except MigrationsMissing as error:
        _tell("missing", error.names, as_json)
        raise click.exceptions.Exit(1) from None
    _tell("missing" if check else "applied", applied, as_json)


async def _open(settings: Settings, opening: Opening) -> list[str]:
    store = await open_store(settings.database or settings.folder / "carnet.db", opening)
    await store.close()
    return store.migrated


def _tell(outcome: str, names: list[str], as_json: bool) -> None:
    if as_json:
        echo_json({outcome: names})
        return
    for name in names:
        click.echo(f"{outcome} {name}")
    if not names:
        click.echo("There is nothing to do: the database has the shape of this version.")
