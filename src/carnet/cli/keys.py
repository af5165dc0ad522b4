"""``carnet keys``: the service's signing keys and its master key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from carnet.cli.nearest import did_you_mean
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.tables import show_table
from carnet.cli.times import when
from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR
from carnet.server.keys.stages import KeyDates
from carnet.server.service import Service
from carnet.server.settings import Settings

__all__ = ["keys"]

NOT_IN_USE: Final = "there is no such key in use"


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
    show_table(
        ("stage", "alg", "kid", "signs from"),
        [(row["stage"], row["alg"], row["kid"], when(row["signs_from"])) for row in rows],
    )


@keys.command()
@click.option("--alg", metavar="ALG", help="The algorithm. [default: the first of the settings]")
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Let the new key sign at once, without publishing it for a while first.",
)
@data_options
def rotate(alg: str | None, at_once: bool, config: Path | None, **given: Any) -> None:
    """Make the next key. Running servers take it over by themselves."""
    settings = settings_from(config, **given)
    chosen = alg or settings.signing_algorithms[0]

    async def work(service: Service) -> None:
        if chosen not in service.keys.algorithms:
            raise ConfigurationError(
                f"the service signs with {', '.join(service.keys.algorithms)}, not {chosen[:40]!r}"
                f"{did_you_mean(chosen, service.keys.algorithms)}; the setting "
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
    settings = settings_from(config, **given)
    if not yes:
        _check_in_use(settings, kid)
        click.confirm("Every token that this key signed will be refused. Go on?", abort=True)
    if not with_service(settings, lambda service: service.keys.retire(kid, OPERATOR)):
        raise ConfigurationError(f"{NOT_IN_USE}; `carnet keys list` shows them")
    click.echo("the key is out of use")


def _check_in_use(settings: Settings, kid: str) -> None:
    """Refuse a key that can't be retired, before anybody thinks about whether it should be."""

    async def work(service: Service) -> list[KeyDates]:
        return [dates for dates, _ in service.keys.overview() if dates.retired_at is None]

    in_use = [dates.kid for dates in with_service(settings, work, reading=True)]
    if kid not in in_use:
        near = did_you_mean(kid, in_use) or "; `carnet keys list` shows them"
        raise ConfigurationError(f"{NOT_IN_USE}{near}")


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
