"""``carnet client``: the programs that may ask for tokens."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import click
import msgspec

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.errors import ConfigurationError
from carnet.jose.algorithms import ENCRYPTIONS
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import Client, ClientMetadata, ClientRefused
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.tokens.logout_notices import LogoutFailure

__all__ = ["client", "client_document"]

GRANTS = ("authorization_code", "refresh_token", "client_credentials")
METHODS = {
    "none": "none",
    "basic": "client_secret_basic",
    "post": "client_secret_post",
    "key": "private_key_jwt",
}


@click.group()
def client() -> None:
    """Make, change and list the clients: the programs that ask for tokens."""


@client.command()
@click.argument("name")
@click.option("--id", "client_id", metavar="ID", help="Its client_id; random by default.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, metavar="URL", help="Repeatable.")
@click.option(
    "--post-logout-redirect-uri",
    "post_logout_redirect_uris",
    multiple=True,
    metavar="URL",
    help="Repeatable.",
)
@click.option("--backchannel-logout-uri", metavar="URL", help="Is told when a session ends.")
@click.option(
    "--grant",
    "grant_types",
    multiple=True,
    type=click.Choice(GRANTS),
    help="Repeatable; by default authorization_code and refresh_token where it has a redirect "
    "URI, client_credentials where it has none.",
)
@click.option("--scope", metavar="SCOPES", help="What it may ask for, with spaces between.")
@click.option(
    "--auth",
    "method",
    type=click.Choice(tuple(METHODS)),
    default="basic",
    show_default=True,
    help="How it proves who it is; none is for apps in browsers and on phones.",
)
@click.option("--jwks", type=click.File("rb"), metavar="FILE", help="Its public keys, a JWK Set.")
@click.option(
    "--encrypt-id-tokens",
    "encryption_alg",
    metavar="ALG",
    help="Encrypt its ID tokens to its key of this algorithm, which is in --jwks.",
)
@click.option(
    "--encryption-enc",
    type=click.Choice(tuple(ENCRYPTIONS)),
    metavar="ENC",
    help="How their content is encrypted: A256GCM and the like; A128CBC-HS256 by default.",
)
@click.option("--resource", "resources", multiple=True, metavar="AUDIENCE", help="Repeatable.")
@click.option(
    "--introspects",
    multiple=True,
    metavar="AUDIENCE",
    help="It serves this audience, and may ask about its tokens. Repeatable.",
)
@click.option(
    "--first-party",
    is_flag=True,
    help="It is our own: nobody is asked for consent, and its tokens carry roles and claims.",
)
@click.option("--dpop", "bound", is_flag=True, help="It gets key-bound tokens only (RFC 9449).")
@json_option
@data_options
def add(
    name: str,
    client_id: str | None,
    redirect_uris: tuple[str, ...],
    post_logout_redirect_uris: tuple[str, ...],
    backchannel_logout_uri: str | None,
    grant_types: tuple[Any, ...],
    scope: str | None,
    method: str,
    jwks: IO[bytes] | None,
    encryption_alg: str | None,
    encryption_enc: str | None,
    resources: tuple[str, ...],
    introspects: tuple[str, ...],
    first_party: bool,
    bound: bool,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Make a client; its secret is shown once.

    \b
    Examples:
      carnet client add "Nightly job" --scope "orders:read orders:write" --resource orders
      carnet client add "Web shop" --redirect-uri https://shop.example.com/callback
      carnet client add "Phone app" --auth none --redirect-uri com.example.app:/callback
      carnet client add "Bank" --redirect-uri https://bank.example.com/cb \\
        --jwks keys.json --encrypt-id-tokens ECDH-ES+A256KW
    """
    settings = settings_from(config, **given)
    members: dict[str, Any] = {
        "client_name": name,
        "redirect_uris": redirect_uris,
        "post_logout_redirect_uris": post_logout_redirect_uris,
        "backchannel_logout_uri": backchannel_logout_uri,
        "grant_types": grant_types or (GRANTS[:2] if redirect_uris else GRANTS[2:]),
        "scope": scope or "",
        "token_endpoint_auth_method": METHODS[method],
        "jwks": None if jwks is None else _read_jwks(jwks),
        "resources": resources,
        "introspects": introspects,
        "first_party": first_party,
        "dpop_bound_access_tokens": bound,
    }
    if encryption_alg is not None:
        members["id_token_encrypted_response_alg"] = encryption_alg
    if encryption_enc is not None:
        members["id_token_encrypted_response_enc"] = encryption_enc
    try:
        metadata = msgspec.convert(members, ClientMetadata)
    except msgspec.ValidationError as error:
        raise ClientRefused(str(error)) from None
    made, secret = with_service(
        settings, lambda service: service.registry.add_client(metadata, OPERATOR, client_id)
    )
    if as_json:
        shown = client_document(made)
        echo_json(shown if secret is None else {**shown, "client_secret": secret})
        return
    click.echo(f"client_id      {made.id}")
    if secret is not None:
        click.echo(f"client_secret  {secret}")
        click.echo("Keep the secret now: it is not shown again.", err=True)


@client.command("list")
@json_option
@data_options
def list_clients(as_json: bool, config: Path | None, **given: Any) -> None:
    """List the clients."""

    async def work(service: Service) -> tuple[list[Client], dict[str, str]]:
        return service.registry.clients(), service.registry.unreadable_clients

    clients, unreadable = with_service(settings_from(config, **given), work, reading=True)
    for name in sorted(unreadable):
        click.echo(
            f"carnet: the row of the client {name} can't be read ({unreadable[name]}): it gets no "
            "tokens; remove it, or put the row right",
            err=True,
        )
    if as_json:
        echo_json([client_document(one) for one in clients])
        return
    if not clients:
        click.echo("There is no client yet: make one with `carnet client add NAME`.")
    for one in clients:
        grants = ", ".join(one.metadata.grant_types)
        click.echo(f"{one.id:24} {one.metadata.client_name:24} {grants}")


@client.command()
@click.argument("client_id")
@json_option
@data_options
def show(client_id: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """Show what is known of a client."""

    async def work(service: Service) -> tuple[Client | None, LogoutFailure | None]:
        clients = {one.id: one for one in service.registry.clients()}
        return clients.get(client_id), (await service.logout_notices.failures()).get(client_id)

    found, failure = with_service(settings_from(config, **given), work, reading=True)
    if found is None:
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
@json_option
@data_options
def new_secret(client_id: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """Give a client another secret; the previous one stops working."""
    secret = with_service(
        settings_from(config, **given),
        lambda service: service.registry.new_secret(client_id, OPERATOR),
    )
    if as_json:
        echo_json({"client_id": client_id, "client_secret": secret})
        return
    click.echo(f"client_secret  {secret}")
    click.echo("Keep the secret now: it is not shown again.", err=True)


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
    """Write a client as JSON holds it, without its secret's hash."""
    members = msgspec.to_builtins(client.metadata)
    return {"client_id": client.id, **members}


def _read_jwks(file: IO[bytes]) -> Any:
    try:
        return msgspec.json.decode(file.read())
    except msgspec.DecodeError:
        raise ConfigurationError("the file of --jwks is a JWK Set: a JSON object") from None
