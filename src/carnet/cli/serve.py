"""``carnet serve``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import structlog

from carnet.cli.options import data_options, settings_from, warn_people
from carnet.cli.running import with_service
from carnet.errors import CarnetError, ServerError
from carnet.server.log import configure_log
from carnet.server.running.program import serve as run
from carnet.server.service import Service
from carnet.server.settings import Settings
from carnet.server.settings_sources import SECRETS

__all__ = ["serve"]

AT_THE_START: Final = {
    "database_missing": "the data folder is made at the first start",
    "migrations_missing": "the database is brought to this version's shape at the start",
}


@click.command()
@data_options
@click.option("--host", metavar="ADDRESS", help="Address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=int, metavar="PORT", help="Port to listen on. [default: 8400]")
@click.option("--issuer", metavar="URL", help="The service's own URL. [default: where it listens]")
@click.option(
    "--audience",
    "audiences",
    multiple=True,
    metavar="NAME",
    help="A service that tokens may be for; may be repeated, the first is the default.",
)
@click.option("--access-token-lifetime", type=int, metavar="SECONDS", help="[default: 300]")
@click.option(
    "--refresh-grace",
    type=int,
    metavar="SECONDS",
    help="For how many seconds a used refresh token gets the same answer again. [default: 30]",
)
@click.option(
    "--client-registration",
    type=click.Choice(("off", "token", "open")),
    help="Who may register a client without an administrator: nobody, whoever holds a token of "
    "`carnet client registration-token create`, or anybody. [default: off]",
)
@click.option("--workers", type=int, metavar="N", help="Processes that serve. [default: 1]")
@click.option(
    "--json-log",
    is_flag=True,
    default=None,
    help="Make every line on standard error JSON, from the first to the last.",
)
@click.option(
    "--migrate/--no-migrate",
    default=None,
    help="Whether to bring the database to this version's shape, or leave that to `carnet "
    "migrate`. [default: migrate]",
)
@click.option("--check", is_flag=True, help="Only check the settings and the data.")
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    help="Stop when standard input closes, so that no service outlives its supervisor.",
)
def serve(
    config: Path | None,
    check: bool,
    stop_with_stdin: bool,
    audiences: tuple[str, ...],
    **given: Any,
) -> None:
    """Run the authentication service until Ctrl-C.

    Every setting can also stand in a TOML file (--config) or in a variable such as CARNET_ISSUER;
    flags win over variables, variables over the file.

    \b
    Examples:
      carnet serve --audience orders --audience billing
      carnet serve --config carnet.toml
      CARNET_ISSUER=https://auth.example.com carnet serve
    """
    with _log_of_start(_wants_json(given["json_log"], config)) as warn:
        settings = settings_from(config, warn, audiences=list(audiences) or None, **given)
    if check:
        _check(settings)
        return
    with _log_of_start(settings.json_log):
        run(settings, stop_with_stdin=stop_with_stdin)


def _wants_json(flag: bool | None, config: Path | None) -> bool:
    """Tell how to speak about the settings, before they are known to be good."""
    if flag is not None:
        return flag
    if (variable := os.environ.get("CARNET_JSON_LOG")) is not None:
        return variable.lower() in ("1", "true")
    try:
        given = {} if config is None else tomllib.loads(config.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return given.get("json_log") is True


@contextmanager
def _log_of_start(json_log: bool) -> Iterator[Callable[[str], None]]:
    """Give what tells of a setting that looks wrong; what ends the start is told in its form."""
    if not json_log:
        yield warn_people
        return
    configure_log()
    log = structlog.get_logger()
    try:
        yield lambda text: log.warning("setting_ignored", reason=text)
    except CarnetError as error:
        log.critical("serve_failed", code=error.code, reason=str(error))
        raise click.exceptions.Exit(2) from None
    except Exception as error:
        log.critical("fault", exc_info=error)
        raise click.exceptions.Exit(70) from None


def _check(settings: Settings) -> None:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if name in SECRETS and value:
            value = "(given)"
        if isinstance(value, dict):
            value = msgspec.json.encode(value).decode()
        click.echo(f"{name:24} {', '.join(value) if isinstance(value, tuple) else value}")
    try:
        with_service(settings, _read, reading=True)
    except ServerError as error:
        told = AT_THE_START.get(error.code) if settings.migrate else None
        if told is None:
            raise
        click.echo(f"\nThe settings are good; {told}.")
    else:
        click.echo("\nThe settings and the data are good.")


async def _read(service: Service) -> None:
    await service.store.read("SELECT COUNT(*) FROM account")
