"""``carnet client``: the programs that may ask for tokens."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Final, get_args

import click
import msgspec

from carnet.cli.durations import parse_duration
from carnet.cli.members import Members, naming_options, read_json_file
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.registration_token import registration_token
from carnet.cli.running import with_service
from carnet.jose.algorithms import ENCRYPTIONS
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import (
    DEVICE_CODE,
    FIRST_PARTY_CLIENT,
    JWT_BEARER,
    TOKEN_EXCHANGE,
    Client,
    ClientMetadata,
    ClientRefused,
)
from carnet.server.clients.configuration import utc, with_members
from carnet.server.clients.unregistered import UnregisteredClient
from carnet.server.clock import SECOND, now
from carnet.server.factors.levels import ACR_VALUES
from carnet.server.service import Service
from carnet.server.settings import Algorithm, Settings
from carnet.server.tokens.logout_notices import LogoutFailure

__all__ = ["client", "client_document"]

GRANTS: Final = {
    "authorization_code": "authorization_code",
    "refresh_token": "refresh_token",
    "client_credentials": "client_credentials",
    "device_code": DEVICE_CODE,
    "token-exchange": TOKEN_EXCHANGE,
    "jwt-bearer": JWT_BEARER,
}
CODE: Final = ("authorization_code", "refresh_token")
METHODS: Final = {
    "none": "none",
    "basic": "client_secret_basic",
    "post": "client_secret_post",
    "key": "private_key_jwt",
    "federated": "federated_jwt",
}
UNTIL_REMOVED: Final = "until-removed"

# The option that each member of the metadata is given with, and what else `click` is told of it.
OPTIONS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "redirect_uris": (
        "--redirect-uri",
        {"multiple": True, "metavar": "URL", "help": "Repeatable."},
    ),
    "post_logout_redirect_uris": (
        "--post-logout-redirect-uri",
        {"multiple": True, "metavar": "URL", "help": "Repeatable."},
    ),
    "backchannel_logout_uri": (
        "--backchannel-logout-uri",
        {"metavar": "URL", "help": "Is told when a session ends."},
    ),
    "grant_types": (
        "--grant",
        {
            "multiple": True,
            "type": click.Choice(tuple(GRANTS)),
            "help": "Repeatable; for a new client by default authorization_code and refresh_token "
            "where it has a redirect URI, client_credentials where it has none.",
        },
    ),
    "scope": (
        "--scope",
        {"metavar": "SCOPES", "help": "What it may ask for, with spaces between."},
    ),
    "token_endpoint_auth_method": (
        "--auth",
        {
            "type": click.Choice(tuple(METHODS)),
            "help": "How it proves who it is, basic by default; none is for apps in browsers and "
            "on phones.",
        },
    ),
    "jwks": (
        "--jwks",
        {"type": click.File("rb"), "metavar": "FILE", "help": "Its public keys, a JWK Set."},
    ),
    "jwks_uri": (
        "--jwks-uri",
        {"metavar": "URL", "help": "Where it publishes its public keys; with --auth key."},
    ),
    "federated_credentials": (
        "--federated-credential",
        {
            "multiple": True,
            "metavar": "JSON",
            "help": "With --auth federated: tokens of this issuer with these claims prove that it "
            'is the client, {"issuer": "https://…", "claims": {"sub": "…"}}. Repeatable.',
        },
    ),
    "id_token_signed_response_alg": (
        "--id-token-alg",
        {
            "type": click.Choice(get_args(Algorithm)),
            "metavar": "ALG",
            "help": "What its ID tokens are signed with: RS256 and the like; by default the first "
            "of the setting signing_algorithms.",
        },
    ),
    "id_token_encrypted_response_alg": (
        "--encrypt-id-tokens",
        {
            "metavar": "ALG",
            "help": "Encrypt its ID tokens to its key of this algorithm, which is in --jwks.",
        },
    ),
    "id_token_encrypted_response_enc": (
        "--encryption-enc",
        {
            "type": click.Choice(tuple(ENCRYPTIONS)),
            "metavar": "ENC",
            "help": "How their content is encrypted: A256GCM and the like; A128CBC-HS256 by "
            "default.",
        },
    ),
    "resources": (
        "--resource",
        {"multiple": True, "metavar": "AUDIENCE", "help": "Repeatable."},
    ),
    "introspects": (
        "--introspects",
        {
            "multiple": True,
            "metavar": "AUDIENCE",
            "help": "It serves this audience, and may ask about its tokens. Repeatable.",
        },
    ),
    "exchange_from": (
        "--exchange-from",
        {
            "multiple": True,
            "metavar": "AUDIENCE",
            "help": "With --grant token-exchange: the client may exchange people's tokens for this "
            "audience. Repeatable.",
        },
    ),
    "exchange_to": (
        "--exchange-to",
        {
            "multiple": True,
            "metavar": "AUDIENCE",
            "help": "With --grant token-exchange: the client gets tokens for this audience in "
            "exchange. Repeatable.",
        },
    ),
    "identity_assertions": (
        "--identity-assertions",
        {
            "type": click.File("rb"),
            "metavar": "FILE",
            "help": "With --grant token-exchange: to which authorization servers it may carry the "
            "identity of people who have signed in to it, as JSON: {issuer: {client_id, "
            "resources, scopes, roles}}.",
        },
    ),
    "identity_issuers": (
        "--identity-issuer",
        {
            "multiple": True,
            "metavar": "URL",
            "help": "With --grant jwt-bearer: it may present what this issuer says of people. "
            "Repeatable.",
        },
    ),
    "first_party": (
        "--first-party/--no-first-party",
        {
            "default": None,
            "help": "It is our own: nobody is asked for consent, and its tokens carry roles and "
            "claims.",
        },
    ),
    "plain_http": (
        "--plain-http/--no-plain-http",
        {
            "default": None,
            "help": "Its addresses may be http:// on any machine, inside a private network.",
        },
    ),
    "required_acr": (
        "--required-acr",
        {
            "type": click.Choice(ACR_VALUES),
            "help": "What a sign-in for it has to amount to; aal2 is two factors.",
        },
    ),
    "dpop_bound_access_tokens": (
        "--dpop/--no-dpop",
        {"default": None, "help": "It gets key-bound tokens only (RFC 9449)."},
    ),
    "require_pushed_authorization_requests": (
        "--require-pushed-requests/--no-require-pushed-requests",
        {
            "default": None,
            "help": "It sends its authorization requests by itself before the browser comes, and "
            "no other counts (RFC 9126).",
        },
    ),
    "require_signed_request_object": (
        "--require-signed-requests/--no-require-signed-requests",
        {
            "default": None,
            "help": "It signs its authorization requests with a key in --jwks, and no other counts "
            "(RFC 9101).",
        },
    ),
    "require_pkce": (
        "--require-pkce/--no-require-pkce",
        {
            "default": None,
            "help": "Without PKCE a confidential client has to send a nonce, and nobody but the "
            "client itself can tell whether it compares it: better update the client.",
        },
    ),
    "require_nonce": (
        "--require-nonce/--no-require-nonce",
        {
            "default": None,
            "help": "With neither PKCE nor a nonce a stolen code can be used in somebody else's "
            "browser: for conformance suites alone.",
        },
    ),
}
MEMBERS: Final = Members(OPTIONS, ClientMetadata)
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
        '{"issuer": "https://token.actions.githubusercontent.com",
          "claims": {"sub": "repo:octo-org/orders:ref:refs/heads/main"}}'
      carnet client add "Orders" --grant token-exchange --exchange-from orders \\
        --exchange-to billing
      carnet client add "Shop CLI" --auth none --redirect-uri http://127.0.0.1/callback \\
        --grant authorization_code --grant device_code --grant refresh_token
      carnet client add "Bank" --redirect-uri https://bank.example.com/cb \\
        --jwks keys.json --encrypt-id-tokens ECDH-ES+A256KW
    """
    settings = settings_from(config, data=data, database=database)
    members = {"client_name": name, **_members(given)}
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
@click.option("--name", "client_name", metavar="NAME", help="What people are shown.")
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
    members = {**MEMBERS.cleared(clear), **_members(given)}
    if client_name is not None:
        members["client_name"] = client_name
    if not members:
        raise click.UsageError("name what is to change, such as --scope or --redirect-uri")
    with naming_options({"client_name": "--name", **MEMBERS.names}):
        made, secret = with_service(
            settings,
            lambda service: service.registry.edit_client(client_id, members, OPERATOR),
        )
    _show_made(made, secret, as_json, told=f"{made.id} was changed")


