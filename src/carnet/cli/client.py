"""``carnet client``: the programs that may ask for tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import msgspec

from carnet.cli.client_options import CODE, MEMBERS, members_of
from carnet.cli.durations import parse_duration
from carnet.cli.members import naming_options
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.registration_token import registration_token
from carnet.cli.running import with_service
from carnet.cli.tables import show_table
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import (
    FIRST_PARTY_CLIENT,
    Client,
    ClientMetadata,
    ClientRefused,
)
from carnet.server.clients.configuration import utc, with_members
from carnet.server.clients.unregistered import UnregisteredClient
from carnet.server.clock import SECOND, now
from carnet.server.service import Service
from carnet.server.settings import Settings
from carnet.server.tokens.logout_notices import LogoutFailure

__all__ = ["client", "client_document"]

UNTIL_REMOVED: Final = "until-removed"

NAMES: Final = {"client_id": "--id", **MEMBERS.names}


@click.group()
def client() -> None:
    """Make, change and list the clients: the programs that ask for tokens."""


client.add_command(registration_token)


@client.command()
@click.argument("name")
@click.option("--id", "client_id", metavar="ID", help="Its client_id; random by default.")
@MEMBERS.options
@json_option
@data_options
def add(
    name: str,
    client_id: str | None,
    as_json: bool,
    config: Path | None,
    data: str | None,
    database: str | None,
    **given: Any,
) -> None:
    """Make a client; its secret is shown once.

    \b
    Examples:
      carnet client add "Nightly job" --scope "orders:read orders:write" --resource orders
      carnet client add "Web shop" --redirect-uri https://shop.example.com/callback
      carnet client add "Phone app" --auth none --redirect-uri com.example.app:/callback
      carnet client add "Nightly job" --auth federated --federated-credential \\
        '{"issuer": "https://k8s.example", "claims": {"sub": "system:serviceaccount:jobs:nightly"}}'
      carnet client add "Orders" --grant token-exchange --exchange-from orders \\
        --exchange-to billing
      carnet client add "Shop CLI" --auth none --redirect-uri http://127.0.0.1/callback \\
        --grant authorization_code --grant device_code --grant refresh_token
      carnet client add "Bank" --redirect-uri https://bank.example.com/cb \\
        --jwks keys.json --encrypt-id-tokens ECDH-ES+A256KW
    """
    settings = settings_from(config, data=data, database=database)
    members = {"client_name": name, **members_of(given)}
    by_default = CODE if members.get("redirect_uris") else ("client_credentials",)
    members.setdefault("grant_types", by_default)
    with naming_options(NAMES):
        metadata = with_members(ClientMetadata(), members)
        made, secret = with_service(
            settings, lambda service: service.registry.add_client(metadata, OPERATOR, client_id)
        )
    _show_made(made, secret, as_json)


@client.command()
@click.argument("client_id", metavar="ID")
@click.option("--name", "client_name", metavar="NAME", help="The name that people see.")
@MEMBERS.options
@MEMBERS.clear_option
@json_option
@data_options
def edit(
    client_id: str,
    client_name: str | None,
    clear: tuple[str, ...],
    as_json: bool,
    config: Path | None,
    data: str | None,
    database: str | None,
    **given: Any,
) -> None:
    """Change what the options name, and leave the rest of the client as it is.

    An option that may be repeated names all that there is to be from now on.

    \b
    Examples:
      carnet client edit shop --redirect-uri https://shop.example.com/callback
      carnet client edit job --scope "orders:read" --clear resource
    """
    settings = settings_from(config, data=data, database=database)
    members = {**MEMBERS.cleared(clear), **members_of(given)}
    if client_name is not None:
        members["client_name"] = client_name
    if not members:
        raise click.UsageError("say what to change, such as --scope or --redirect-uri")
    with naming_options({"client_name": "--name", **MEMBERS.names}):
        made, secret = with_service(
            settings,
            lambda service: service.registry.edit_client(client_id, members, OPERATOR),
        )
    _show_made(made, secret, as_json, told=f"{made.id} was changed")


@client.command("list")
@click.option(
    "--unregistered", is_flag=True, help="List the clients that no administrator has registered."
)
@json_option
@data_options
def list_clients(unregistered: bool, as_json: bool, config: Path | None, **given: Any) -> None:
    """List the clients: those that administrators have registered, or the others."""
    if unregistered:
        _list_unregistered(settings_from(config, **given), as_json)
        return

    async def work(service: Service) -> tuple[list[Client], dict[str, str]]:
        return service.registry.clients(), service.registry.unreadable_clients

    clients, unreadable = with_service(settings_from(config, **given), work, reading=True)
    for name in sorted(unreadable):
        click.echo(
            f"carnet: the row of the client {name} can't be read ({unreadable[name]}): it gets "
            "no tokens; remove it, or repair the row",
            err=True,
        )
    if as_json:
        echo_json([client_document(one) for one in clients])
        return
    if not clients:
        click.echo("There are no clients yet: add one with `carnet client add NAME`.")
    show_table(
        ("client_id", "name", "grants"),
        [
            (one.id, one.metadata.client_name, ", ".join(one.metadata.grant_types))
            for one in clients
        ],
    )


@client.command()
@click.argument("client_id")
@json_option
@data_options
def show(client_id: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """Show what is known of a client."""

    async def work(service: Service) -> tuple[Client | None, LogoutFailure | None]:
        found = await service.registry.find(client_id)
        return found, (await service.logout_notices.failures()).get(client_id)

    found, failure = with_service(settings_from(config, **given), work, reading=True)
    if found is None or found is FIRST_PARTY_CLIENT:
        raise ClientRefused(f"there is no client {client_id!r}", code="unknown_client")
    document = client_document(found)
    if failure is not None:
        document["logout_failure"] = {"since": failure.since // SECOND, "cause": failure.cause}
    if as_json:
        echo_json(document)
        return
    for name, value in document.items():
        told = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        click.echo(f"{name:34} {told}")


@client.command("new-secret")
@click.argument("client_id")
@click.option(
    "--keep-previous",
    "keep",
    metavar="DURATION",
    default="0",
    help=f"How long the current secret goes on working: 24h, 7d or {UNTIL_REMOVED}; by "
    "default it stops at once.",
)
@json_option
@data_options
def new_secret(client_id: str, keep: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """Give a client another secret; it is shown once.

    The current secret stops working, or goes on working for a time; older ones stop in any case.

    \b
    Examples:
      carnet client new-secret shop
      carnet client new-secret shop --keep-previous 7d
    """
    kept = None if keep == UNTIL_REMOVED else parse_duration(keep)
    secret = with_service(
        settings_from(config, **given),
        lambda service: service.registry.new_secret(client_id, OPERATOR, kept),
    )
    if as_json:
        echo_json({"client_id": client_id, "client_secret": secret})
        return
    _show_secret(secret)


@client.command("remove-previous-secret")
@click.argument("client_id")
@data_options
def remove_previous_secret(client_id: str, config: Path | None, **given: Any) -> None:
    """End the secret that a client had before its current one."""
    with_service(
        settings_from(config, **given),
        lambda service: service.registry.remove_previous_secret(client_id, OPERATOR),
    )
    click.echo(f"the previous secret of {client_id} has stopped working")


@client.command()
@click.argument("client_id")
@data_options
def remove(client_id: str, config: Path | None, **given: Any) -> None:
    """Remove a client, and end its sessions."""
    ended = with_service(
        settings_from(config, **given),
        lambda service: service.registry.remove_client(client_id, OPERATOR),
    )
    click.echo(f"{client_id} is removed; ended {ended} session{'' if ended == 1 else 's'}")


def client_document(client: Client) -> dict[str, Any]:
    """Write a client as JSON holds it, without its secrets' hashes."""
    members = msgspec.to_builtins(client.metadata)
    document = {"client_id": client.id, **members}
    if client.unregistered:
        document["unregistered"] = True
    until = client.secrets.at(now()).previous_expires_at
    return document if until is None else {**document, "previous_secret_expires_at": until}


