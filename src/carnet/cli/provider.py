"""``carnet provider``: the services that people may sign in with."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from carnet.cli.files import read_input
from carnet.cli.options import config_option, echo_json, json_option, settings_from
from carnet.errors import ConfigurationError
from carnet.server.upstream.setting_up import read_providers
from carnet.server.upstream.trial import read_sample
from carnet.server.upstream.trial import try_claims as _try

__all__ = ["provider"]


@click.group()
def provider() -> None:
    """Look at the services that people may sign in with."""


@provider.command("list")
@json_option
@config_option
def list_providers(as_json: bool, config: Path | None) -> None:
    """List the providers of the settings, with the addresses to register there."""
    settings = settings_from(config)
    found = [
        {
            "name": one.name,
            "label": one.label,
            "issuer": one.issuer,
            "client_id": one.settings.client_id,
            "provision": one.settings.provision,
            "redirect_uri": f"{settings.own_url}/sign-in/with/{one.name}/callback",
            "backchannel_logout_uri": f"{settings.own_url}/sign-in/with/{one.name}/logout",
        }
        for one in read_providers(settings).values()
    ]
    if as_json:
        echo_json(found)
        return
    if not found:
        click.echo("There is no provider: see docs/how-to/sign-in-with-google.md.")
    for told in found:
        click.echo(f"{told['name']}: {told['label']}, {told['issuer']}")
        click.echo(f"  redirect URI            {told['redirect_uri']}")
        click.echo(f"  back-channel logout URI {told['backchannel_logout_uri']}")


@provider.command("try")
@click.argument("name")
@click.argument("sample", metavar="FILE")
@json_option
@config_option
def try_claims(name: str, sample: str, as_json: bool, config: Path | None) -> None:
    """Say what a provider's claims come to: who can sign in, with which roles and claims.

    FILE holds an ID token of the provider's, or its claims as a JSON object, or is - for a pipe.
    Nothing is asked of the provider, nothing of the token is verified, and nothing is changed.

    \b
    Example:
      carnet provider try google claims.json --config carnet.toml

    \b
    Exit status: 0 such a person can sign in, 1 they can't; 2 wrong use.
    """
    settings = settings_from(config)
    known = read_providers(settings)
    if name not in known:
        there = ", ".join(known) or "none"
        raise ConfigurationError(f"the settings have no provider {name}; there is: {there}")
    text = read_input(sample, "claims").decode("utf-8", "replace")
    told = _try(known[name], read_sample(text), settings.admin_role)
    if as_json:
        echo_json({**told._asdict(), "roles": list(told.roles)})
    else:
        click.echo(f"allowed        {'yes' if told.let_in else 'no: see `required`'}")
        click.echo(f"username       {told.username or 'none: the person is asked'}")
        click.echo(f"roles          {', '.join(told.roles) or 'none'}")
        click.echo(f"claims         {msgspec.json.encode(told.claims).decode()}")
        click.echo(f"second factor  {'counts' if told.second_factor else 'is asked for here'}")
    if not told.let_in:
        raise click.exceptions.Exit(1)
