"""``carnet backup`` and ``carnet restore``: a copy of the database, and putting it back."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.errors import ConfigurationError
from carnet.server.keys.data_folder import find_master_key
from carnet.server.settings import Settings

__all__ = ["backup", "restore"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@data_options
def backup(file: Path, as_json: bool, config: Path | None, **given: Any) -> None:
    """Copy the SQLite database into FILE, while servers go on.

    FILE holds the database of one moment. It is checked, has mode 0600, and appears only when it is
    whole. Keep it apart from master.key, without which nobody can read the keys in it.

    \b
    Examples:
      carnet backup carnet-backup.db
      carnet backup --data /var/lib/carnet "/backup/carnet-$(date +%F).db"
    """
    from carnet.server.store.backup import back_up

    settings = settings_from(config, **given)
    _check_sqlite(settings, "pg_dump --format=custom")
    _show(back_up(_database(settings), file), "Copying")
    size = file.stat().st_size
    if as_json:
        echo_json({"file": str(file), "bytes": size})
        return
    click.echo(f"{file}: {size:,} bytes, checked. Keep master.key as well, in another place.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
@data_options
def restore(file: Path, as_json: bool, config: Path | None, **given: Any) -> None:
    """Restore the SQLite database from a backup; stop the servers first.

    The master.key of the data folder must be the backup's: put it there before. A database that is
    there already is kept beside the restored one, under another name.

    \b
    Example:
      carnet restore carnet-backup.db --data carnet-data
    """
    from carnet.server.store import backup as copies

    settings = settings_from(config, **given)
    _check_sqlite(settings, "pg_restore")
    secret = copies.check_backup(file)
    if secret is not None:
        find_master_key(settings).decrypt(secret)
    kept = copies.restore(file, _database(settings))
    if as_json:
        echo_json({"database": str(_database(settings)), "kept": str(kept) if kept else None})
        return
    click.echo(f"{_database(settings)} now holds the backup.")
    if kept is not None:
        click.echo(f"The database that was there is kept as {kept}; remove it when all is well.")


def _check_sqlite(settings: Settings, tool: str) -> None:
    if settings.database:
        raise ConfigurationError(
            f"this is for SQLite; PostgreSQL has {tool} (docs/how-to/back-up.md)"
        )


def _database(settings: Settings) -> Path:
    return settings.folder / "carnet.db"


def _show(steps: Iterable[tuple[int, int]], label: str) -> None:
    """Do the steps; on a terminal a bar shows how far they are."""
    if not sys.stderr.isatty():
        for _ in steps:
            continue
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:
        for done, total in steps:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)
