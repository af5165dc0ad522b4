"""``carnet resource``: the services that tokens are for."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import click
import msgspec

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientRefused
from carnet.server.clients.resources import Resource, ResourceMetadata
from carnet.server.service import Service

__all__ = ["resource"]


@click.group()
def resource() -> None:
    """Make and list what tokens are for, besides the setting audiences."""


@resource.command()
@click.argument("audience")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="Repeatable.")
@click.option(
    "--release",
    "releases",
    multiple=True,
    metavar="SCOPE=CLAIM,…",
    help="The claims of an account that a scope releases into its tokens; repeatable.",
)
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="CLAIM",
    help="What tokens of first-party clients for it carry of an account, such as roles; "
    "repeatable. By default the roles and every claim.",
)
@click.option("--no-claims", is_flag=True, help="They carry nothing of an account but sub.")
@click.option("--alg", metavar="ALG", help="The algorithm that its tokens are signed with.")
@click.option(
    "--encryption-key",
    type=click.File("rb"),
    metavar="FILE",
    help="A public JWK; its tokens are encrypted to it.",
)
@click.option("--enc", default="A256GCM", show_default=True, help="The content encryption.")
@json_option
@data_options
def add(
    audience: str,
    scopes: tuple[str, ...],
    releases: tuple[str, ...],
    claims: tuple[str, ...],
    no_claims: bool,
    alg: str | None,
    encryption_key: IO[bytes] | None,
    enc: str,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Make a resource: a service that tokens may be for.

    \b
    Examples:
      carnet resource add invoices --scope invoices:read --scope invoices:write
      carnet resource add hr --scope hr:read --release hr:read=department,cost_centre --claim roles
      carnet resource add https://api.example.com --encryption-key public.jwk
    """
    if claims and no_claims:
        raise click.UsageError("name the claims with --claim, or say --no-claims")
    settings = settings_from(config, **given)
    members = {
        "scopes": scopes,
        "scope_claims": dict(_release(text) for text in releases),
        "claims": claims if claims or no_claims else None,
        "signing_alg": alg,
        "encryption_key": None if encryption_key is None else _read_jwk(encryption_key),
        "encryption_enc": enc,
    }
    try:
        metadata = msgspec.convert(members, ResourceMetadata)
    except msgspec.ValidationError as error:
        raise ClientRefused(str(error)) from None
    made = with_service(
        settings, lambda service: service.registry.add_resource(audience, metadata, OPERATOR)
    )
    if as_json:
        echo_json(_document(made))
    else:
        click.echo(f"tokens may be for {made.audience}")


@resource.command("list")
@json_option
@data_options
def list_resources(as_json: bool, config: Path | None, **given: Any) -> None:
    """List everything that tokens may be for."""

    async def work(service: Service) -> list[Resource]:
        found = (service.registry.resource(name) for name in service.registry.audiences)
        return [one for one in found if one is not None]

    resources = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        echo_json([_document(one) for one in resources])
        return
    for one in resources:
        known = one.metadata
        told = [f"{name}={','.join(names)}" for name, names in known.scope_claims.items()]
        released = f"  releases {' '.join(told)}" if told else ""
        narrowed = "" if known.claims is None else f"  claims {','.join(known.claims) or 'none'}"
        encrypted = "" if one.key is None else f"  encrypted with {one.key.alg}"
        scopes = " ".join(known.scopes) or "-"
        click.echo(f"{one.audience:32} {scopes}{released}{narrowed}{encrypted}")


@resource.command()
@click.argument("audience")
@data_options
def remove(audience: str, config: Path | None, **given: Any) -> None:
    """Remove a resource: no more tokens are made for it."""
    with_service(
        settings_from(config, **given),
        lambda service: service.registry.remove_resource(audience, OPERATOR),
    )
    click.echo(f"{audience} is removed")


def _document(resource: Resource) -> dict[str, Any]:
    return {"audience": resource.audience, **msgspec.to_builtins(resource.metadata)}


def _release(text: str) -> tuple[str, list[str]]:
    scope, _, names = text.partition("=")
    claims = [name.strip() for name in names.split(",") if name.strip()]
    if not scope or not claims:
        raise click.UsageError("--release names a scope and claims, such as hr:read=department")
    return scope, claims


def _read_jwk(file: IO[bytes]) -> Any:
    try:
        return msgspec.json.decode(file.read())
    except msgspec.DecodeError:
        raise ConfigurationError("the file of --encryption-key is a JWK: a JSON object") from None
