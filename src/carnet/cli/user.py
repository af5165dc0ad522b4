"""``carnet user``: accounts, made where the database is."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import IO

import click
import msgspec

from carnet.cli.options import data_options, settings_from
from carnet.server.accounts import Account
from carnet.server.service import open_service
from carnet.server.settings import Settings

__all__ = ["user"]


@click.group()
def user() -> None:
    """Make and list the accounts of the service."""


@user.command()
@click.argument("username")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="May be repeated.")
@click.option(
    "--password-file",
    type=click.File("r"),
    metavar="FILE",
    help="Read the password from a file's first line, or from a pipe with '-'.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@data_options
def add(
    username: str,
    roles: tuple[str, ...],
    password_file: IO[str] | None,
    as_json: bool,
    config: Path | None,
    data: str | None,
) -> None:
    """Make an account; the password is asked for.

    \b
    Examples:
      carnet user add alice --role ADMIN
      carnet user add alice --password-file - < password.txt
    """
    settings = settings_from(config, data=data)
    password = _read_password(password_file)
    account = asyncio.run(_create(settings, username, password, roles))
    if as_json:
        click.echo(msgspec.json.encode(account._asdict()))
    else:
        held = f" with {', '.join(account.roles)}" if account.roles else ""
        click.echo(f"{account.username} may sign in{held}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@data_options
def list_accounts(as_json: bool, config: Path | None, data: str | None) -> None:
    """List the accounts."""
    accounts = asyncio.run(_list(settings_from(config, data=data)))
    if as_json:
        click.echo(msgspec.json.encode([account._asdict() for account in accounts]))
        return
    if not accounts:
        click.echo("There is no account yet: make one with `carnet user add NAME`.")
    for account in accounts:
        click.echo(f"{account.username:24} {', '.join(account.roles) or '-'}")


def _read_password(file: IO[str] | None) -> str:
    if file is not None:
        return file.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password: use --password-file")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt="Once more"))


async def _create(
    settings: Settings, username: str, password: str, roles: tuple[str, ...]
) -> Account:
    async with open_service(settings) as service:
        return await service.accounts.create(username, password, roles)


async def _list(settings: Settings) -> list[Account]:
    async with open_service(settings) as service:
        return await service.accounts.page(limit=100_000)
