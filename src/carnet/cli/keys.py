"""``carnet keys``: the service's signing keys and its master key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.times import when
from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR
from carnet.server.service import Service

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """Manage the service's signing keys, which rotate by themselves.

    A key is published before it signs, and stays published until its last token has expired.
    """


@keys.command("list")
@json_option
@data_options
def list_keys(as_json: bool, config: Path | None, **given: Any) -> None:
    """List the keys with their stages."""

    async def work(service: Service) -> list[dict[str, Any]]:
        return [
            {**dates._asdict(), "stage": stage.value} for dates, stage in service.keys.overview()
        ]

    rows = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        since = f"signs from {when(row['signs_from'])}"
        click.echo(f"{row['stage']:10} {row['alg']:8} {row['kid']}  {since}")


@keys.command()
@click.option("--alg", metavar="ALG", help="The algorithm. [default: the first of the settings]")
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Let the new key sign at once, instead of after it was published for a while.",
)
@data_options
def rotate(alg: str | None, at_once: bool, config: Path | None, **given: Any) -> None:
    """Make the next key. Running servers take it over by themselves."""
    settings = settings_from(config, **given)
    chosen = alg or settings.signing_algorithms[0]

    async def work(service: Service) -> None:
        if chosen not in service.keys.algorithms:
            raise ConfigurationError(
                f"the service signs with {', '.join(service.keys.algorithms)}; the setting "
                "signing_algorithms says which, and clients may choose others"
            )
        await service.keys.rotate(chosen, OPERATOR, at_once=at_once)

    with_service(settings, work)
    click.echo(f"made the next {chosen} key: `carnet keys list` shows when it signs")


@keys.command()
@click.argument("kid")
@click.option("--yes", is_flag=True, help="Don't ask.")
@data_options
def retire(kid: str, yes: bool, config: Path | None, **given: Any) -> None:
    """Take a key out at once, because it is not trusted any more.

    Every token that it signed is refused as soon as verifiers fetch the key set again.
    """
    if not yes:
        click.confirm("Every token that this key signed will be refused. Go on?", abort=True)
    settings = settings_from(config, **given)
    if not with_service(settings, lambda service: service.keys.retire(kid, OPERATOR)):
        raise ConfigurationError("there is no such key in use; `carnet keys list` shows them")
    click.echo("the key is out of use")


@keys.command("change-master-key")
@data_options
def change_master_key(config: Path | None, **given: Any) -> None:
    """Encrypt everything under a new master key. Running servers take it over by themselves.

    Servers on other machines find it once it is copied there, in the place of the old one: until
    then they sign with the keys that they have, and are not ready for requests after a minute.
    """
    settings = settings_from(config, **given)
    with_service(settings, lambda service: service.change_master_key(OPERATOR))
    click.echo(
        f"{settings.folder / 'master.key'} is new: back it up, and copy it to other replicas"
    )