def _list_unregistered(settings: Settings, as_json: bool) -> None:
    async def work(service: Service) -> tuple[list[UnregisteredClient], dict[str, str]]:
        clients: list[UnregisteredClient] = []
        unreadable: dict[str, str] = {}
        last: str | None = ""
        while last is not None:
            found, wrong, last = await service.registry.unregistered.page(last)
            clients += found
            unreadable |= wrong
        return clients, unreadable

    clients, unreadable = with_service(settings, work, reading=True)
    for name, reason in unreadable.items():
        click.echo(f"carnet: the row of the client {name} can't be read ({reason})", err=True)
    if as_json:
        echo_json([client_document(one.client) for one in clients])
        return
    if not clients:
        click.echo("There are no unregistered clients.")
    show_table(
        ("client_id", "used", "calls itself"),
        [
            (
                one.client.id,
                "not yet" if one.used_at is None else f"{utc(one.used_at):%Y-%m-%d}",
                ascii(one.client.metadata.client_name),
            )
            for one in clients
        ],
    )


def _show_made(made: Client, secret: str | None, as_json: bool, told: str | None = None) -> None:
    if as_json:
        shown = client_document(made)
        echo_json(shown if secret is None else {**shown, "client_secret": secret})
        return
    click.echo(told or f"client_id      {made.id}")
    if secret is not None:
        _show_secret(secret)


def _show_secret(secret: str) -> None:
    click.echo(f"client_secret  {secret}")
    click.echo("Keep the secret now: it is not shown again.", err=True)
