"""The options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from carnet.cli.nearest import file_like
from carnet.errors import ConfigurationError
from carnet.server.settings import Settings
from carnet.server.settings_sources import load_settings

__all__ = [
    "config_option",
    "data_options",
    "echo_json",
    "json_option",
    "settings_from",
    "warn_people",
]

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def config_option(command: F) -> F:
    """Add ``--config``: where the settings are."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Settings in TOML.",
    )(command)


def data_options(command: F) -> F:
    """Add ``--config``, ``--data`` and ``--database``: where the settings and the data are."""
    for option in (
        click.option(
            "--database",
            metavar="URL",
            help="postgresql://…, instead of SQLite in the data folder.",
        ),
        click.option("--data", metavar="DIR", help="Folder of the master key and of SQLite."),
        config_option,
    ):
        command = option(command)
    return command


def warn_people(text: str) -> None:
    """Say on standard error what looks wrong."""
    click.echo(f"carnet: {text}", err=True)


def settings_from(
    config: Path | None, warn: Callable[[str], None] = warn_people, **given: Any
) -> Settings:
    """Put the settings together from the file, the environment and the flags."""
    if config is not None and not config.exists() and (near := file_like(str(config))):
        raise ConfigurationError(f"there is no file {config}{near}")
    return load_settings(config, os.environ, given, warn)


def echo_json(value: Any) -> None:
    """Answer with one line of JSON."""
    click.echo(msgspec.json.encode(value))
