"""``carnet migrate-store``: from SQLite to PostgreSQL, or back."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import click

from carnet.cli.options import echo_json, json_option
from carnet.errors import ConfigurationError
from carnet.server.store import Opening, Store, open_store
from carnet.server.store.copying import Progress, copy_store, read_tables

__all__ = ["migrate_store"]


@click.command("migrate-store")
@click.option("--from", "source", required=True, metavar="STORE", help="Where the data is now.")
@click.option(
    "--to", "target", required=True, metavar="STORE", help="Where it goes: an empty database."
)
@json_option
def migrate_store(source: str, target: str, as_json: bool) -> None:
    """Copy everything from SQLite to PostgreSQL, or back: accounts, sessions, keys, clients.

    A STORE is a data folder, whose database is carnet.db, or a postgresql:// URL. Stop the servers
    first. Whatever interrupts it, run it again: it goes on where it was, and at its end compares
    both sides row by row. The source is left as it is, and so is the master key.

    \b
    Examples:
      carnet migrate-store --from carnet-data --to postgresql://carnet@db/carnet
      carnet migrate-store --from postgresql://carnet@db/carnet --to new-folder
    """
    if _is_url(source) == _is_url(target):
        raise ConfigurationError(
            "one of --from and --to is a data folder, the other a postgresql:// URL"
        )
    copied = asyncio.run(_migrate(source, target))
    if as_json:
        echo_json({"copied": copied})
        return
    for table, count in copied.items():
        click.echo(f"{table:20} {count:>10}")
    flag = f"--database {target}" if _is_url(target) else f"--data {target}"
    if "@" in flag:
        flag = "--database postgresql://…"
    click.echo(f"Both sides are the same. Start the servers with {flag} and the same master.key.")


async def _migrate(source: str, target: str) -> dict[str, int]:
    async with AsyncExitStack() as stack:
        old = await _open(source, must_exist=True)
        stack.push_async_callback(old.close)
        new = await _open(target, must_exist=False)
        stack.push_async_callback(new.close)
        tables = await read_tables(new if _is_url(source) else old)
        copied: dict[str, int] = {}
        async for progress in copy_store(old, new, tables):
            copied[progress.table] = progress.total
            _show(progress)
        return copied


async def _open(place: str, *, must_exist: bool) -> Store:
    opening = Opening.READ if must_exist else Opening.MIGRATE
    if _is_url(place):
        return await open_store(place, opening)
    folder = Path(place)
    path = folder if folder.suffix == ".db" else folder / "carnet.db"
    if must_exist and not path.is_file():
        raise ConfigurationError(f"there is no database at {path}; name the data folder")
    if must_exist:
        return await open_store(path, opening)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"can't make {path.parent}: {error.strerror}") from None
    return await open_store(path, opening)


def _is_url(place: str) -> bool:
    return place.startswith(("postgres://", "postgresql://"))


def _show(progress: Progress) -> None:
    """Show how far it is, on a terminal: one line that is written over."""
    if not sys.stderr.isatty():
        return
    words = {"copy": "copying", "check": "comparing"}
    share = 100 * progress.done // progress.total if progress.total else 100
    line = f"{words[progress.step]} {progress.table}: {progress.done:,} of {progress.total:,}"
    click.echo(f"\r\x1b[K{line} ({share} %)", nl=False, err=True)
    if progress.step == "check" and progress.done == progress.total:
        click.echo("\r\x1b[K", nl=False, err=True)
