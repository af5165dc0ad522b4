"""``carnet client registration-token``: what lets clients register themselves."""

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
from carnet.server.clients.registration_tokens import RegistrationToken
from carnet.server.clock import SECOND, now
from carnet.server.service import Service

__all__ = ["registration_token"]

UNTIL_REVOKED: Final = "until-revoked"


@click.group("registration-token")
def registration_token() -> None:
    """Let clients register themselves, where client_registration is `token`."""


@registration_token.command()
@click.option(
    "--expires-in",
    metavar="DURATION",
    default="7d",
    help=f"How long it is valid: 1h, 30d or {UNTIL_REVOKED}. [default: 7d]",
)
@click.option(
    "--uses",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="How many clients may register with it; by default any number.",
)
@json_option
@data_options
def create(
    expires_in: str, uses: int | None, as_json: bool, config: Path | None, **given: Any
) -> None:
    """Make an initial access token (RFC 7591); it is shown once.

    A client sends it as `Authorization: Bearer` when it registers itself.

    \b
    Examples:
      carnet client registration-token create --expires-in 1h --uses 1
      carnet client registration-token create --expires-in 30d --json
    """
    lifetime = None if expires_in == UNTIL_REVOKED else parse_duration(expires_in)
    if lifetime == 0:
        raise click.UsageError("a registration token needs a lifetime of at least one second")
    settings = settings_from(config, **given)
    made, text = with_service(
        settings, lambda service: service.registrations.tokens.create(OPERATOR, lifetime, uses)
    )
    if settings.client_registration == "off":
        click.echo(
            "carnet: the setting client_registration is off here: the token can't be used until "
            "it is `token`",
            err=True,
        )
    if as_json:
        echo_json({**_document(made), "token": text})
        return
    click.echo(f"id     {made.id}\ntoken  {text}")
    click.echo("Keep the token now: it is not shown again.", err=True)


@registration_token.command("list")
@json_option
@data_options
def list_tokens(as_json: bool, config: Path | None, **given: Any) -> None:
    """List the tokens, without the tokens themselves."""

    async def work(service: Service) -> list[RegistrationToken]:
        return await service.registrations.tokens.all()

    tokens = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        echo_json([_document(one) for one in tokens])
        return
    if not tokens:
        click.echo(
            "There are no tokens yet: create one with `carnet client registration-token create`."
        )
    show_table(
        ("id", "used", "of", "until"),
        [
            (
                *(one.id, str(one.uses)),
                "any number" if one.most_uses is None else str(one.most_uses),
                _end(one),
            )
            for one in tokens
        ],
    )


@registration_token.command()
@click.argument("token_id", metavar="ID")
@data_options
def revoke(token_id: str, config: Path | None, **given: Any) -> None:
    """End a token; the clients that were registered with it stay."""
    with_service(
        settings_from(config, **given),
        lambda service: service.registrations.tokens.revoke(token_id, OPERATOR),
    )
    click.echo(f"the registration token {token_id} has stopped working")


def _document(token: RegistrationToken) -> dict[str, Any]:
    expires_at = None if token.expires_at is None else token.expires_at // SECOND
    return {
        "id": token.id,
        "created_at": token.created_at // SECOND,
        "expires_at": expires_at,
        "uses": token.uses,
        "most_uses": token.most_uses,
    }


def _end(token: RegistrationToken) -> str:
    if token.expires_at is None:
        return "it is revoked"
    over = " (over)" if token.expires_at <= now() else ""
    return f"{when(token.expires_at)}{over}"