@client.command("list")
@click.option(
    "--unregistered", is_flag=True, help="List those that no administrator has registered."
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
        click.echo("There is no client that no administrator has registered.")
    for one in clients:
        # The name is what the client calls itself: its line says first what can be relied on.
        used = "not used yet" if one.used_at is None else f"used {utc(one.used_at):%Y-%m-%d}"
        click.echo(f"{one.client.id}  {used}  {one.client.metadata.client_name!a}")


def _members(given: dict[str, Any]) -> dict[str, Any]:
    members = MEMBERS.given(given)
    if "grant_types" in members:
        members["grant_types"] = tuple(GRANTS[name] for name in members["grant_types"])
    method: str | None = members.get("token_endpoint_auth_method")
    if method is not None:
        members["token_endpoint_auth_method"] = METHODS[method]
    keys: IO[bytes] | None = members.get("jwks")
    if keys is not None:
        members["jwks"] = read_json_file(keys, "--jwks", "a JWK Set")
    rules: IO[bytes] | None = members.get("identity_assertions")
    if rules is not None:
        members["identity_assertions"] = read_json_file(
            rules, "--identity-assertions", "what it may carry where"
        )
    if "federated_credentials" in members:
        try:
            members["federated_credentials"] = [
                msgspec.json.decode(text) for text in members["federated_credentials"]
            ]
        except msgspec.DecodeError:
            raise click.UsageError(
                "--federated-credential is a JSON object with issuer and claims"
            ) from None
    return members


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
