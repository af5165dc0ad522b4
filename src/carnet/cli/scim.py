"""``carnet scim``: what lets a company's directory keep accounts here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from carnet.cli.durations import parse_duration
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.tables import show_table
from carnet.cli.times import when
from carnet.server.audit import OPERATOR
from carnet.server.clock import SECOND, now
from carnet.server.scim.tokens import ScimToken
from carnet.server.service import Service

__all__ = ["scim"]

UNTIL_REVOKED: Final = "until-revoked"


@click.group()
def scim() -> None:
    """Let a company's directory keep accounts here, by SCIM 2.0."""


@scim.command()
@click.argument("username")
@data_options
def adopt(username: str, config: Path | None, **given: Any) -> None:
    """Hand an account to the directory, which sees and changes it from now on.

    The directory sees the accounts that it has made, and no others, until they are handed to it.

    \b
    Example:
      carnet scim adopt alice
    """
    adopted = with_service(
        settings_from(config, **given), lambda service: service.scim.users.adopt(username, OPERATOR)
    )
    click.echo(f"the directory keeps {adopted.content['userName']} from now on")


@scim.group()
def token() -> None:
    """Make, list and revoke what the directory proves itself with."""


@token.command()
@click.option(
    "--expires-in",
    metavar="DURATION",
    default="365d",
    help=f"How long it is good: 90d, 365d or {UNTIL_REVOKED}. [default: 365d]",
)
@json_option
@data_options
def create(expires_in: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """Make a token for the directory; it is shown once.

    The directory sends it as `Authorization: Bearer` to /scim/v2.

    \b
    Examples:
      carnet scim token create
      carnet scim token create --expires-in 90d --json
    """
    lifetime = None if expires_in == UNTIL_REVOKED else parse_duration(expires_in)
    if lifetime == 0:
        raise click.UsageError("a token that is good for no time lets nobody in")
    settings = settings_from(config, **given)
    made, text = with_service(
        settings, lambda service: service.scim.tokens.create(OPERATOR, lifetime)
    )
    if settings.scim is None:
        click.echo(
            "carnet: there is no [scim] in the settings here: the token lets nobody in until there "
            "is",
            err=True,
        )
    address = f"{settings.own_url}/scim/v2"
    if as_json:
        echo_json({**_document(made), "url": address, "token": text})
        return
    click.echo(f"id     {made.id}\nurl    {address}\ntoken  {text}")
    click.echo("Keep the token now: it is not shown again.", err=True)


@token.command("list")
@json_option
@data_options
def list_tokens(as_json: bool, config: Path | None, **given: Any) -> None:
    """List the tokens, without the tokens themselves."""

    async def work(service: Service) -> list[ScimToken]:
        return await service.scim.tokens.all()

    tokens = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        echo_json([_document(one) for one in tokens])
        return
    if not tokens:
        click.echo("There is no token yet: make one with `carnet scim token create`.")
    show_table(
        ("id", "made", "until"), [(one.id, when(one.created_at), _end(one)) for one in tokens]
    )


@token.command()
@click.argument("token_id", metavar="ID")
@data_options
def revoke(token_id: str, config: Path | None, **given: Any) -> None:
    """End a token at once; the accounts that the directory has made stay."""
    with_service(
        settings_from(config, **given),
        lambda service: service.scim.tokens.revoke(token_id, OPERATOR),
    )
    click.echo(f"the SCIM token {token_id} has stopped working")


def _document(token: ScimToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "created_at": token.created_at // SECOND,
        "expires_at": None if token.expires_at is None else token.expires_at // SECOND,
    }


def _end(token: ScimToken) -> str:
    if token.expires_at is None:
        return "it is revoked"
    over = " (over)" if token.expires_at <= now() else ""
    return f"{when(token.expires_at)}{over}"
