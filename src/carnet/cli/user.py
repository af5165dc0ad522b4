"""``carnet user``: accounts, made and changed where the database is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Any

import click
import msgspec

from carnet.cli.new_password import ask_password
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.tables import show_table
from carnet.cli.times import when
from carnet.cli.user_merging import merge, rename
from carnet.cli.user_recovery import email, invite, recover, reset_link
from carnet.cli.user_transfer import export_accounts, import_accounts
from carnet.errors import ConfigurationError
from carnet.server.accounts.accounts import Account
from carnet.server.audit import OPERATOR
from carnet.server.factors.factors import Factor
from carnet.server.service import Service
from carnet.server.sessions.identities import Identity

__all__ = ["user"]

password_option = click.option(
    "--password-file",
    type=click.File("r"),
    metavar="FILE",
    help="Read the password from a file's first line, or from a pipe with '-'.",
)


@click.group()
def user() -> None:
    """Make, change and list the accounts of the service."""


for _command in (email, invite, merge, recover, rename, reset_link):
    user.add_command(_command)
user.add_command(import_accounts)
user.add_command(export_accounts)


@user.command()
@click.argument("username")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="May be repeated.")
@click.option("--claims", metavar="JSON", help="Custom claims for the account's tokens.")
@password_option
@json_option
@data_options
def add(
    username: str,
    roles: tuple[str, ...],
    claims: str | None,
    password_file: IO[str] | None,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Make an account; the password is asked for.

    \b
    Examples:
      carnet user add alice --role ADMIN
      carnet user add alice --password-file - < password.txt
    """
    settings = settings_from(config, **given)
    more = _claims(claims)
    password = _read_password(password_file)
    account = with_service(
        settings, lambda service: service.accounts.create(username, password, roles, more)
    )
    if as_json:
        echo_json(account._asdict())
    else:
        held = f" with {', '.join(account.roles)}" if account.roles else ""
        click.echo(f"{account.username} can sign in{held}")


@user.command("list")
@json_option
@data_options
def list_accounts(as_json: bool, config: Path | None, **given: Any) -> None:
    """List the accounts; with --json also whom other issuers know them as."""
    accounts, identities = with_service(settings_from(config, **given), _all, reading=True)
    if as_json:
        known: dict[str, list[dict[str, str]]] = {account.id: [] for account in accounts}
        for one in identities:
            known.setdefault(one.account_id, []).append(
                {"issuer": one.issuer, "subject": one.subject}
            )
        echo_json([{**one._asdict(), "identities": known[one.id]} for one in accounts])
        return
    if not accounts:
        click.echo("There are no accounts yet: add one with `carnet user add NAME`.")
    show_table(
        ("account", "roles", ""),
        [(one.username, ", ".join(one.roles) or "-", _state(one)) for one in accounts],
    )


@user.command()
@click.argument("username")
@click.argument("role_names", nargs=-1, metavar="[ROLE]...")
@data_options
def roles(username: str, role_names: tuple[str, ...], config: Path | None, **given: Any) -> None:
    """Give an account these roles instead of those it has; older tokens are stale at once."""

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.accounts.set_roles(account.id, role_names, OPERATOR)

    with_service(settings_from(config, **given), work)
    click.echo(f"{username} has the roles: {', '.join(sorted(set(role_names))) or 'none'}")


@user.command()
@click.argument("username")
@click.argument("document", metavar="JSON")
@data_options
def claims(username: str, document: str, config: Path | None, **given: Any) -> None:
    """Give an account these claims instead of those it has; older tokens are stale at once."""
    wanted = _claims(document)

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.accounts.set_claims(account.id, wanted, OPERATOR)

    with_service(settings_from(config, **given), work)
    click.echo(f"{username} has the claims: {', '.join(sorted(wanted)) or 'none'}")


@user.command()
@click.argument("username")
@password_option
@data_options
def password(
    username: str, password_file: IO[str] | None, config: Path | None, **given: Any
) -> None:
    """Give an account another password, and end its sessions."""
    settings = settings_from(config, **given)
    new = _read_password(password_file)

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.accounts.set_password(account.id, new, OPERATOR)

    with_service(settings, work)
    click.echo(f"{username} has a new password, and is signed out everywhere")


