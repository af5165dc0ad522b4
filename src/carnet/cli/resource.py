"""``carnet resource``: the services that tokens are for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from carnet.cli.members import Members, naming_options, read_json_file
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.tables import show_table
from carnet.server.audit import OPERATOR
from carnet.server.clients.configuration import with_members
from carnet.server.clients.resources import Resource, ResourceMetadata
from carnet.server.service import Service

__all__ = ["resource"]

# The option that each member of the metadata is given with, and what else `click` is told of it.
MEMBERS: Final = Members(
    {
        "scopes": ("--scope", {"multiple": True, "metavar": "SCOPE", "help": "Repeatable."}),
        "scope_claims": (
            "--release",
            {
                "multiple": True,
                "metavar": "SCOPE=CLAIM,…",
                "help": "The account's claims that a scope releases into its tokens; repeatable.",
            },
        ),
        "claims": (
            "--claim",
            {
                "multiple": True,
                "metavar": "CLAIM",
                "help": "What of the account first-party clients' tokens for it carry, such as "
                "roles; repeatable. By default the roles and every claim.",
            },
        ),
        "signing_alg": (
            "--alg",
            {"metavar": "ALG", "help": "The algorithm that signs its tokens."},
        ),
        "encryption_key": (
            "--encryption-key",
            {
                "type": click.File("rb"),
                "metavar": "FILE",
                "help": "A public JWK; its tokens are encrypted to it.",
            },
        ),
        "encryption_enc": (
            "--enc",
            {"metavar": "ENC", "help": "The content encryption, A256GCM by default."},
        ),
        "unregistered_clients": (
            "--unregistered-clients/--no-unregistered-clients",
            {
                "default": None,
                "help": "Whether clients that no administrator has registered may request "
                "tokens for it; off by default.",
            },
        ),
    },
    ResourceMetadata,
)
no_claims_option = click.option(
    "--no-claims", is_flag=True, help="They carry nothing about the account except sub."
)


@click.group()
def resource() -> None:
    """Make, change and list what tokens are for, besides the setting audiences."""


@resource.command()
@click.argument("audience")
@MEMBERS.options
@no_claims_option
@json_option
@data_options
def add(
    audience: str,
    no_claims: bool,
    as_json: bool,
    config: Path | None,
    data: str | None,
    database: str | None,
    **given: Any,
) -> None:
    """Make a resource: a service that tokens may be for.

    \b
    Examples:
      carnet resource add invoices --scope invoices:read --scope invoices:write
      carnet resource add hr --scope hr:read --release hr:read=department,cost_centre --claim roles
      carnet resource add https://api.example.com --encryption-key public.jwk
      carnet resource add https://mcp.example.com/ --scope tools:call --unregistered-clients
    """
    settings = settings_from(config, data=data, database=database)
    members = _members(given, no_claims)
    with naming_options(MEMBERS.names):
        metadata = with_members(ResourceMetadata(), members)
        made = with_service(
            settings, lambda service: service.registry.add_resource(audience, metadata, OPERATOR)
        )
    if as_json:
        echo_json(_document(made))
    else:
        click.echo(f"tokens may be for {made.audience}")


@resource.command()
@click.argument("audience")
@MEMBERS.options
@no_claims_option
@MEMBERS.clear_option
@json_option
@data_options
def edit(
    audience: str,
    no_claims: bool,
    clear: tuple[str, ...],
    as_json: bool,
    config: Path | None,
    data: str | None,
    database: str | None,
    **given: Any,
) -> None:
    """Change what the options name, and leave the rest of the resource as it is.

    An option that may be repeated names all that there is to be from now on.

    \b
    Examples:
      carnet resource edit invoices --scope invoices:read
      carnet resource edit hr --claim roles --clear release
    """
    settings = settings_from(config, data=data, database=database)
    members = {**MEMBERS.cleared(clear), **_members(given, no_claims)}
    if not members:
        raise click.UsageError("say what to change, such as --scope or --claim")
    with naming_options(MEMBERS.names):
        made = with_service(
            settings, lambda service: service.registry.edit_resource(audience, members, OPERATOR)
        )
    if as_json:
        echo_json(_document(made))
    else:
        click.echo(f"{made.audience} was changed")


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
    show_table(
        ("resource", "scopes", "besides"),
        [
            (one.audience, " ".join(one.metadata.scopes) or "-", "; ".join(_besides(one)))
            for one in resources
        ],
    )


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


def _besides(resource: Resource) -> Iterator[str]:
    known = resource.metadata
    released = [f"{name}={','.join(names)}" for name, names in known.scope_claims.items()]
    if released:
        yield f"releases {' '.join(released)}"
    if known.claims is not None:
        yield f"claims {','.join(known.claims) or 'none'}"
    if resource.key is not None:
        yield f"encrypted with {resource.key.alg}"
    if known.unregistered_clients:
        yield "open to unregistered clients"


def _document(resource: Resource) -> dict[str, Any]:
    return {"audience": resource.audience, **msgspec.to_builtins(resource.metadata)}


def _members(given: dict[str, Any], no_claims: bool) -> dict[str, Any]:
    members = MEMBERS.given(given)
    if no_claims and "claims" in members:
        raise click.UsageError("name the claims with --claim, or say --no-claims")
    if no_claims:
        members["claims"] = ()
    if "scope_claims" in members:
        members["scope_claims"] = dict(_release(text) for text in members["scope_claims"])
    if "encryption_key" in members:
        key = read_json_file(members["encryption_key"], "--encryption-key", "a JWK")
        members["encryption_key"] = key
    return members


def _release(text: str) -> tuple[str, list[str]]:
    scope, _, names = text.partition("=")
    claims = [name.strip() for name in names.split(",") if name.strip()]
    if not scope or not claims:
        raise click.UsageError("--release names a scope and claims, such as hr:read=department")
    return scope, claims
