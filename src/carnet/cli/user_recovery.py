"""``carnet user invite``, ``reset-link``, ``recover``, ``email``: ways into accounts, by links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.times import when
from carnet.errors import ConfigurationError
from carnet.server.accounts.email_addresses import EmailAddress
from carnet.server.accounts.one_time_links import RECOVER, RESET
from carnet.server.accounts.recovery import Handed
from carnet.server.audit import OPERATOR
from carnet.server.clock import SECOND
from carnet.server.service import Service

__all__ = ["email", "invite", "recover", "reset_link"]


@click.command()
@click.argument("username")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="May be repeated.")
@click.option("--email", default="", metavar="ADDRESS", help="Send the link to it as well.")
@json_option
@data_options
def invite(
    username: str,
    roles: tuple[str, ...],
    email: str,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Make an account, and a link with which its owner chooses the password.

    \b
    Example:
      carnet user invite alice --role ADMIN
    """

    async def work(service: Service) -> Handed:
        return (await service.recovery.invite(username, OPERATOR, roles, None, email))[1]

    _print(with_service(settings_from(config, **given), work), as_json)


@click.command("reset-link")
@click.argument("username")
@json_option
@data_options
def reset_link(username: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """Print a link with which somebody sets another password; it is good once, for a day."""
    _print(_hand_over(username, RESET, config, given), as_json)


@click.command()
@click.argument("username")
@json_option
@data_options
def recover(username: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """Print a link that sets a password and removes the second factors, for an hour.

    It is for somebody who has lost everything, such as the only administrator.
    """
    _print(_hand_over(username, RECOVER, config, given), as_json)


@click.group()
def email() -> None:
    """List, add and remove the e-mail addresses of an account."""


@email.command("list")
@click.argument("username")
@json_option
@data_options
def list_emails(username: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """List the addresses of an account, the main one first."""

    async def work(service: Service) -> list[EmailAddress]:
        account = await service.accounts.find(username)
        return await service.addresses.of_account(account.id)

    found = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        echo_json([one._asdict() for one in found])
        return
    for one in found:
        since = "not confirmed" if one.verified_at is None else f"since {when(one.verified_at)}"
        click.echo(f"{one.address}  {since}{'  main' if one.primary else ''}")
    if not found:
        click.echo(f"{username} has no address")


@email.command("add")
@click.argument("username")
@click.argument("address")
@data_options
def add_email(username: str, address: str, config: Path | None, **given: Any) -> None:
    """Add an address that you know to be theirs: it needs no confirmation."""

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.addresses.add_verified(account.id, address, OPERATOR)

    with_service(settings_from(config, **given), work)
    click.echo(f"{address} is an address of {username}")


@email.command("remove")
@click.argument("username")
@click.argument("address")
@data_options
def remove_email(username: str, address: str, config: Path | None, **given: Any) -> None:
    """Remove an address."""

    async def work(service: Service) -> bool:
        account = await service.accounts.find(username)
        return await service.addresses.remove(account.id, address, OPERATOR)

    if not with_service(settings_from(config, **given), work):
        raise ConfigurationError(f"{username} has no such address; `carnet user email list` shows")
    click.echo(f"{address} was removed from {username}")


def _hand_over(username: str, purpose: str, config: Path | None, given: dict[str, Any]) -> Handed:
    async def work(service: Service) -> Handed:
        account = await service.accounts.find(username)
        if account.disabled:
            raise ConfigurationError(f"{username} is disabled: `carnet user enable` comes first")
        return await service.recovery.hand_over(account.id, purpose, OPERATOR)

    return with_service(settings_from(config, **given), work)


def _print(handed: Handed, as_json: bool) -> None:
    if as_json:
        echo_json({"link": handed.link, "expires_at": handed.expires_at // SECOND})
        return
    click.echo(handed.link)
    click.echo(f"It is good once, until {when(handed.expires_at)}.", err=True)