@user.command()
@click.argument("username")
@json_option
@data_options
def factors(username: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """List the second factors of an account."""

    async def work(service: Service) -> tuple[list[Factor], int]:
        account = await service.accounts.find(username)
        found = await service.factors.of_account(account.id)
        return found, await service.factors.recovery_codes_left(account.id)

    found, codes_left = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        echo_json({"factors": [one._asdict() for one in found], "recovery_codes_left": codes_left})
        return
    if not found:
        click.echo(f"{username} signs in with the password alone")
        return
    show_table(
        ("kind", "name", "added", "used", "id"),
        [
            (
                *(one.kind, one.name, when(one.created_at)),
                "never" if one.used_at is None else when(one.used_at),
                one.id,
            )
            for one in found
        ],
    )
    click.echo(f"recovery codes left: {codes_left}")


@user.command("remove-factor")
@click.argument("username")
@click.argument("factor")
@data_options
def remove_factor(username: str, factor: str, config: Path | None, **given: Any) -> None:
    """Remove one second factor of an account, and end its sessions.

    FACTOR is its id, the last thing on its line of `carnet user factors`.
    """

    async def work(service: Service) -> bool:
        account = await service.accounts.find(username)
        return await service.factors.remove(account, factor, None, OPERATOR)

    if not with_service(settings_from(config, **given), work):
        raise ConfigurationError(
            f"{username} has no such factor; `carnet user factors {username}` shows them"
        )
    click.echo(f"the factor is removed, and {username} is signed out everywhere")


@user.command("reset-factors")
@click.argument("username")
@data_options
def reset_factors(username: str, config: Path | None, **given: Any) -> None:
    """Remove the second factors of an account that has lost them, and end its sessions."""

    async def work(service: Service) -> int:
        account = await service.accounts.find(username)
        return await service.factors.reset(account.id, OPERATOR)

    removed = with_service(settings_from(config, **given), work)
    if not removed:
        click.echo(f"{username} has no second factor")
        return
    click.echo(f"{username} signs in with the password alone, and is signed out everywhere")


@user.command()
@click.argument("username")
@data_options
def disable(username: str, config: Path | None, **given: Any) -> None:
    """Keep an account from signing in, and end its sessions."""

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.accounts.disable(account.id, OPERATOR)

    with_service(settings_from(config, **given), work)
    click.echo(f"{username} can no longer sign in")


@user.command()
@click.argument("username")
@data_options
def enable(username: str, config: Path | None, **given: Any) -> None:
    """Let an account sign in again."""

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.accounts.enable(account.id, OPERATOR)

    with_service(settings_from(config, **given), work)
    click.echo(f"{username} can sign in again")


@user.command()
@click.argument("username")
@data_options
def delete(username: str, config: Path | None, **given: Any) -> None:
    """Delete an account at once, and end its sessions; that can't be undone."""

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.deletions.delete(account.id, OPERATOR)

    with_service(settings_from(config, **given), work)
    click.echo(f"{username} is deleted")


@user.command()
@click.argument("username")
@click.argument("issuer")
@click.argument("subject")
@data_options
def link(username: str, issuer: str, subject: str, config: Path | None, **given: Any) -> None:
    """Let another issuer say that somebody is this account, by the sub of its tokens.

    \b
    Example:
      carnet user link alice https://idp.example.com U019488227
    """

    async def work(service: Service) -> None:
        account = await service.accounts.find(username)
        await service.identities.link(account.id, issuer, subject, OPERATOR)

    with_service(settings_from(config, **given), work)
    click.echo(f"{username} is linked to {subject} of {issuer}")


@user.command()
@click.argument("username")
@click.argument("issuer")
@click.argument("subject")
@data_options
def unlink(username: str, issuer: str, subject: str, config: Path | None, **given: Any) -> None:
    """Take that back, and end what began with it."""

    async def work(service: Service) -> bool:
        account = await service.accounts.find(username)
        return await service.identities.unlink(account.id, issuer, subject, OPERATOR)

    if not with_service(settings_from(config, **given), work):
        raise ConfigurationError(
            f"{username} has no such link; `carnet user list --json` shows those that there are"
        )
    click.echo(f"{username} is no longer linked to {subject} of {issuer}")


async def _all(service: Service) -> tuple[list[Account], list[Identity]]:
    accounts: list[Account] = []
    while page := await service.accounts.page(accounts[-1].username if accounts else ""):
        accounts += page
    return accounts, await service.identities.all()


def _claims(text: str | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.MsgspecError:
        raise ConfigurationError(
            """the claims must be a JSON object, such as '{"department": "press"}'"""
        ) from None


def _read_password(file: IO[str] | None) -> str:
    if file is not None:
        return file.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password: use --password-file")
    return ask_password()


def _state(account: Account) -> str:
    told = ["disabled"] if account.disabled else []
    if account.delete_at:
        told.append(f"deleted on {when(account.delete_at)}")
    return ", ".join(told)
